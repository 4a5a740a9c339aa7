"""How the models that Cita ships were made."""

"""Documents that attack: what they are made of, and that nothing comes of it."""

"""Templates as data: one file per model family, one per task and language. See README.md beside this file."""

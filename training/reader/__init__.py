"""Makes the reader (models/reader): training/reader/README.md says how."""

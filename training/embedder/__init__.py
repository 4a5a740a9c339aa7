"""The embedder for English and Spanish, distilled from all-MiniLM-L6-v2 (README.md here has the recipe and why)."""

"""A question in, a cited answer out: rewrite -> retrieve -> prompt -> generate -> cite -> verify."""

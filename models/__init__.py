"""Which generator models there are, and which one answers."""

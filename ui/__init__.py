"""The app's pages: draw, call the engine, stream. No logic."""

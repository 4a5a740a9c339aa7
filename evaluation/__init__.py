"""Measures how well passages are found and questions answered, on public sets and on a user's own questions."""

"""Scores single rows: what shares nothing with any other row. One file a screen."""

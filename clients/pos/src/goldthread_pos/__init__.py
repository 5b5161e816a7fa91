"""A till in a terminal."""

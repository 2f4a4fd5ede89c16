"""A static scan of an image: what shows in its bytes, whoever built it."""

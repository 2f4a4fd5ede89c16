"""The rules of the house, read from the source. Each rule also shows that it can fail."""

"""Bytes to parsed evidence, believed by no one. Pure."""

"""Starts every role of the private path as a process, and stops them all together."""

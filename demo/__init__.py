"""The demo: not installed, run from a checkout by ``make demo``."""

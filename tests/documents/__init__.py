"""Documents that are written by a program, and the tests that they are up to date."""

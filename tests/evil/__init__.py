"""Evil twins: roles of the private path that are the real ones but for one evil each."""

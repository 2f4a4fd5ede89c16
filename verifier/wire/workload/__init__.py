"""What the reference CVM computes, as pure functions, so that a client can predict every answer."""

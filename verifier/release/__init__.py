"""What is logged: statements, their envelope, the kinds of entries. Pure."""

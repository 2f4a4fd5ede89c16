"""The reference CVM system. Roles never import one another."""

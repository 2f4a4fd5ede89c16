"""The private keys of the path, and the statements that publish their public halves."""

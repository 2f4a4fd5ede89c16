"""What travels between a client and a confidential VM: formats and their algorithms. Pure."""

"""Known vulnerabilities of SEV-SNP platforms, and what evidence says of each. Pure."""

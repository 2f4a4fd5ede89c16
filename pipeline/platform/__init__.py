"""The simulated secure processor, for machines without SEV-SNP. Never AMD."""

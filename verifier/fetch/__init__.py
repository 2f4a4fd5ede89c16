"""The judge's network in: addresses to bytes. Verifies nothing."""

"""The attested client: nothing is said to a CVM before its evidence is VERIFIED."""

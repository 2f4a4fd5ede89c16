"""Scores any verifier on the fixtures, ours as well; it judges nothing itself."""

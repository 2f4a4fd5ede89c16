"""Rebuilds a release in a sandbox: the source, its inputs, two builds, and what they made."""

"""Vendor keys as facts."""

"""Judges a drive: what was seen of a release that was booted and asked, beside its evidence."""

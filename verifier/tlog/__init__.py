"""Formats and mathematics of the transparency log (C2SP, RFC 6962). Pure."""

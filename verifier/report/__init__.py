"""A verdict as text or as a document. Pure."""

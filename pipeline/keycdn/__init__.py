"""The key CDN: gives everybody the same key configuration, with the proof that it is logged."""

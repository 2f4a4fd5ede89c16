"""What a relay knows of Oblivious HTTP: the names of its media types, and how long messages may be.

This module imports nothing, and is all of the private path that a relay may import. Source: RFC
9458 sections 3.2, 4 and 5.3.
"""

from __future__ import annotations

__all__ = [
    "KEY_PROBLEM",
    "MAX_ENCAPSULATED_REQUEST",
    "MAX_ENCAPSULATED_RESPONSE",
    "OHTTP_KEYS_MEDIA_TYPE",
    "OHTTP_REQUEST_MEDIA_TYPE",
    "OHTTP_RESPONSE_MEDIA_TYPE",
]

OHTTP_KEYS_MEDIA_TYPE = "application/ohttp-keys"
OHTTP_REQUEST_MEDIA_TYPE = "message/ohttp-req"
OHTTP_RESPONSE_MEDIA_TYPE = "message/ohttp-res"

KEY_PROBLEM = "https://iana.org/assignments/http-problem-types#ohttp-key"
"""Problem type of a request that was encapsulated to a key that the gateway does not take."""

MAX_ENCAPSULATED_REQUEST = 393_344
"""Most bytes of an encapsulated request: the longest binary message, and what protects it."""

MAX_ENCAPSULATED_RESPONSE = MAX_ENCAPSULATED_REQUEST
"""Most bytes of an encapsulated response."""

"""``guest-policy/v1``: what a guest insists on before it serves.

The file lies in the image, so it is measured, and what is measured is what is logged. Source:
docs/spec/attested-tls.md; schemas/guest-policy.v1.schema.json is the public contract.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.release.publisher import PublisherKey, parse_publisher_key
from verifier.release.statement import ROLE
from verifier.tlog.json_object import JsonObject
from verifier.tlog.policy import TlogPolicy, parse_tlog_policy
from verifier.tlog.strict import parse_json

__all__ = ["MAX_GUEST_POLICY", "SCHEMA", "GuestPolicy", "parse_guest_policy"]

SCHEMA = "cvm-audit/guest-policy/v1"

MAX_GUEST_POLICY = 65_536
"""Most bytes of a policy."""

_WHAT = "guest policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPolicy:
    """The role of the guest, whose releases it believes, in which log, and the port it serves."""

    role: str
    log_policy: TlogPolicy
    publishers: tuple[PublisherKey, ...]
    publisher_threshold: int
    listen: int


def parse_guest_policy(raw: bytes) -> GuestPolicy:
    """Read a policy. Raises ParseError, UnsupportedError, and PolicyError for the log policy."""
    if len(raw) > MAX_GUEST_POLICY:
        expected = f"at most {MAX_GUEST_POLICY} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    document.choice("schema", (SCHEMA,))
    publishers = tuple(
        parse_publisher_key(text) for text in document.texts("publishers", minimum=1)
    )
    policy = GuestPolicy(
        role=document.text("role", pattern=ROLE),
        log_policy=parse_tlog_policy(document.text("logPolicy", pattern=r"[\t\n -~]{1,32768}")),
        publishers=publishers,
        publisher_threshold=document.integer(
            "publisherThreshold", minimum=1, maximum=len(publishers)
        ),
        listen=document.integer("listen", minimum=1, maximum=65_535),
    )
    document.end()
    return policy

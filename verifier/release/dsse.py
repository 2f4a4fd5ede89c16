"""The DSSE envelope around a statement, and the door that opens it.

Source: DSSE v1.0.2, envelope.md and protocol.md (secure-systems-lab/dsse). Stricter than it on
purpose: standard base64 only, no unknown members, ``keyid`` required, so that one envelope has
one spelling.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import rfc8785

from verifier.errors import ParseError, VerificationError
from verifier.release.publisher import PublisherKey, verify_publisher_signature
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_base64, parse_json

__all__ = [
    "MAX_ENVELOPE",
    "AuthenticEnvelope",
    "Envelope",
    "EnvelopeSignature",
    "encode_envelope",
    "open_envelope",
    "parse_envelope",
    "pre_authentication_encoding",
]

MAX_ENVELOPE = 65_535
"""Most bytes of an envelope: an entry of the log (C2SP tlog-tiles, u16 length)."""

_MAX_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """``keyid`` is an unauthenticated hint; ``signature`` is believed by no one yet."""

    keyid: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A well-formed envelope. ``raw`` holds the received bytes."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class AuthenticEnvelope:
    """An envelope whose payload ``keys`` signed: all of them are keys that the caller named."""

    envelope: Envelope
    keys: tuple[PublisherKey, ...]


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """PAE, the bytes that are signed. Lengths count bytes (protocol.md, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(raw: bytes) -> Envelope:
    """Read an envelope that is exactly its own RFC 8785 canonical form. Raises ParseError."""
    if len(raw) > MAX_ENVELOPE:
        raise ParseError("envelope", expected=f"at most {MAX_ENVELOPE} bytes", got=f"{len(raw)}")
    document = parse_json(raw, what="envelope")
    _require_canonical(document, raw)
    members = JsonObject(document, what="envelope")
    payload = parse_base64(members.text("payload", pattern=r".*"), what="envelope.payload")
    payload_type = members.text("payloadType")
    signatures = tuple(_signature(item) for item in members.objects("signatures", minimum=1))
    members.end()
    if len(signatures) > _MAX_SIGNATURES:
        got = str(len(signatures))
        raise ParseError("envelope.signatures", expected=f"at most {_MAX_SIGNATURES}", got=got)
    return Envelope(payload_type, payload, signatures, raw)


def _require_canonical(document: Any, raw: bytes) -> None:
    canonical = rfc8785.dumps(document)  # cannot fail: parse_json gives only what RFC 8785 takes
    if canonical != raw:
        at = next((i for i, (a, b) in enumerate(zip(canonical, raw, strict=False)) if a != b), -1)
        got = f"a difference at byte {at}" if at >= 0 else "other length"
        raise ParseError("envelope", expected="RFC 8785 canonical JSON", got=got)


def _signature(item: JsonObject) -> EnvelopeSignature:
    keyid = item.text("keyid")
    signature = parse_base64(item.text("sig", pattern=r".{1,4096}"), what=f"{item.what}.sig")
    item.end()
    return EnvelopeSignature(keyid, signature)


def encode_envelope(
    payload_type: str, payload: bytes, signatures: tuple[EnvelopeSignature, ...]
) -> bytes:
    """The canonical bytes of an envelope; the inverse of ``parse_envelope``."""
    document: dict[str, Any] = {
        "payload": _base64(payload),
        "payloadType": payload_type,
        "signatures": [{"keyid": s.keyid, "sig": _base64(s.signature)} for s in signatures],
    }
    return rfc8785.dumps(document)


def open_envelope(
    envelope: Envelope, *, publishers: tuple[PublisherKey, ...], threshold: int
) -> AuthenticEnvelope:
    """Check the signatures under the caller's keys; at least ``threshold`` distinct keys must sign.

    A signature under an unknown key is ignored; a bad one under a known key refuses the whole
    envelope. Raises VerificationError. Source: DSSE protocol.md, "Verification".
    """
    if threshold < 1:
        raise ValueError("a threshold below one would accept an unsigned envelope")
    signed = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    by_id = {key.keyid: key for key in publishers}
    opened: dict[str, PublisherKey] = {}
    for signature in envelope.signatures:
        key = by_id.get(signature.keyid)
        if key is None:
            continue
        verify_publisher_signature(key, message=signed, signature=signature.signature)
        opened[key.keyid] = key
    if len(opened) < threshold:
        names = ", ".join(sorted(by_id)) or "no key"
        raise VerificationError(
            "publisher signatures",
            expected=f"{threshold} by {names}",
            got=f"{len(opened)}; the envelope names {_named(envelope)}",
        )
    return AuthenticEnvelope(envelope, tuple(opened.values()))


def _named(envelope: Envelope) -> str:
    return ", ".join(signature.keyid for signature in envelope.signatures)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")

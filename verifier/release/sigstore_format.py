"""The Sigstore bundle v0.3, read strictly before the library of Sigstore sees it.

Only the form that carries an in-toto statement is read: a DSSE envelope with one signature, a
certificate, and one entry of a log with inclusion proof and checkpoint. Members that are not
known are refused. Source: sigstore/protobuf-specs, sigstore_bundle.proto, sigstore_rekor.proto and
sigstore_common.proto, in the JSON form of Protocol Buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from verifier.errors import ParseError, UnsupportedError
from verifier.release.sigstore_identity import SigningCertificate, parse_signing_certificate
from verifier.tlog.checkpoint import Checkpoint, parse_checkpoint
from verifier.tlog.json_object import JsonObject
from verifier.tlog.merkle import HASH_SIZE, MAX_PROOF_HASHES, MAX_TREE_SIZE, TreeHead, leaf_hash
from verifier.tlog.note import parse_note
from verifier.tlog.strict import parse_base64, parse_decimal, parse_json

__all__ = [
    "MAX_SIGSTORE_BUNDLE",
    "MEDIA_TYPE",
    "RekorEntry",
    "SigstoreBundle",
    "parse_sigstore_bundle",
]

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_SIGSTORE_BUNDLE = 2**18
"""Most bytes: a statement of the largest entry, twice in base64, leaves room for the proofs."""

_WHAT = "Sigstore bundle"
_KINDS = (("dsse", "0.0.1"), ("hashedrekord", "0.0.2"))
_END_OF_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second that datetime knows
_DECIMAL = r"[0-9]{1,20}"
_BASE64 = r"[A-Za-z0-9+/=]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class RekorEntry:
    """The entry of Sigstore's log, with a proof that nobody has verified yet.

    ``leaf`` is its leaf hash; ``hashes`` are to lead from it to ``stated``, which is to be the tree
    of ``checkpoint``. ``promised`` is the instant of the log's inclusion promise, or None.
    """

    index: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    stated: TreeHead
    checkpoint: Checkpoint
    promised: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreBundle:
    """A well-formed bundle, believed by no one. ``raw`` holds the received bytes.

    ``timestamped`` is whether it holds a timestamp of an authority (RFC 3161).
    """

    raw: bytes
    payload_type: str
    payload: bytes
    certificate: SigningCertificate
    entry: RekorEntry
    timestamped: bool


def parse_sigstore_bundle(raw: bytes) -> SigstoreBundle:
    """Read a bundle. Raises ParseError, UnsupportedError for another version or content."""
    if len(raw) > MAX_SIGSTORE_BUNDLE:
        expected = f"at most {MAX_SIGSTORE_BUNDLE} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    media_type = document.text("mediaType")
    if media_type != MEDIA_TYPE:
        raise UnsupportedError(f"{_WHAT}, version", expected=MEDIA_TYPE, got=media_type)
    material = document.object("verificationMaterial")
    _refuse_other(material, "certificate", ("publicKey", "x509CertificateChain"))
    _refuse_other(document, "dsseEnvelope", ("messageSignature",))
    payload_type, payload = _envelope(document.object("dsseEnvelope"))
    certificate = material.object("certificate")
    der = _bytes(certificate, "rawBytes")
    certificate.end()
    bundle = SigstoreBundle(
        raw=raw,
        payload_type=payload_type,
        payload=payload,
        certificate=parse_signing_certificate(der),
        entry=_only_entry(material),
        timestamped=_timestamped(material),
    )
    material.end()
    document.end()
    if bundle.entry.promised is None and not bundle.timestamped:
        expected = "an inclusion promise with its time, or a timestamp of an authority"
        raise ParseError(f"{_WHAT}, time", expected=expected, got="neither")
    return bundle


def _refuse_other(item: JsonObject, name: str, others: tuple[str, ...]) -> None:
    for other in others:
        if item.has(other):
            raise UnsupportedError(f"{item.what}, content", expected=name, got=other)


def _bytes(item: JsonObject, name: str, *, size: int | None = None) -> bytes:
    return parse_base64(item.text(name, pattern=_BASE64), what=f"{item.what}.{name}", size=size)


def _integer(item: JsonObject, name: str, *, maximum: int) -> int:
    text = item.text(name, pattern=_DECIMAL)
    return parse_decimal(text, what=f"{item.what}.{name}", maximum=maximum)


def _envelope(item: JsonObject) -> tuple[str, bytes]:
    payload_type, payload = item.text("payloadType"), _bytes(item, "payload")
    signatures = item.objects("signatures")
    if len(signatures) != 1:
        raise item.refuse("signatures", expected="one signature", got=str(len(signatures)))
    _bytes(signatures[0], "sig")
    if signatures[0].has("keyid"):
        signatures[0].text("keyid", pattern=r"[ -~]{0,256}")
    signatures[0].end()
    item.end()
    return payload_type, payload


def _timestamped(material: JsonObject) -> bool:
    # One at most: of two that differ, the library would ignore the one that does not verify.
    if not material.has("timestampVerificationData"):
        return False
    item = material.object("timestampVerificationData")
    stamps = item.objects("rfc3161Timestamps") if item.has("rfc3161Timestamps") else ()
    item.end()
    if len(stamps) > 1:
        raise item.refuse("rfc3161Timestamps", expected="one timestamp", got=str(len(stamps)))
    for stamp in stamps:
        _bytes(stamp, "signedTimestamp")
        stamp.end()
    return bool(stamps)


def _only_entry(material: JsonObject) -> RekorEntry:
    entries = material.objects("tlogEntries")
    if len(entries) != 1:
        raise material.refuse("tlogEntries", expected="one entry of a log", got=str(len(entries)))
    return _entry(entries[0])


def _entry(item: JsonObject) -> RekorEntry:
    _integer(item, "logIndex", maximum=2**63 - 1)  # in all shards together; the proof has its own
    log = item.object("logId")
    _bytes(log, "keyId")
    log.end()
    _require_kind(item.object("kindVersion"))
    promised = _promised(item)
    leaf = leaf_hash(_bytes(item, "canonicalizedBody"))
    proof = item.object("inclusionProof")
    entry = RekorEntry(
        index=_integer(proof, "logIndex", maximum=MAX_TREE_SIZE),
        leaf=leaf,
        hashes=_hashes(proof),
        stated=TreeHead(
            _integer(proof, "treeSize", maximum=MAX_TREE_SIZE),
            _bytes(proof, "rootHash", size=HASH_SIZE),
        ),
        checkpoint=_checkpoint(proof.object("checkpoint")),
        promised=promised,
    )
    proof.end()
    item.end()
    return entry


def _require_kind(item: JsonObject) -> None:
    kind = (item.text("kind"), item.text("version"))
    item.end()
    if kind not in _KINDS:
        expected = " or ".join("/".join(known) for known in _KINDS)
        raise UnsupportedError(f"{_WHAT}, kind of log entry", expected=expected, got="/".join(kind))


def _promised(item: JsonObject) -> datetime | None:
    seconds = 0
    if item.has("integratedTime"):
        seconds = _integer(item, "integratedTime", maximum=_END_OF_TIME)
    if not item.has("inclusionPromise"):
        return None  # a time that no promise binds is nobody's word
    promise = item.object("inclusionPromise")
    _bytes(promise, "signedEntryTimestamp")
    promise.end()
    if not seconds:
        expected = "the time that the inclusion promise is for"
        raise item.refuse("integratedTime", expected=expected, got="none")
    return datetime.fromtimestamp(seconds, UTC)


def _hashes(proof: JsonObject) -> tuple[bytes, ...]:
    texts = proof.array("hashes", maximum=MAX_PROOF_HASHES)
    if not all(type(text) is str for text in texts):
        raise proof.refuse("hashes", expected="strings", got="something else")
    what = f"{proof.what}.hashes"
    return tuple(parse_base64(text, what=what, size=HASH_SIZE) for text in texts)


def _checkpoint(item: JsonObject) -> Checkpoint:
    note = item.text("envelope", pattern=r"[\s\S]{1,65536}")
    item.end()
    return parse_checkpoint(parse_note(note.encode("utf-8")))

"""The one adapter to the ``sigstore`` library: it checks a bundle, offline, against a given root.

The library is an extra and slow to load, so whoever imports this module does it when a policy
names an identity. What is ours and what is the library's:

=====================================================  ============
step                                                   done by
=====================================================  ============
form, size and version of the bundle                   us, before
instant of the signature is not in the future          us, before
certificate is valid at that instant                   both
keys and authorities of the root are valid at it       us, before
certificate leads to an authority of the root          the library
certificate was logged (SCT)                           the library
identity and issuer, character by character            us, within
checkpoint is signed by a log of the root              the library
entry is in the tree of the checkpoint                 both
inclusion promise or timestamp                         the library
signature of the envelope                              the library
logged entry is of this envelope and certificate       the library
signed bytes are the statement of the release          us, after
=====================================================  ============

Nothing is fetched and no file is read: the library gets parsed documents. It reads the clock to
drop keys of the root that are not valid yet, which here can only drop more. Source: Sigstore client
specification (sigstore/architecture-docs, client-spec.md); library version 4.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as SigstoreRoot
from sigstore.verify import Verifier
from sigstore_models.common.v1 import TimeRange
from sigstore_models.trustroot.v1 import TrustedRoot as RootDocument

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release.sigstore_format import RekorEntry, SigstoreBundle
from verifier.release.sigstore_identity import (
    AuthenticIdentity,
    Identity,
    match_identity,
    parse_signing_certificate,
)
from verifier.release.statement import PAYLOAD_TYPE
from verifier.tlog.merkle import verify_inclusion
from verifier.tlog.strict import excerpt, parse_json

__all__ = ["MAX_TRUSTED_ROOT", "ROOT_MEDIA_TYPE", "TrustedRoot", "parse_trusted_root"]

ROOT_MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
MAX_TRUSTED_ROOT = 2**18
"""Most bytes of a trusted root; that of Sigstore's public instance has less than 10,000."""

_ROOT = "Sigstore trusted root"
_WHAT = "Sigstore bundle"
_REFUSED = (
    SigstoreError,
    ValueError,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    UnsupportedAlgorithm,
)
"""What the library raises for a bundle that it does not take."""

# How the library begins its refusals; what it looked at, and what it wants, in words for a person.
# A refusal that begins otherwise is one of the bundle as a whole.
_TIME = ("time of the Sigstore signature", "a timestamp by an authority of the trusted root")
_BODY = ("log entry of the Sigstore bundle", "this payload, signature and certificate")
_REASONS = {
    "not enough sources of verified time": _TIME,
    "no Timestamp Authorities": _TIME,
    "Invalid Timestamp Response": _TIME,
    "failed to build timestamp certificate chain": (
        "signing certificate, issuer",
        "a certificate authority of the trusted root",
    ),
    "failed to verify SCT": (
        "signing certificate, certificate timestamp (SCT)",
        "one, by a certificate log of the trusted root",
    ),
    "Key usage": ("signing certificate, key usage", "digital signature"),
    "Extended usage": ("signing certificate, extended key usage", "code signing"),
    "invalid log entry: SET": (
        "inclusion promise of the Sigstore bundle",
        "one by a log of the trusted root",
    ),
    "invalid log entry: checkpoint": (
        "checkpoint of the Sigstore bundle",
        "a signature by a log of the trusted root",
    ),
    "DSSE: invalid signature": (
        "signature of the Sigstore bundle",
        "one by the key of the signing certificate",
    ),
    "invalid DSSE log entry": _BODY,
    "log entry": _BODY,
    "transparency log entry": _BODY,
}

_MAX_REASON = 200


def parse_trusted_root(raw: bytes) -> TrustedRoot:
    """Read a trusted root (``trusted_root.json``, sigstore_trustroot.proto).

    Raises ParseError, and UnsupportedError for another version. It must name certificate
    authorities, certificate logs and logs; timestamp authorities may be missing.
    """
    if len(raw) > MAX_TRUSTED_ROOT:
        expected = f"at most {MAX_TRUSTED_ROOT} bytes"
        raise ParseError(_ROOT, expected=expected, got=f"{len(raw)} bytes")
    document = parse_json(raw, what=_ROOT)
    version = document.get("mediaType") if isinstance(document, dict) else None
    if version != ROOT_MEDIA_TYPE:
        got = excerpt(version) if isinstance(version, str) else "no mediaType"
        raise UnsupportedError(f"{_ROOT}, version", expected=ROOT_MEDIA_TYPE, got=got)
    for name in ("tlogs", "ctlogs", "certificateAuthorities"):
        if not document.get(name):
            raise ParseError(f"{_ROOT}.{name}", expected="at least one", got="none")
    try:
        root = TrustedRoot(RootDocument.from_json(raw))
        _require_zones(root.document)  # the library compares instants, and fails at mixed ones
        Verifier(trusted_root=SigstoreRoot(root.document))  # reads the certificates
    except _REFUSED as error:
        expected = "what sigstore_trustroot.proto says"
        raise ParseError(_ROOT, expected=expected, got=_one_line(error)) from None
    return root


def _require_zones(root: RootDocument) -> None:
    authorities = (*root.certificate_authorities, *root.timestamp_authorities)
    periods = [authority.valid_for for authority in authorities]
    logs = (*root.tlogs, *root.ctlogs)
    periods += [log.public_key.valid_for for log in logs if log.public_key.valid_for is not None]
    for period in periods:
        for instant in (period.start, period.end):
            if instant is not None and instant.tzinfo is None:
                raise ParseError(_ROOT, expected="instants with a time zone", got=str(instant))


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """Whom the auditor believes about identities. Made by ``parse_trusted_root``."""

    document: RootDocument

    def verify_identity(
        self,
        bundle: SigstoreBundle,
        *,
        statement: bytes,
        identities: tuple[Identity, ...],
        now: datetime,
    ) -> AuthenticIdentity:
        """Check that one of ``identities`` signed ``statement``, at an instant up to ``now``.

        Raises VerificationError; ValueError if no identity is given.
        """
        if not identities:
            raise ValueError("without an identity any signature would do")
        _require_statement(bundle.payload_type, bundle.payload, statement)
        _require_inclusion(bundle.entry)
        try:
            parsed = Bundle.from_json(bundle.raw)
            instant, clock = _instant(bundle, parsed)
            _require_validity(bundle, instant, now)
            verifier = Verifier(trusted_root=SigstoreRoot(self._at(instant)))
            payload_type, payload = verifier.verify_dsse(parsed, _Named(identities))
        except _REFUSED as error:
            raise _explained(error) from None
        # What the library verified is what counts, not what we read before it.
        _require_statement(payload_type, payload, statement)
        return AuthenticIdentity(
            identity=match_identity(bundle.certificate.identity, identities=identities),
            statement=statement,
            instant=instant,
            clock=clock,
            log=bundle.entry.checkpoint.origin,
            index=bundle.entry.index,
            size=bundle.entry.checkpoint.tree.size,
        )

    def _at(self, instant: datetime) -> RootDocument:
        # The library takes keys and authorities also after the end of their validity.
        root = self.document
        authorities = {
            "certificate_authorities": root.certificate_authorities,
            "timestamp_authorities": root.timestamp_authorities,
        }
        kept: dict[str, list[Any]] = {
            name: [one for one in found if _covers(one.valid_for, instant)]
            for name, found in authorities.items()
        }
        for name, logs in (("tlogs", root.tlogs), ("ctlogs", root.ctlogs)):
            kept[name] = [log for log in logs if _covers(log.public_key.valid_for, instant)]
        for name in ("tlogs", "ctlogs", "certificate_authorities"):
            if not kept[name]:
                expected = f"one that is valid at {_time(instant)}"
                raise VerificationError(f"{_ROOT}, {name}", expected=expected, got="none")
        return root.model_copy(update=kept)


@dataclass(frozen=True, slots=True)
class _Named:
    """Identity and issuer, as a policy of the library: it asks once the chain is verified."""

    identities: tuple[Identity, ...]

    def verify(self, cert: x509.Certificate) -> None:
        found = parse_signing_certificate(cert.public_bytes(Encoding.DER))
        match_identity(found.identity, identities=self.identities)


def _covers(period: TimeRange | None, instant: datetime) -> bool:
    return period is None or (
        period.start <= instant and (period.end is None or instant <= period.end)
    )


def _require_statement(payload_type: str, payload: bytes, statement: bytes) -> None:
    if payload_type != PAYLOAD_TYPE:
        what = f"{_WHAT}, payload type"
        raise VerificationError(what, expected=PAYLOAD_TYPE, got=excerpt(payload_type))
    if payload != statement:
        expected = f"the statement of the release, SHA-256 {sha256(statement).hexdigest()}"
        got = f"another, SHA-256 {sha256(payload).hexdigest()}"
        raise VerificationError(f"{_WHAT}, signed statement", expected=expected, got=got)


def _require_inclusion(entry: RekorEntry) -> None:
    # The library compares the root of the proof with that of the checkpoint, but not the size.
    signed = entry.checkpoint.tree
    if entry.stated != signed:
        expected = f"size {signed.size} and root {signed.root.hex()}, as in its checkpoint"
        got = f"size {entry.stated.size} and root {entry.stated.root.hex()}"
        raise VerificationError(f"{_WHAT}, inclusion proof", expected=expected, got=got)
    verify_inclusion(leaf=entry.leaf, index=entry.index, proof=entry.hashes, tree=signed)


def _instant(bundle: SigstoreBundle, parsed: Bundle) -> tuple[datetime, str]:
    # With one source of each kind at most, the library cannot have accepted another than this.
    if bundle.entry.promised is not None:
        return bundle.entry.promised, "inclusion promise of the log"
    stamps = parsed.verification_material.timestamp_verification_data
    if stamps is None or len(stamps.rfc3161_timestamps) != 1:
        raise VerificationError(_TIME[0], expected=_TIME[1], got="none")
    return stamps.rfc3161_timestamps[0].tst_info.gen_time, "timestamp authority"


def _require_validity(bundle: SigstoreBundle, instant: datetime, now: datetime) -> None:
    if instant > now:
        expected = f"{_time(now)} or earlier"
        raise VerificationError(_TIME[0], expected=expected, got=_time(instant))
    certificate = bundle.certificate
    if not certificate.not_before <= instant <= certificate.not_after:
        raise VerificationError(
            "signing certificate, validity",
            expected=f"valid when it signed, at {_time(instant)}",
            got=f"valid from {_time(certificate.not_before)} to {_time(certificate.not_after)}",
        )


def _explained(error: Exception) -> VerificationError:
    said = _one_line(error)
    for beginning, (what, expected) in _REASONS.items():
        if said.startswith(beginning):
            return VerificationError(what, expected=expected, got=said)
    expected = "what the Sigstore client specification demands"
    return VerificationError(_WHAT, expected=expected, got=said)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"

"""Evidence that was given in a TLS session, and the client's own record of that session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import logged
from tests.fixture_cases.vendor import NONCE, NOW
from verifier.evidence.report_data import report_data_of_session
from verifier.wire.session_binding import SessionBinding, encode_session_binding

__all__ = ["sessions"]

_KEY = derive_private_key(0x5E55, SECP256R1())
_SPKI = _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cvm.invalid")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(hours=1))
    )
    return builder.sign(_KEY, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


_SESSION = SessionBinding(
    exporter=sha256(b"exporter").digest(),
    nonce=NONCE,
    role="summariser",
    spki_sha256=sha256(_SPKI).digest(),
    sealing_key_sha256=sha256(b"sealing key").digest(),
    certificate=_certificate(),
    level="exporter",
)


def _case(
    check: str | None,
    title: str,
    *attacks: str,
    bound: SessionBinding = _SESSION,
    record: SessionBinding | None = None,
    **case: Any,
) -> Case:
    """The report binds the session ``bound``, and the client's record is ``record``, or that."""
    report_data = report_data_of_session(
        exporter=bound.exporter,
        nonce=bound.nonce,
        role=bound.role,
        spki_sha256=bound.spki_sha256,
        sealing_key_sha256=bound.sealing_key_sha256,
    )
    return logged(
        check,
        title,
        *attacks,
        fields={"report_data": report_data},
        held={"session_binding": encode_session_binding(record or bound)},
        changed={"report_data": "session"},
        nonce=NONCE,
        **case,
    )


def sessions() -> Iterator[Case]:
    """The cases."""
    yield _case(
        None,
        "Evidence for the session in which it was given",
        "ATK-038",
        "ATK-040",
        what="accepted-session",
        spec=("docs/spec/attested-tls.md",),
    )
    edited = bytearray(_SESSION.certificate)
    edited[edited.index(b"261121130000Z") + 1] += 1  # notAfter, a year later
    yield _case(
        "session.binding",
        "The self-signed certificate was edited, and its signature is not its own",
        "ATK-045",
        what="self-signature",
        bound=replace(_SESSION, certificate=bytes(edited)),
    )
    yield _case(
        "session.binding",
        "The binding names another key than that of the certificate",
        "ATK-045",
        what="other-key",
        bound=replace(_SESSION, spki_sha256=sha256(b"another").digest()),
    )
    yield _case(
        "session.role",
        "The evidence is of another part of the system",
        "ATK-049",
        bound=replace(_SESSION, role="guard"),
    )
    yield _case(
        "snp.report_data",
        "The evidence was given in another session, and relayed into this one",
        "ATK-040",
        "ATK-038",
        what="relayed",
        bound=replace(_SESSION, exporter=sha256(b"another").digest()),
        record=_SESSION,
    )

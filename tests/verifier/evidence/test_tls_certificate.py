"""The certificate of a session: the digest of its key, or why it is none."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, VerificationError
from verifier.evidence.tls_certificate import open_self_signed

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
WHAT = "TLS certificate"


def certificate(signer: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """One for ``KEY``."""
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .sign(signer, SHA256())
    )
    return made.public_bytes(Encoding.DER)


def test_the_digest_is_that_of_the_key() -> None:
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert open_self_signed(certificate()) == hashlib.sha256(spki).digest()


def test_whoever_signs_for_another_key_is_refused() -> None:
    with rejects(VerificationError, WHAT, expected="a signature by its own key", got="not one"):
        open_self_signed(certificate(OTHER))


@pytest.mark.parametrize(
    ("old", "new", "got"),
    [
        ("a003020102", "a003020109", "9 is not a valid X509 version"),
        ("06072a8648ce3d0201", "06072a8648ce3d0209", "Unknown key type"),
        ("06082a8648ce3d030107", "06082a8648ce3d030106", "is not supported"),
        ("06082a8648ce3d040302", "06082a8648ce3d040309", "Unsupported signature algorithm"),
    ],
)
def test_what_is_of_another_kind_is_refused(old: str, new: str, got: str) -> None:
    """A version, a key, a curve and a signature that nobody knows: errors, and no crash."""
    whole = certificate()
    assert whole.count(bytes.fromhex(old)) >= 1
    der = whole.replace(bytes.fromhex(old), bytes.fromhex(new))
    with rejects(ParseError, WHAT, expected="a self-signed certificate", got=got):
        open_self_signed(der)


def test_what_is_no_certificate_is_refused() -> None:
    for der in (b"", certificate()[:-1], certificate() + b"\x00"):
        with rejects(ParseError, WHAT, expected="a self-signed certificate", got="."):
            open_self_signed(der)

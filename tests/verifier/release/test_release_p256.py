from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.making import entry, publisher
from tests.synthetic_sigstore import key, spki
from tests.verifier.release.stating import ORIGIN, RULE, announcement, log_policy, signed
from verifier.cli.publishing import Publisher, generate_key, read_key, sign_entry
from verifier.errors import ParseError, PolicyError, VerificationError
from verifier.release.admission import Rules
from verifier.release.dsse import EnvelopeSignature, encode_envelope, parse_envelope
from verifier.release.entry import open_release, parse_entry
from verifier.release.members import VKEY
from verifier.release.p256 import ORDER, parse_p256_key, verify_p256
from verifier.release.publisher import PublisherKey, parse_publisher_key
from verifier.tlog.note import Algorithm, VerificationKey, parse_public_key

SPKI = spki(key("publisher"))
MESSAGE = b"what is signed"


def vkey(material: bytes = SPKI) -> VerificationKey:
    return parse_public_key(
        name="fixtures.invalid/p256", algorithm=Algorithm.ECDSA, public_key=material
    )


ECDSA = Publisher(PublisherKey(vkey()), key("publisher"))


def test_an_ecdsa_publisher_signs_an_entry() -> None:
    raw = entry(by=ECDSA)
    opened = open_release(parse_entry(raw), publishers=(ECDSA.key,), threshold=1)
    assert opened.keys == (ECDSA.key,)
    assert parse_publisher_key(str(ECDSA.key.vkey)) == ECDSA.key
    assert entry(by=ECDSA) == raw  # as with Ed25519, one statement and key give one entry


def test_keys_of_both_kinds_sign_together() -> None:
    other = publisher()
    raw = sign_entry(entry(by=ECDSA), (other,))
    opened = open_release(parse_entry(raw), publishers=(ECDSA.key, other.key), threshold=2)
    assert {found.keyid for found in opened.keys} == {ECDSA.key.keyid, other.key.keyid}


def test_half_of_all_raw_signatures_would_be_high_and_ours_never_is() -> None:
    for number in range(32):
        _, s = decode_dss_signature(ECDSA.sign(b"message %d" % number))
        assert s <= ORDER // 2


def high(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def with_long_length(signature: bytes) -> bytes:
    return b"\x30\x81" + signature[1:]


SIGNATURE_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "the other s": (high, "0 < r < n and 0 < s <= n / 2", "a number out of range"),
    "r is zero": (
        lambda _: encode_dss_signature(0, 1),
        "0 < r < n and 0 < s <= n / 2",
        "a number out of range",
    ),
    "s is n": (
        lambda _: encode_dss_signature(1, ORDER),
        "0 < r < n and 0 < s <= n / 2",
        "a number out of range",
    ),
    "long form of the length": (with_long_length, "DER of (r, s)", "something else"),
    "a byte more": (lambda raw: raw + b"\x00", "DER of (r, s)", "something else"),
    "nothing": (lambda _: b"", "DER of (r, s)", "something else"),
    "raw r and s": (lambda _: bytes(64), "DER of (r, s)", "something else"),
    "of other bytes": (
        lambda _: ECDSA.sign(MESSAGE + b"!"),
        "a valid ECDSA P-256 signature",
        "a signature that does not verify",
    ),
}


@pytest.mark.parametrize("fault", SIGNATURE_FAULTS)
def test_another_signature_is_refused(fault: str) -> None:
    change, expected, got = SIGNATURE_FAULTS[fault]
    signature = ECDSA.sign(MESSAGE)
    verify_p256(spki=SPKI, signature=signature, message=MESSAGE, what="signature")
    with pytest.raises(VerificationError) as caught:
        verify_p256(spki=SPKI, signature=change(signature), message=MESSAGE, what="signature")
    assert (caught.value.expected, caught.value.got) == (expected, got)


def compressed() -> bytes:
    # The header of the SubjectPublicKeyInfo with the shorter lengths of a point of 33 bytes.
    point = key("publisher").public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point


def other_kind(of: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


KEY_FAULTS: dict[str, tuple[bytes, str]] = {
    "compressed point": (compressed(), "another spelling of a P-256 key"),
    "P-384": (other_kind(ec.derive_private_key(7, ec.SECP384R1())), "a key of another kind"),
    "RSA": (other_kind(rsa.generate_private_key(65537, 2048)), "a key of another kind"),
    "a byte more": (SPKI + b"\x00", "92 bytes that are no key"),
    "a point off the curve": (SPKI[:-1] + bytes([SPKI[-1] ^ 1]), "91 bytes that are no key"),
    "garbage": (b"garbage", "7 bytes that are no key"),
}


@pytest.mark.parametrize("fault", KEY_FAULTS)
def test_another_key_is_refused(fault: str) -> None:
    material, got = KEY_FAULTS[fault]
    with pytest.raises(ParseError) as caught:
        parse_p256_key(material, what="key")
    assert caught.value.got == got
    with pytest.raises(ParseError) as caught:
        parse_publisher_key(str(vkey(material)))
    assert caught.value.what == "publisher key fixtures.invalid/p256"


@pytest.mark.parametrize("ecdsa", [False, True])
def test_a_generated_key_is_read_back(tmp_path: Path, *, ecdsa: bool) -> None:
    private, public = generate_key("example.com/publisher", ecdsa=ecdsa)
    path = tmp_path / "publisher.key"
    path.write_bytes(private)
    path.chmod(0o600)
    found = read_key(path)
    assert str(found.key.vkey) == public
    assert found.key.vkey.algorithm is (Algorithm.ECDSA if ecdsa else Algorithm.ED25519)
    opened = open_release(parse_entry(entry(by=found)), publishers=(found.key,), threshold=1)
    assert opened.keys == (found.key,)


def test_a_private_number_that_is_none_of_the_curve_is_refused(tmp_path: Path) -> None:
    import base64

    path = tmp_path / "publisher.key"
    for secret in (b"\x02" + ORDER.to_bytes(32), b"\x02" + bytes(32), b"\x03" + b"\x01" * 32):
        encoded = base64.b64encode(secret).decode()
        path.write_text(f"PRIVATE+KEY+example.com/publisher+00000000+{encoded}\n")
        path.chmod(0o600)
        with pytest.raises(PolicyError) as caught:
            read_key(path)
        assert caught.value.got == "another text"
        assert encoded not in str(caught.value)


def test_a_log_admits_a_submitter_with_such_a_key_and_one_spelling_of_its_entry() -> None:
    submitters = [{"key": str(ECDSA.key.vkey), "kinds": ["announcement/v1"]}]
    admins = {"keys": [str(ECDSA.key.vkey)], "threshold": 1}
    document = log_policy(
        submitters=submitters, administrators=admins, kinds={"announcement/v1": RULE}
    )
    rules = Rules(ORIGIN, None, b"").after(signed(document, (ECDSA,)))
    admitted = signed(announcement(), (ECDSA,))
    assert rules.after(admitted) is rules
    envelope = parse_envelope(admitted)
    (one,) = envelope.signatures
    other = EnvelopeSignature(one.keyid, high(one.signature))
    again = encode_envelope(envelope.payload_type, envelope.payload, (other,))
    with pytest.raises(VerificationError) as caught:
        rules.after(again)
    assert caught.value.what == "log-policy.submitters"
    assert caught.value.got == f"signature of {ECDSA.key.keyid}: a number out of range"


def test_the_schemas_know_both_kinds_of_key() -> None:
    schemas = Path(__file__).parents[3] / "schemas"
    for name, patterns in (("log-policy", 3), ("revocation", 1)):
        text = (schemas / f"{name}.v1.schema.json").read_text("utf-8")
        pattern = VKEY.replace("\\", "\\\\")
        assert text.count(f'"^{pattern}$"') == patterns

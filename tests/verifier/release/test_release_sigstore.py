"""Every way in which a Sigstore bundle can be wrong, one at a time, and what is said of it."""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from importlib import resources
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.architecture.source import ROOT
from tests.making import NOW, changed, statement
from tests.synthetic_sigstore import (
    IDENTITY,
    ISSUER_V1,
    ISSUER_V2,
    LOG_NAME,
    SIGNED,
    START,
    authority,
    b64,
    bundle,
    checkpoint,
    encoded,
    trusted_root,
)
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.release.sigstore_bundle import MAX_TRUSTED_ROOT, TrustedRoot, parse_trusted_root
from verifier.release.sigstore_format import (
    MAX_SIGSTORE_BUNDLE,
    MEDIA_TYPE,
    parse_sigstore_bundle,
)
from verifier.release.sigstore_identity import AuthenticIdentity, Identity

STATEMENT = encoded(statement())
ROOT_OF_TRUST = parse_trusted_root(encoded(trusted_root()))
MATERIAL = "verificationMaterial"
ENTRY = f"{MATERIAL}/tlogEntries/0"
PROOF = f"{ENTRY}/inclusionProof"


def verified(
    raw: bytes,
    *,
    root: TrustedRoot = ROOT_OF_TRUST,
    payload: bytes = STATEMENT,
    identities: tuple[Identity, ...] = (IDENTITY,),
) -> AuthenticIdentity:
    return root.verify_identity(
        parse_sigstore_bundle(raw), statement=payload, identities=identities, now=NOW
    )


ACCEPTED: dict[str, tuple[dict[str, Any], str]] = {
    "inclusion promise": ({}, "inclusion promise of the log"),
    "timestamp": ({"clock": "timestamp"}, "timestamp authority"),
    "both": ({"clock": "both"}, "inclusion promise of the log"),
    "both, the timestamp by a stranger": (
        {"clock": "both", "stamp": "stranger"},
        "inclusion promise of the log",
    ),
    "hashedrekord": (
        {"clock": "timestamp", "kind": ("hashedrekord", "0.0.2")},
        "timestamp authority",
    ),
    "without the older issuer": (
        {"issuers": ((ISSUER_V2, asn1.encode_der(IDENTITY.issuer)),)},
        "inclusion promise of the log",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_our_sigstore_signed_is_authentic(case: str) -> None:
    changes, clock = ACCEPTED[case]
    assert verified(encoded(bundle(STATEMENT, **changes))) == AuthenticIdentity(
        identity=IDENTITY,
        statement=STATEMENT,
        instant=SIGNED,
        clock=clock,
        log=LOG_NAME,
        index=2,
        size=3,
    )


def test_an_e_mail_address_is_an_identity() -> None:
    identity = Identity("release@fixtures.invalid", "https://issuer.invalid")
    names = (x509.RFC822Name(identity.identity),)
    raw = encoded(bundle(STATEMENT, names=names))
    found = verified(raw, identities=(IDENTITY, identity))
    assert found.identity == identity


STRANGER = f"'https://stranger.invalid/' by '{IDENTITY.issuer}'"
LOG_BODY = ("log entry of the Sigstore bundle", "this payload, signature and certificate")
TIME = ("time of the Sigstore signature", "a timestamp by an authority of the trusted root")
SCT = (
    "signing certificate, certificate timestamp (SCT)",
    "one, by a certificate log of the trusted root",
)

# What is signed wrong, and then ``what``, ``expected`` and (the end of) ``got``.
SIGNED_WRONG: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "another identity": (
        {"identity": Identity("https://stranger.invalid/", IDENTITY.issuer)},
        "Sigstore identity",
        str(IDENTITY),
        STRANGER,
    ),
    "another issuer": (
        {"identity": Identity(IDENTITY.identity, "https://stranger.invalid")},
        "Sigstore identity",
        str(IDENTITY),
        f"'{IDENTITY.identity}' by 'https://stranger.invalid'",
    ),
    "an identity that only begins so": (
        {"identity": Identity(IDENTITY.identity + "0", IDENTITY.issuer)},
        "Sigstore identity",
        str(IDENTITY),
        f"'{IDENTITY.identity}0' by '{IDENTITY.issuer}'",
    ),
    "a CA of strangers": (
        {"ca": "stranger"},
        "signing certificate, issuer",
        "a certificate authority of the trusted root",
        "all candidates exhausted with no interior errors",
    ),
    "no SCT": ({"scts": 0}, *SCT, "does not contain a signed certificate timestamp extension"),
    "two SCTs": ({"scts": 2}, *SCT, "Expected one certificate timestamp, found 2"),
    "SCT by a stranger": ({"ct": "stranger"}, *SCT, "keyring: invalid signature"),
    "no digital signature": (
        {"usage": False},
        "signing certificate, issuer",
        "a certificate authority of the trusted root",
        "<Certificate(subject=<Name()>, ...)>)",
    ),
    "no code signing": (
        {"signing_use": False},
        "signing certificate, extended key usage",
        "code signing",
        "Extended usage does not contain `code signing`",
    ),
    "certificate expired before it signed": (
        {"not_after": SIGNED - timedelta(seconds=1)},
        "signing certificate, validity",
        "valid when it signed, at 2026-11-21T11:00:00Z",
        "valid from 2026-11-21T10:59:00Z to 2026-11-21T10:59:59Z",
    ),
    "certificate not valid yet when it signed": (
        {"clock": "timestamp", "not_before": SIGNED + timedelta(seconds=1)},
        "signing certificate, validity",
        "valid when it signed, at 2026-11-21T11:00:00Z",
        "valid from 2026-11-21T11:00:01Z to 2026-11-21T11:09:00Z",
    ),
    "signed in the future": (
        {"signed": NOW + timedelta(seconds=1)},
        "time of the Sigstore signature",
        "2026-11-21T12:00:00Z or earlier",
        "2026-11-21T12:00:01Z",
    ),
    "signed before the root was valid": (
        {"signed": START - timedelta(days=1), "not_before": START - timedelta(days=2)},
        "Sigstore trusted root, tlogs",
        "one that is valid at 2025-12-31T00:00:00Z",
        "none",
    ),
    "checkpoint by a stranger": (
        {"log": "stranger"},
        "checkpoint of the Sigstore bundle",
        "a signature by a log of the trusted root",
        "invalid log entry: checkpoint: invalid signature: keyring: invalid signature",
    ),
    "promise by a stranger": (
        {"promised_by": "stranger"},
        "inclusion promise of the Sigstore bundle",
        "one by a log of the trusted root",
        "invalid log entry: SET: invalid inclusion promise: keyring: invalid signature",
    ),
    "timestamp by a stranger": (
        {"clock": "timestamp", "stamp": "stranger"},
        *TIME,
        "not enough sources of verified time",
    ),
    "another payload logged": (
        {"body": lambda body: body.replace(sha256(STATEMENT).hexdigest().encode(), b"0" * 64)},
        *LOG_BODY,
        "log entry payload hash does not match bundle",
    ),
    "another certificate logged": (
        {"body": lambda body: body.replace(b'"verifier":"LS0t', b'"verifier":"LS0u')},
        *LOG_BODY,
        "log entry signatures do not match bundle",
    ),
    "hashedrekord of another digest": (
        {
            "clock": "timestamp",
            "kind": ("hashedrekord", "0.0.2"),
            "body": lambda body: body.replace(b'"digest":"', b'"digest":"AAAA'),
        },
        *LOG_BODY,
        "transparency log entry is inconsistent with other materials",
    ),
    "a promise for a kind of entry that has none": (
        {"kind": ("hashedrekord", "0.0.2")},
        "Sigstore bundle",
        "what the Sigstore client specification demands",
        "Integrated time only supported for dsse/hashedrekord 0.0.1 types",
    ),
    "another payload type": (
        {"payload_type": "text/plain"},
        "Sigstore bundle, payload type",
        "application/vnd.in-toto+json",
        "'text/plain'",
    ),
}


@pytest.mark.parametrize("case", SIGNED_WRONG)
def test_what_is_signed_wrong_is_refused(case: str) -> None:
    changes, what, expected, got = SIGNED_WRONG[case]
    with pytest.raises(VerificationError) as caught:
        verified(encoded(bundle(STATEMENT, **changes)))
    assert (caught.value.what, caught.value.expected) == (what, expected)
    assert caught.value.got.endswith(got), caught.value.got


def test_the_statement_of_another_release_is_refused() -> None:
    other = encoded(statement(version="2.0.0"))
    with pytest.raises(VerificationError) as caught:
        verified(encoded(bundle(other)))
    assert caught.value.what == "Sigstore bundle, signed statement"
    assert caught.value.expected.endswith(f"SHA-256 {sha256(STATEMENT).hexdigest()}")
    assert caught.value.got == f"another, SHA-256 {sha256(other).hexdigest()}"


def test_another_spelling_of_the_statement_is_another_statement() -> None:
    with pytest.raises(VerificationError, match="signed statement"):
        verified(encoded(bundle(STATEMENT + b"\n")))


def test_a_payload_that_was_replaced_is_refused() -> None:
    other = encoded(statement(version="2.0.0"))
    document = changed(bundle(other), "dsseEnvelope/payload", b64(STATEMENT))
    with pytest.raises(VerificationError) as caught:
        verified(encoded(document))
    assert caught.value.what == "signature of the Sigstore bundle"
    assert caught.value.expected == "one by the key of the signing certificate"
    assert caught.value.got == "DSSE: invalid signature"


def test_a_tampered_signature_is_refused() -> None:
    document = bundle(STATEMENT)
    signature = bytearray(base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"]))
    signature[-1] ^= 1
    path = "dsseEnvelope/signatures/0/sig"
    with pytest.raises(VerificationError) as caught:
        verified(encoded(changed(document, path, b64(bytes(signature)))))
    assert caught.value.what == "signature of the Sigstore bundle"


GOOD = bundle(STATEMENT)
OTHER_ROOT = b64(b"\x01" * 32)
OLDER = "application/vnd.dev.sigstore.bundle+json;version=0.1"
WHERE = "Sigstore bundle.verificationMaterial"
ONE = f"{WHERE}.tlogEntries[0]"

# What is put where in a good bundle, and then the class of the error and its three parts.
MISMADE: dict[str, tuple[str, Any, type[AuditError], str, str, str]] = {
    "version 0.1": (
        "mediaType", OLDER, UnsupportedError, "Sigstore bundle, version", MEDIA_TYPE, OLDER,
    ),
    "an unknown member": (
        "extra", 1, ParseError, "Sigstore bundle", "no unknown member", "'extra'",
    ),
    "an unknown member below": (
        f"{ENTRY}/extra", 1, ParseError, ONE, "no unknown member", "'extra'",
    ),
    "a member under its other name": (
        f"{ENTRY}/integrated_time", "1", ParseError, ONE, "no unknown member",
        "'integrated_time'",
    ),
    "a chain of certificates": (
        f"{MATERIAL}/x509CertificateChain", {}, UnsupportedError, f"{WHERE}, content",
        "certificate", "x509CertificateChain",
    ),
    "a managed key": (
        f"{MATERIAL}/publicKey", {"hint": "k"}, UnsupportedError, f"{WHERE}, content",
        "certificate", "publicKey",
    ),
    "a bare signature": (
        "messageSignature", {}, UnsupportedError, "Sigstore bundle, content",
        "dsseEnvelope", "messageSignature",
    ),
    "no entry of a log": (
        f"{MATERIAL}/tlogEntries", [], ParseError, f"{WHERE}.tlogEntries", "one entry of a log",
        "0",
    ),
    "two entries of a log": (
        f"{MATERIAL}/tlogEntries", GOOD[MATERIAL]["tlogEntries"] * 2, ParseError,
        f"{WHERE}.tlogEntries", "one entry of a log", "2",
    ),
    "no inclusion proof": (
        PROOF, ..., ParseError, f"{ONE}.inclusionProof", "the member", "it is missing",
    ),
    "no checkpoint": (
        f"{PROOF}/checkpoint", ..., ParseError, f"{ONE}.inclusionProof.checkpoint",
        "the member", "it is missing",
    ),
    "no time": (
        f"{ENTRY}/inclusionPromise", ..., ParseError, "Sigstore bundle, time",
        "an inclusion promise with its time, or a timestamp of an authority", "neither",
    ),
    "a promise for no time": (
        f"{ENTRY}/integratedTime", "0", ParseError, f"{ONE}.integratedTime",
        "the time that the inclusion promise is for", "none",
    ),
    "a time beyond all calendars": (
        f"{ENTRY}/integratedTime", "253402300800", ParseError, f"{ONE}.integratedTime",
        "a decimal up to 253402300799", "253402300800",
    ),
    "a number that is no text": (
        f"{PROOF}/treeSize", 3, ParseError, f"{ONE}.inclusionProof.treeSize", "a string",
        "an integer",
    ),
    "a leading zero": (
        f"{PROOF}/logIndex", "02", ParseError, f"{ONE}.inclusionProof.logIndex",
        "a decimal without leading zeros", "'02'",
    ),
    "a proof for another size": (
        f"{PROOF}/treeSize", "4", VerificationError, "Sigstore bundle, inclusion proof", "", "",
    ),
    "a proof for another root": (
        f"{PROOF}/rootHash", OTHER_ROOT, VerificationError, "Sigstore bundle, inclusion proof",
        "", "",
    ),
    "an index beyond the tree": (
        f"{PROOF}/logIndex", "3", VerificationError, "index of the entry", "below 3", "3",
    ),
    "another index": (
        f"{PROOF}/logIndex", "1", VerificationError, "inclusion proof", "3 hashes", "2 hashes",
    ),
    "another hash of the proof": (
        f"{PROOF}/hashes", [OTHER_ROOT], VerificationError, "inclusion proof", "", "",
    ),
    "a hash that is no text": (
        f"{PROOF}/hashes", [1], ParseError, f"{ONE}.inclusionProof.hashes", "strings",
        "something else",
    ),
    "a short hash": (
        f"{PROOF}/hashes", [b64(b"\x01" * 31)], ParseError, f"{ONE}.inclusionProof.hashes",
        "canonical base64 of 32 bytes", "31 bytes",
    ),
    "a checkpoint of another tree": (
        f"{PROOF}/checkpoint/envelope", checkpoint(4, b"\x01" * 32), VerificationError,
        "Sigstore bundle, inclusion proof", "", "",
    ),
    "another kind of entry": (
        f"{ENTRY}/kindVersion", {"kind": "intoto", "version": "0.0.2"}, UnsupportedError,
        "Sigstore bundle, kind of log entry", "dsse/0.0.1 or hashedrekord/0.0.2", "intoto/0.0.2",
    ),
    "two signatures": (
        "dsseEnvelope/signatures", GOOD["dsseEnvelope"]["signatures"] * 2, ParseError,
        "Sigstore bundle.dsseEnvelope.signatures", "one signature", "2",
    ),
    "two timestamps": (
        f"{MATERIAL}/timestampVerificationData",
        {"rfc3161Timestamps": [{"signedTimestamp": "AA=="}] * 2}, ParseError,
        f"{WHERE}.timestampVerificationData.rfc3161Timestamps", "one timestamp", "2",
    ),
    "a timestamp that is none": (
        f"{MATERIAL}/timestampVerificationData",
        {"rfc3161Timestamps": [{"signedTimestamp": "AA=="}]}, VerificationError, TIME[0],
        TIME[1], "Invalid Timestamp Response",
    ),
    "a certificate that is none": (
        f"{MATERIAL}/certificate/rawBytes", "AA==", ParseError, "signing certificate",
        "DER of an X.509 certificate of version 3 with a positive serial number","00",
    ),
    "a certificate that ends soon": (
        f"{MATERIAL}/certificate/rawBytes", "MIIBADCCAQCgAwIBAgIBBQ==", ParseError,
        "signing certificate", "DER of an X.509 certificate", "16 bytes that are none",
    ),
    "a certificate with serial number 0": (
        f"{MATERIAL}/certificate/rawBytes", "MIIBADCCAQCgAwIBAgIBAA==", ParseError,
        "signing certificate",
        "DER of an X.509 certificate of version 3 with a positive serial number",
        "3082010030820100a003020102020100",
    ),
    "a certificate with a negative serial number": (
        f"{MATERIAL}/certificate/rawBytes", "MIIBADCCAQCgAwIBAgIBgA==", ParseError,
        "signing certificate",
        "DER of an X.509 certificate of version 3 with a positive serial number",
        "3082010030820100a003020102020180",
    ),
    "loose base64": (
        f"{MATERIAL}/certificate/rawBytes", "AB==", ParseError,
        f"{WHERE}.certificate.rawBytes", "canonical base64", "'AB=='",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISMADE)
def test_a_mismade_bundle_is_refused(case: str) -> None:
    path, value, error, what, expected, got = MISMADE[case]
    document = changed(GOOD, path, value)
    with pytest.raises(AuditError) as caught:
        verified(encoded(document))
    assert (type(caught.value), caught.value.what) == (error, what)
    if expected:
        assert (caught.value.expected, caught.value.got) == (expected, got)
    else:
        assert caught.value.expected != caught.value.got


CERTIFICATES: dict[str, tuple[dict[str, Any], type[AuditError], str, str, str]] = {
    "no name": (
        {"names": ()}, ParseError, "signing certificate, subject alternative name",
        "one name", "0",
    ),
    "two names": (
        {
            "names": (
                x509.UniformResourceIdentifier(IDENTITY.identity),
                x509.UniformResourceIdentifier("https://stranger.invalid/"),
            )
        },
        ParseError, "signing certificate, subject alternative name", "one name", "2",
    ),
    "a name of another kind": (
        {"names": (x509.DNSName("fixtures.invalid"),)}, UnsupportedError,
        "signing certificate, subject alternative name", "an e-mail address or a URI", "DNSName",
    ),
    "only the older issuer": (
        {"issuers": ((ISSUER_V1, IDENTITY.issuer.encode()),)}, ParseError,
        "signing certificate, OpenID Connect issuer", "the extension .8", "it is missing",
    ),
    "two issuers that differ": (
        {
            "issuers": (
                (ISSUER_V1, b"https://stranger.invalid"),
                (ISSUER_V2, asn1.encode_der(IDENTITY.issuer)),
            )
        },
        ParseError, "signing certificate, OpenID Connect issuer", f"'{IDENTITY.issuer}'",
        "b'https://stranger.invalid' in the extension .1",
    ),
    "an issuer that is no text": (
        {"issuers": ((ISSUER_V2, b"https"),)}, ParseError,
        "signing certificate, OpenID Connect issuer", "DER of a UTF8String", "b'https'",
    ),
    "P-384": (
        {"curve": ec.SECP384R1()}, UnsupportedError, "signing certificate, key", "ECDSA P-256",
        "another kind of key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_certificate_that_names_nobody_clearly_is_refused(case: str) -> None:
    changes, error, what, expected, got = CERTIFICATES[case]
    with pytest.raises(AuditError) as caught:
        verified(encoded(bundle(STATEMENT, **changes)))
    found = caught.value
    assert (type(found), found.what, found.expected, found.got) == (error, what, expected, got)


def test_garbage_and_too_much_are_refused() -> None:
    with pytest.raises(ParseError) as caught:
        parse_sigstore_bundle(b"garbage")
    assert caught.value.expected == "JSON"
    with pytest.raises(ParseError) as caught:
        parse_sigstore_bundle(b" " * (MAX_SIGSTORE_BUNDLE + 1))
    assert caught.value.expected == f"at most {MAX_SIGSTORE_BUNDLE} bytes"
    twice = encoded(GOOD).replace(b'{"mediaType"', b'{"mediaType":"x","mediaType"', 1)
    with pytest.raises(ParseError) as caught:
        parse_sigstore_bundle(twice)
    assert caught.value.got == "'mediaType' twice"


def test_the_largest_statement_fits() -> None:
    payload = b"x" * 49_000  # of an entry with one signature, which has at most 65,535 bytes
    assert len(encoded(bundle(payload))) < MAX_SIGSTORE_BUNDLE
    assert verified(encoded(bundle(payload)), payload=payload).statement == payload


def test_no_identity_is_never_anybody() -> None:
    with pytest.raises(ValueError, match="any signature"):
        verified(encoded(GOOD), identities=())


def root_with(path: str, value: Any) -> TrustedRoot:
    return parse_trusted_root(encoded(changed(trusted_root(), path, value)))


ENDED = {"start": "2026-01-01T00:00:00Z", "end": "2026-11-21T10:59:59Z"}
COMING = {"start": "2026-11-21T11:00:01Z"}


@pytest.mark.parametrize("period", [ENDED, COMING])
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("tlogs/0/publicKey/validFor", "Sigstore trusted root, tlogs"),
        ("ctlogs/0/publicKey/validFor", "Sigstore trusted root, ctlogs"),
        ("certificateAuthorities/0/validFor", "Sigstore trusted root, certificate_authorities"),
    ],
)
def test_what_the_root_no_longer_or_not_yet_believes_is_not_believed(
    path: str, what: str, period: dict[str, str]
) -> None:
    with pytest.raises(VerificationError) as caught:
        verified(encoded(GOOD), root=root_with(path, period))
    assert caught.value.what == what
    assert caught.value.expected == "one that is valid at 2026-11-21T11:00:00Z"
    assert caught.value.got == "none"


def test_a_timestamp_authority_counts_only_while_it_is_valid() -> None:
    stamped = encoded(bundle(STATEMENT, clock="timestamp"))
    for root in (
        root_with("timestampAuthorities/0/validFor", ENDED),
        root_with("timestampAuthorities", []),
    ):
        with pytest.raises(VerificationError) as caught:
            verified(stamped, root=root)
        assert (caught.value.what, caught.value.expected) == TIME
    until = {"start": "2026-01-01T00:00:00Z", "end": "2026-11-21T11:00:01Z"}
    root = root_with("timestampAuthorities/0/validFor", until)
    assert verified(stamped, root=root).instant == SIGNED


ROOT_FAULTS: dict[str, tuple[bytes, type[AuditError], str, str]] = {
    "garbage": (b"garbage", ParseError, "Sigstore trusted root", "JSON"),
    "an array": (
        b"[]",
        UnsupportedError,
        "Sigstore trusted root, version",
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    ),
    "another version": (
        encoded(trusted_root(mediaType="application/vnd.dev.sigstore.trustedroot.v0.2+json")),
        UnsupportedError,
        "Sigstore trusted root, version",
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    ),
    "no log": (
        encoded(trusted_root(tlogs=[])),
        ParseError,
        "Sigstore trusted root.tlogs",
        "at least one",
    ),
    "no certificate log": (
        encoded(trusted_root(ctlogs=[])),
        ParseError,
        "Sigstore trusted root.ctlogs",
        "at least one",
    ),
    "no authority": (
        encoded(trusted_root(certificateAuthorities=[])),
        ParseError,
        "Sigstore trusted root.certificateAuthorities",
        "at least one",
    ),
    "an unknown member": (
        encoded(trusted_root(extra=[])),
        ParseError,
        "Sigstore trusted root",
        "what sigstore_trustroot.proto says",
    ),
    "a certificate that is none": (
        encoded(
            changed(
                trusted_root(), "certificateAuthorities/0/certChain/certificates/0/rawBytes", "AA=="
            )
        ),
        ParseError,
        "Sigstore trusted root",
        "what sigstore_trustroot.proto says",
    ),
    "a certificate of a later version": (
        encoded(
            changed(
                trusted_root(),
                "certificateAuthorities/0/certChain/certificates/0/rawBytes",
                b64(
                    authority("ca")
                    .public_bytes(Encoding.DER)
                    .replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
                ),
            )
        ),
        ParseError,
        "Sigstore trusted root",
        "what sigstore_trustroot.proto says",
    ),
    "a period with one zone": (
        encoded(
            changed(
                trusted_root(),
                "certificateAuthorities/0/validFor",
                {"start": "2026-01-01T00:00:00", "end": "2027-01-01T00:00:00Z"},
            )
        ),
        ParseError,
        "Sigstore trusted root",
        "instants with a time zone",
    ),
    "a time without zone": (
        encoded(
            changed(trusted_root(), "tlogs/0/publicKey/validFor", {"start": "2026-01-01T00:00:00"})
        ),
        ParseError,
        "Sigstore trusted root",
        "instants with a time zone",
    ),
    "too much": (
        b" " * (MAX_TRUSTED_ROOT + 1),
        ParseError,
        "Sigstore trusted root",
        f"at most {MAX_TRUSTED_ROOT} bytes",
    ),
}


@pytest.mark.parametrize("case", ROOT_FAULTS)
def test_an_unusable_root_is_refused(case: str) -> None:
    raw, error, what, expected = ROOT_FAULTS[case]
    with pytest.raises(AuditError) as caught:
        parse_trusted_root(raw)
    found = caught.value
    assert (type(found), found.what, found.expected) == (error, what, expected)
    assert found.got


def test_the_roots_of_sigstore_itself_are_usable() -> None:
    found = sorted(resources.files("sigstore").joinpath("_store").iterdir(), key=lambda f: f.name)
    raw = [
        folder.joinpath("trusted_root.json").read_bytes()
        for folder in found
        if folder.name.startswith("https")
    ]
    assert len(raw) == 2  # the public instance, and its staging
    for root in map(parse_trusted_root, raw):
        with pytest.raises(VerificationError) as caught:
            verified(encoded(GOOD), root=root)
        assert caught.value.what == "signing certificate, issuer"


WATCHED = """
import sys
from tests.synthetic_sigstore import *
from tests.making import NOW
document, root = encoded(bundle(b"{}", clock="both")), encoded(trusted_root())
from verifier.release.sigstore_bundle import parse_trusted_root
from verifier.release.sigstore_format import parse_sigstore_bundle
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.", "open", "urllib.", "http.")):
        seen.append((event, arguments[:1]))
def judge():
    return parse_trusted_root(root).verify_identity(
        parse_sigstore_bundle(document), statement=b"{}", identities=(IDENTITY,), now=NOW)
judge()  # what is imported on first use is read from files
sys.addaudithook(watch)
print(judge().identity == IDENTITY, seen)
open("/dev/null")
print(len(seen))
"""


def test_nothing_of_the_world_is_touched() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "True []\n1\n"  # and the watcher sees


@pytest.mark.usefixtures("offline")
def test_no_socket_is_opened() -> None:
    root = parse_trusted_root(encoded(trusted_root()))
    assert verified(encoded(GOOD), root=root).identity == IDENTITY


PATHS = (
    "dsseEnvelope/signatures/0/sig",
    "dsseEnvelope/payload",
    f"{MATERIAL}/certificate/rawBytes",
    f"{ENTRY}/canonicalizedBody",
    f"{ENTRY}/inclusionPromise/signedEntryTimestamp",
    f"{PROOF}/rootHash",
    f"{PROOF}/hashes/0",
)


def at(document: Any, path: str) -> Any:
    for step in path.split("/"):
        document = document[int(step) if isinstance(document, list) else step]
    return document


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), place=st.integers(0, 4095), flip=st.integers(1, 255))
def test_every_byte_that_is_signed_counts(path: str, place: int, flip: int) -> None:
    value = bytearray(base64.b64decode(at(GOOD, path)))
    value[place % len(value)] ^= flip
    with pytest.raises((ParseError, VerificationError, UnsupportedError)):
        verified(encoded(changed(GOOD, path, b64(bytes(value)))))


VALUES = st.one_of(
    st.none(),
    st.integers(-1, 2**64),
    st.text(max_size=8),
    st.binary(max_size=64).map(b64),
    st.just([]),
    st.just({}),
)


def all_paths(document: Any, so_far: str = "") -> list[str]:
    pairs: list[tuple[str, Any]] = []
    if isinstance(document, dict):
        pairs = list(document.items())
    elif isinstance(document, list):
        pairs = [(str(place), value) for place, value in enumerate(document)]
    paths = [so_far + name for name, _ in pairs]
    for name, value in pairs:
        paths += all_paths(value, f"{so_far}{name}/")
    return paths


BOTH = bundle(STATEMENT, clock="both")


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(all_paths(BOTH)), value=VALUES)
def test_no_value_anywhere_is_a_bug(path: str, value: Any) -> None:
    document = changed(BOTH, path, value)
    assume(document != BOTH)
    try:
        found = verified(encoded(document))
    except (ParseError, VerificationError, UnsupportedError):
        return
    # Only what nobody signed can be something else: hints, and a second source of time.
    assert found == replace(verified(encoded(BOTH)), instant=found.instant)
    hints = ("keyid", "timestampVerificationData", "rfc3161Timestamps", "signedTimestamp")
    assert path.rsplit("/", 1)[-1] in hints


def test_what_the_library_says_at_length_is_cut() -> None:
    with pytest.raises(VerificationError) as caught:
        verified(encoded(bundle(STATEMENT, body=lambda body: body[:-1])))
    assert (caught.value.what, caught.value.expected) == LOG_BODY
    assert caught.value.got.startswith("invalid DSSE log entry: ")
    assert len(caught.value.got) == 201
    assert "\n" not in caught.value.got

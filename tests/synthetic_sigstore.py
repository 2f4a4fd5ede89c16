"""A whole Sigstore of our own: CA, certificate log, log, timestamp authority, and bundles by them.

Every key is ours, so a test can sign one thing wrong and know that the rest is right. What is
made is what Fulcio, Rekor and the timestamp authority make (sigstore/fulcio,
docs/certificate-specification.md; sigstore/rekor, types/dsse; RFC 6962 section 3; RFC 3161).
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.making import NOW
from verifier.release.dsse import pre_authentication_encoding
from verifier.release.sigstore_format import MEDIA_TYPE
from verifier.release.sigstore_identity import Identity
from verifier.release.statement import PAYLOAD_TYPE
from verifier.tlog.merkle import leaf_hash, node_hash
from verifier.tlog.note import NoteSignature, encode_note

SIGNED = NOW - timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
IDENTITY = Identity(
    "https://code.invalid/owner/product/release.yml@refs/tags/v1", "https://issuer.invalid"
)
LOG_NAME = "rekor.invalid"
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")

Key = ec.EllipticCurvePrivateKey


@functools.cache
def key(name: str) -> Key:
    """A P-256 key that is the same for the same ``name``."""
    secret = int.from_bytes(sha256(name.encode()).digest())
    return ec.derive_private_key(secret, ec.SECP256R1())


def spki(private: Key) -> bytes:
    """DER of the public half."""
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(private: Key, message: bytes) -> bytes:
    """ECDSA with SHA-256, DER, the same for the same message (RFC 6979)."""
    return private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """What goes into a certificate, bundle and root; each field is one thing to make wrong."""

    ca: str = "ca"
    ct: str = "ct"
    log: str = "log"
    stamp: str = "stamp"
    identity: Identity = IDENTITY
    names: tuple[x509.GeneralName, ...] | None = None
    issuers: tuple[tuple[x509.ObjectIdentifier, bytes], ...] | None = None
    scts: int = 1
    usage: bool = True
    signing_use: bool = True
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    not_before: datetime = SIGNED - timedelta(minutes=1)
    not_after: datetime = SIGNED + timedelta(minutes=9)
    signed: datetime = SIGNED
    payload_type: str = PAYLOAD_TYPE
    kind: tuple[str, str] = ("dsse", "0.0.1")
    clock: str = "promise"
    promised_by: str = "log"
    body: Callable[[bytes], bytes] = bytes


@functools.cache
def authority(name: str) -> x509.Certificate:
    """A self-signed certificate of ``key(name)``."""
    subject = _name(name)
    builder = _builder(subject, subject, key(name), START, START + timedelta(days=3650))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key(name).public_key()), critical=False
    )
    return builder.sign(key(name), SHA256(), ecdsa_deterministic=True)


@functools.cache
def stamp_certificate(name: str) -> x509.Certificate:
    """A certificate of ``key(name)`` for timestamps."""
    ca = authority("stamp-ca")
    builder = _builder(_name(name), ca.subject, key(name), START, START + timedelta(days=3650))
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    builder = builder.add_extension(use, critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.sign(key("stamp-ca"), SHA256(), ecdsa_deterministic=True)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{common_name}.invalid")])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, of: Key, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(of.public_key())
        .serial_number(int.from_bytes(sha256(spki(of) + issuer.public_bytes()).digest()[:8]))
        .not_valid_before(start)
        .not_valid_after(end)
    )


def signer(forge: Forge) -> Key:
    """The key that the certificate is for."""
    if isinstance(forge.curve, ec.SECP256R1):
        return key("signer")
    return ec.derive_private_key(7, forge.curve)


def certificate(forge: Forge) -> x509.Certificate:
    """A signing certificate, with its certificate timestamps."""
    ca = authority(forge.ca)
    builder = _builder(x509.Name([]), ca.subject, signer(forge), forge.not_before, forge.not_after)
    for extension, critical in _extensions(forge):
        builder = builder.add_extension(extension, critical=critical)
    logged = builder.sign(key(forge.ca), SHA256()).tbs_certificate_bytes
    if forge.scts:
        scts = [_sct(forge, logged, SIGNED + timedelta(seconds=n)) for n in range(forge.scts)]
        whole = b"".join(len(sct).to_bytes(2) + sct for sct in scts)
        listed = asn1.encode_der(len(whole).to_bytes(2) + whole)
        builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, listed), False)
    return builder.sign(key(forge.ca), SHA256(), ecdsa_deterministic=True)


def _extensions(forge: Forge) -> list[tuple[x509.ExtensionType, bool]]:
    names = forge.names
    if names is None:
        names = (x509.UniformResourceIdentifier(forge.identity.identity),)
    issuers = forge.issuers
    if issuers is None:
        text = forge.identity.issuer
        issuers = ((ISSUER_V1, text.encode()), (ISSUER_V2, asn1.encode_der(text)))
    use = ExtendedKeyUsageOID.CODE_SIGNING if forge.signing_use else ExtendedKeyUsageOID.CLIENT_AUTH
    found: list[tuple[x509.ExtensionType, bool]] = [
        (_usage(signs_certificates=not forge.usage), True),
        (x509.ExtendedKeyUsage([use]), False),
        (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key(forge.ca).public_key()),
            False,
        ),
    ]
    if names:
        found.append((x509.SubjectAlternativeName(names), True))
    found += [(x509.UnrecognizedExtension(oid, value), False) for oid, value in issuers]
    return found


def _sct(forge: Forge, tbs: bytes, at: datetime) -> bytes:
    # RFC 6962 section 3.2: version, log ID, time in ms, no extensions, SHA-256 with ECDSA.
    time = (int(at.timestamp()) * 1000).to_bytes(8)
    issuer = sha256(spki(key(forge.ca))).digest()
    entry = b"\x00\x01" + issuer + len(tbs).to_bytes(3) + tbs
    signature = sign(key(forge.ct), b"\x00\x00" + time + entry + b"\x00\x00")
    identifier = sha256(spki(key("ct"))).digest()
    rest = b"\x00\x00" + b"\x04\x03" + len(signature).to_bytes(2) + signature
    return b"\x00" + identifier + time + rest


def bundle(statement: bytes, forge: Forge | None = None, **changes: Any) -> dict[str, Any]:
    """The document of a bundle around ``statement``. ``changes`` replace fields of ``forge``."""
    forge = replace(forge or Forge(), **changes)
    signed = certificate(forge)
    signature = sign(signer(forge), pre_authentication_encoding(forge.payload_type, statement))
    body = forge.body(_body(forge, statement, signature, signed))
    material: dict[str, Any] = {
        "certificate": {"rawBytes": b64(signed.public_bytes(Encoding.DER))},
        "tlogEntries": [_entry(forge, body)],
    }
    if forge.clock in ("timestamp", "both"):
        stamp = {"signedTimestamp": b64(timestamp(forge, signature))}
        material["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": b64(statement),
            "payloadType": forge.payload_type,
            "signatures": [{"sig": b64(signature), "keyid": ""}],
        },
    }


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def _body(forge: Forge, payload: bytes, signature: bytes, signed: x509.Certificate) -> bytes:
    kind, version = forge.kind
    if kind == "dsse":
        spec: dict[str, Any] = {
            "envelopeHash": {"algorithm": "sha256", "value": "00" * 32},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hexdigest()},
            "signatures": [
                {"signature": b64(signature), "verifier": b64(signed.public_bytes(Encoding.PEM))}
            ],
        }
    else:
        digest = sha256(pre_authentication_encoding(forge.payload_type, payload)).digest()
        der = b64(signed.public_bytes(Encoding.DER))
        details = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": der}}
        spec = {
            "hashedRekordV002": {
                "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
                "signature": {"content": b64(signature), "verifier": details},
            }
        }
    return rfc8785.dumps({"apiVersion": version, "kind": kind, "spec": spec})


def _entry(forge: Forge, body: bytes) -> dict[str, Any]:
    # The third of three entries: its proof is one hash, over the first two.
    before = node_hash(leaf_hash(b"one entry"), leaf_hash(b"another"))
    root = node_hash(before, leaf_hash(body))
    entry: dict[str, Any] = {
        "logIndex": "2",
        "logId": {"keyId": b64(sha256(spki(key("log"))).digest())},
        "kindVersion": dict(zip(("kind", "version"), forge.kind, strict=True)),
        "inclusionProof": {
            "logIndex": "2",
            "treeSize": "3",
            "rootHash": b64(root),
            "hashes": [b64(before)],
            "checkpoint": {"envelope": checkpoint(3, root, by=forge.log)},
        },
        "canonicalizedBody": b64(body),
    }
    if forge.clock in ("promise", "both"):
        seconds = int(forge.signed.timestamp())
        promise: dict[str, int | str] = {
            "body": b64(body),
            "integratedTime": seconds,
            "logID": sha256(spki(key("log"))).hexdigest(),
            "logIndex": 2,
        }
        signature = sign(key(forge.promised_by), rfc8785.dumps(promise))
        entry["integratedTime"] = str(seconds)
        entry["inclusionPromise"] = {"signedEntryTimestamp": b64(signature)}
    return entry


def checkpoint(size: int, root: bytes, *, by: str = "log") -> str:
    """A signed checkpoint of the log, by the key ``by`` under the log's own key ID."""
    text = f"{LOG_NAME}\n{size}\n{b64(root)}\n"
    identifier = sha256(spki(key("log"))).digest()[:4]
    line = NoteSignature(name=LOG_NAME, key_id=identifier, signature=sign(key(by), text.encode()))
    return encode_note(text, (line,)).decode()


def timestamp(forge: Forge, signature: bytes) -> bytes:
    """A TimeStampResp over ``signature`` (RFC 3161 section 2.4.2), without certificates."""
    imprint = _sequence(_SHA256, _tlv(0x04, sha256(signature).digest()))
    time = _tlv(0x18, f"{forge.signed:%Y%m%d%H%M%S}Z".encode())
    policy = _oid("1.3.6.1.4.1.57264.2")
    info = _sequence(_integer(1), policy, imprint, _integer(1), time)
    attributes = (
        _sequence(_oid("1.2.840.113549.1.9.3"), _tlv(0x31, _TST_INFO)),
        _sequence(_oid("1.2.840.113549.1.9.4"), _tlv(0x31, _tlv(0x04, sha256(info).digest()))),
    )
    signed = stamp_certificate(forge.stamp)
    signer_info = _sequence(
        _integer(1),
        _sequence(signed.issuer.public_bytes(), _integer(signed.serial_number)),
        _SHA256,
        _tlv(0xA0, b"".join(attributes)),
        _sequence(_oid("1.2.840.10045.4.3.2")),
        _tlv(0x04, sign(key(forge.stamp), _tlv(0x31, b"".join(attributes)))),
    )
    content = _sequence(_TST_INFO, _tlv(0xA0, _tlv(0x04, info)))
    signed_data = _sequence(_integer(3), _tlv(0x31, _SHA256), content, _tlv(0x31, signer_info))
    token = _sequence(_oid("1.2.840.113549.1.7.2"), _tlv(0xA0, signed_data))
    return _sequence(_sequence(_integer(0)), token)


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    width = (size.bit_length() + 7) // 8
    length = bytes([size]) if size < 128 else bytes([0x80 | width]) + size.to_bytes(width)
    return bytes([tag]) + length + content


def _sequence(*members: bytes) -> bytes:
    return _tlv(0x30, b"".join(members))


def _integer(value: int) -> bytes:
    return asn1.encode_der(value)


def _oid(dotted: str) -> bytes:
    return asn1.encode_der(x509.ObjectIdentifier(dotted))


_SHA256 = _sequence(_oid("2.16.840.1.101.3.4.2.1"))
_TST_INFO = _oid("1.2.840.113549.1.9.16.1.4")


def trusted_root(**changes: Any) -> dict[str, Any]:
    """The document of a trusted root for ``Forge()``. ``changes`` replace its members."""
    period = {"start": f"{START:%Y-%m-%dT%H:%M:%SZ}"}
    return {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [_listed_log("log", period)],
        "certificateAuthorities": [_listed_authority("ca", authority("ca"))],
        "ctlogs": [_listed_log("ct", period)],
        "timestampAuthorities": [
            _listed_authority("stamp", stamp_certificate("stamp"), authority("stamp-ca"))
        ],
        **changes,
    }


def _listed_log(name: str, period: dict[str, str]) -> dict[str, Any]:
    der = spki(key(name))
    return {
        "baseUrl": f"https://{name}.invalid",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(der),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": period,
        },
        "logId": {"keyId": b64(sha256(der).digest())},
    }


def _listed_authority(name: str, *chain: x509.Certificate) -> dict[str, Any]:
    certificates = [{"rawBytes": b64(one.public_bytes(Encoding.DER))} for one in chain]
    return {
        "subject": {"organization": "fixtures.invalid", "commonName": name},
        "uri": f"https://{name}.invalid",
        "certChain": {"certificates": certificates},
        "validFor": {"start": f"{START:%Y-%m-%dT%H:%M:%SZ}"},
    }

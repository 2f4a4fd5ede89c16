"""The HCL report: the container in which Azure's paravisor hands out an SNP report.

The paravisor runs in VMPL 0 below the guest. It asks for one report at boot, over the digest of
"runtime data": a JSON text with the public keys of the guest's virtual TPM. The guest reads the
container from that TPM (NV index 0x01400001). Layout, all integers little-endian: 32 bytes of
header, 1184 bytes of report, 20 bytes that describe the runtime data, the runtime data, zeros.
Source: what kinvolk/azure-cvm-tooling and confidential-containers/trustee read, held against the
containers that they publish; Microsoft publishes no layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.evidence import snp_report
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_base64url, parse_hex, parse_json

__all__ = ["MAX_SIZE", "RSA_SIZE", "HclReport", "RuntimeClaims", "VtpmKey", "parse_hcl"]

MAX_SIZE = 16384
"""Most bytes of a container. Genuine ones have 2600, old ones 2048."""

RSA_SIZE = 256
"""Bytes of the modulus of a virtual TPM's key."""

_WHAT = "HCL report"
_MAGIC = b"HCLA"
_HEADER = struct.Struct("<4s I I I I 12s")  # magic, version, size, request type, status, reserved
_RUNTIME = struct.Struct("<I I I I I")  # size, version, report type, hash type, size of the claims
_RUNTIME_OFFSET = _HEADER.size + snp_report.SIZE
_CLAIMS_OFFSET = _RUNTIME_OFFSET + _RUNTIME.size

_VERSIONS = (1, 2)
_REQUEST_REPORT = 2
_SNP = 2
_SHA_256 = 1
_EXPONENT = "AQAB"  # 65537
_USES = {"HCLAkPub": ("sign", "encrypt"), "HCLEkPub": ("encrypt",)}
_CLAIM_TYPES = (bool, int, str)


@dataclass(frozen=True, slots=True)
class VtpmKey:
    """An RSA key of the virtual TPM: modulus of 2048 bits, exponent 65537.

    ``use`` is the one entry of key_ops; containers of 2023 say "encrypt" of every key.
    """

    modulus: int
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeClaims:
    """The runtime data, read. ``attestation_key`` (HCLAkPub) signs quotes.

    ``vm_configuration`` is what the paravisor says of the machine, in its order and words; its
    members vary between releases, and none is judged here. ``user_supplied`` are the 64 bytes
    that the guest may have put into the TPM, None in old containers.
    """

    attestation_key: VtpmKey
    endorsement_key: VtpmKey | None
    vm_configuration: tuple[tuple[str, bool | int | str], ...]
    user_supplied: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HclReport:
    """A well-formed container. Nobody vouches for it: the SNP report inside has to.

    ``report`` are the 1184 bytes of an SNP report, unread; ``claims_raw`` the received bytes of
    the runtime data, whose SHA-256 that report must hold.
    """

    version: int
    report: bytes
    claims_raw: bytes
    claims: RuntimeClaims


def parse_hcl(raw: bytes) -> HclReport:
    """Read a container with an SNP report.

    Raises UnsupportedError for another version, request, TEE or digest, and ParseError for sizes
    that do not add up, bytes that are not zero where nothing stands, and malformed claims.
    """
    if not _CLAIMS_OFFSET < len(raw) <= MAX_SIZE:
        expected = f"{_CLAIMS_OFFSET + 1} to {MAX_SIZE} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    version, size = _check_header(raw)
    end = _check_runtime(raw, size)
    padding = raw[end:]
    if padding.count(0) != len(padding):
        offset = end + next(place for place, byte in enumerate(padding) if byte)
        got = f"{raw[offset]:#04x} at offset {offset:#x}"
        raise ParseError(_WHAT, expected=f"zeros from {end:#x} on", got=got)
    claims_raw = raw[_CLAIMS_OFFSET:end]
    return HclReport(
        version=version,
        report=raw[_HEADER.size : _RUNTIME_OFFSET],
        claims_raw=claims_raw,
        claims=_claims(claims_raw),
    )


def _check_header(raw: bytes) -> tuple[int, int]:
    magic, version, size, request, status, reserved = _HEADER.unpack_from(raw)
    if magic != _MAGIC:
        raise ParseError(_WHAT, expected=_MAGIC.decode(), got=excerpt(magic))
    if version not in _VERSIONS:
        raise UnsupportedError(_WHAT, expected="version 1 or 2", got=f"version {version}")
    if request != _REQUEST_REPORT:
        expected = f"request type {_REQUEST_REPORT}"
        raise UnsupportedError(_WHAT, expected=expected, got=str(request))
    if status or any(reserved):
        got = f"status {status}, reserved {reserved.hex()}"
        raise ParseError(_WHAT, expected="status 0, reserved bytes zero", got=got)
    return version, size


def _check_runtime(raw: bytes, size: int) -> int:
    """Where the claims end."""
    what = f"{_WHAT}, runtime data"
    stated, version, tee, digest, length = _RUNTIME.unpack_from(raw, _RUNTIME_OFFSET)
    for name, value, known in (
        ("version", version, 1),
        ("report type", tee, _SNP),
        ("hash type", digest, _SHA_256),
    ):
        if value != known:
            raise UnsupportedError(what, expected=f"{name} {known}", got=str(value))
    end: int = _CLAIMS_OFFSET + length
    if (stated, size) != (_RUNTIME.size + length, end) or not length or end > len(raw):
        expected = f"sizes of {length} bytes of claims within {len(raw)} bytes"
        raise ParseError(what, expected=expected, got=f"{stated}, in a report of {size}")
    return end


def _claims(raw: bytes) -> RuntimeClaims:
    document = JsonObject(parse_json(raw, what=_WHAT), what="HCL runtime data")
    items = tuple(_key(item) for item in document.objects("keys"))
    keys = dict(items)
    if len(keys) != len(items) or "HCLAkPub" not in keys:
        got = " ".join(name for name, _ in items) or "none"
        raise document.refuse("keys", expected="HCLAkPub once, HCLEkPub at most once", got=got)
    claims = RuntimeClaims(
        attestation_key=keys["HCLAkPub"],
        endorsement_key=keys.get("HCLEkPub"),
        vm_configuration=_vm_configuration(document.object("vm-configuration")),
        user_supplied=_user_supplied(document),
    )
    document.end()
    return claims


def _key(item: JsonObject) -> tuple[str, VtpmKey]:
    name = item.choice("kid", tuple(_USES))
    uses = item.texts("key_ops", minimum=1)
    if len(uses) != 1 or uses[0] not in _USES[name]:
        expected = " or ".join(_USES[name])
        raise item.refuse("key_ops", expected=expected, got=", ".join(uses))
    item.choice("kty", ("RSA",))
    item.choice("e", (_EXPONENT,))
    what = f"{item.what}.n"
    text = item.text("n", pattern=r"[0-9A-Za-z_-]{1,1024}")
    modulus = int.from_bytes(parse_base64url(text, what=what, padded=False, size=RSA_SIZE))
    if modulus.bit_length() != 8 * RSA_SIZE or not modulus & 1:
        raise item.refuse("n", expected=f"an odd number of {8 * RSA_SIZE} bits", got=text[:20])
    item.end()
    return name, VtpmKey(modulus, uses[0])


def _vm_configuration(item: JsonObject) -> tuple[tuple[str, bool | int | str], ...]:
    members = []
    for name in item.names():
        value = item.take(name)
        if type(value) not in _CLAIM_TYPES:
            raise item.refuse(
                excerpt(name), expected="a string, number or boolean", got=type(value).__name__
            )
        members.append((name, value))
    return tuple(members)


def _user_supplied(document: JsonObject) -> bytes | None:
    if not document.has("user-data"):
        return None
    text = document.text("user-data", pattern=r"([0-9A-F]{2}){64}")
    return parse_hex(text.lower(), what="HCL runtime data.user-data", size=64)

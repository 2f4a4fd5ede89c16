"""The evidence bundle: what travels, so that anyone can judge again, offline, years later.

A bundle is a set of files: ``bundle.json`` names every other one by role, media type, size and
SHA-256. Source: design section 5; schemas/bundle.v1.schema.json is the public contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from verifier.errors import ParseError, VerificationError
from verifier.evidence.report_data import NONCE_SIZE
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, first_repeated, parse_json

__all__ = [
    "MANIFEST",
    "MAX_FILES",
    "MAX_MANIFEST",
    "MAX_MEMBER",
    "ROLES",
    "SCHEMA",
    "Bundle",
    "IntactBundle",
    "Member",
    "encode_manifest",
    "open_bundle",
    "parse_bundle",
]

SCHEMA = "cvm-audit/bundle/v1"
MANIFEST = "bundle.json"
MAX_MEMBER = 16 * 1024 * 1024
"""Most bytes of one member; readers stop there."""
MAX_FILES = 256
"""Most files of a bundle, ``bundle.json`` included; readers stop there."""
MAX_MANIFEST = 256 * 1024
"""Most bytes of ``bundle.json``: what the longest lines of so many members take."""

ROLES: Mapping[str, str] = {
    "drive-record": "application/json",
    "host-identity-entry": "application/json",
    "host-identity-proof": "text/plain; charset=utf-8",
    "key-document": "application/vnd.cvm-audit.keys",
    "nonce": "application/octet-stream",
    "policy": "application/toml",
    "release-entry": "application/json",
    "release-proof": "text/plain; charset=utf-8",
    "release-sigstore": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "session-binding": "application/json",
    "snp-ca": "application/pkix-cert",
    "snp-crl": "application/pkix-crl",
    "snp-hcl": "application/octet-stream",
    "snp-id-authentication": "application/octet-stream",
    "snp-id-block": "application/octet-stream",
    "snp-launch-inputs": "application/json",
    "snp-report": "application/octet-stream",
    "snp-tpm-pcrs": "application/octet-stream",
    "snp-tpm-quote": "application/octet-stream",
    "snp-tpm-signature": "application/octet-stream",
    "snp-vek": "application/pkix-cert",
}
"""Role of a member to its media type."""

_REPEATABLE = ("snp-ca",)
_SIZES = {"nonce": (NONCE_SIZE, NONCE_SIZE)}  # bytes, where a role fixes them
_PATH = r"[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99}){0,3}"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle. ``path`` is relative, lower-case, with ``/``; ``size`` in bytes."""

    path: str
    role: str
    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A well-formed bundle, believed by no one; digests are not compared yet.

    ``captured`` is the instant that the maker of the bundle claims. ``digest`` is the SHA-256 of
    ``bundle.json``, which names everything else and so names the bundle.
    """

    captured: datetime
    members: tuple[Member, ...]
    files: Mapping[str, bytes]
    digest: bytes


@dataclass(frozen=True, slots=True)
class IntactBundle:
    """A bundle whose members are those that ``bundle.json`` names. Made by ``open_bundle``.

    Nobody has signed anything yet: intact means that one digest stands for the whole.
    """

    members: tuple[Member, ...]
    contents: Mapping[str, bytes]

    def content(self, role: str) -> bytes | None:
        """The bytes of the one member in this role, or None where there is none."""
        paths = [member.path for member in self.members if member.role == role]
        return self.contents[paths[0]] if paths else None

    def all_contents(self, role: str) -> tuple[bytes, ...]:
        """The bytes of every member in this role, in the order of ``bundle.json``."""
        return tuple(self.contents[m.path] for m in self.members if m.role == role)


def parse_bundle(found: Mapping[str, bytes | None]) -> Bundle:
    """Read a bundle from what was found, by relative path.

    Every listed file must be there, and no other. None is a thing that is not a regular file
    within the limits, and is refused by its name. Raises ParseError.
    """
    files = {path: data for path, data in found.items() if data is not None}
    if len(files) != len(found):
        odd = next(path for path, data in found.items() if data is None)
        expected = f"a regular file of at most {MAX_MEMBER} bytes"
        raise ParseError(f"bundle member {excerpt(odd)}", expected=expected, got="something else")
    if len(files) > MAX_FILES:
        raise ParseError("bundle", expected=f"at most {MAX_FILES} files", got=str(len(files)))
    raw = files.get(MANIFEST)
    if raw is None:
        raise ParseError("bundle", expected=MANIFEST, got="it is missing")
    if len(raw) > MAX_MANIFEST:
        expected = f"at most {MAX_MANIFEST} bytes"
        raise ParseError(MANIFEST, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=MANIFEST), what=MANIFEST)
    document.choice("schema", (SCHEMA,))
    captured = document.timestamp("captured")
    members = tuple(_member(item) for item in document.objects("members", minimum=1))
    document.end()
    _require_complete(members, files)
    return Bundle(captured, members, files, hashlib.sha256(raw).digest())


def _member(item: JsonObject) -> Member:
    role = item.choice("role", tuple(ROLES))
    item.choice("mediaType", (ROLES[role],))
    smallest, largest = _SIZES.get(role, (0, MAX_MEMBER))
    member = Member(
        path=item.text("path", pattern=_PATH),
        role=role,
        sha256=item.hex("sha256", size=32),
        size=item.integer("size", minimum=smallest, maximum=largest),
    )
    item.end()
    return member


def _require_complete(members: tuple[Member, ...], files: Mapping[str, bytes]) -> None:
    paths = [member.path for member in members]
    roles = [member.role for member in members if member.role not in _REPEATABLE]
    for what, values in (("path", paths), ("role", roles)):
        twice = first_repeated(values)
        if twice is not None:
            raise ParseError(f"{MANIFEST} {what}", expected="each once", got=f"{twice} twice")
    missing = sorted(set(paths) - set(files))
    if missing:
        raise ParseError(f"bundle member {missing[0]}", expected="the file", got="it is missing")
    unlisted = sorted(set(files) - set(paths) - {MANIFEST})
    if unlisted:
        got = excerpt(unlisted[0])
        raise ParseError("bundle", expected=f"only what {MANIFEST} lists", got=got)


def open_bundle(bundle: Bundle) -> IntactBundle:
    """Compare every member with its size and SHA-256.

    Raises VerificationError for the first that differs.
    """
    for member in bundle.members:
        content = bundle.files[member.path]
        if len(content) != member.size:
            raise VerificationError(
                member.path, expected=f"{member.size} bytes", got=f"{len(content)} bytes"
            )
        digest = hashlib.sha256(content).digest()
        if digest != member.sha256:
            raise VerificationError(
                member.path, expected=f"sha256 {member.sha256.hex()}", got=f"sha256 {digest.hex()}"
            )
    return IntactBundle(bundle.members, {m.path: bundle.files[m.path] for m in bundle.members})


def encode_manifest(contents: Mapping[str, tuple[str, bytes]], *, captured: datetime) -> bytes:
    """``bundle.json`` for ``contents``, which maps path to (role, bytes); canonical, one line.

    ``captured`` is an aware instant; fractions of a second are dropped.
    """
    members: list[dict[str, str | int]] = [
        {
            "mediaType": ROLES[role],
            "path": path,
            "role": role,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
        for path, (role, data) in sorted(contents.items())
    ]
    instant = captured.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document: dict[str, Any] = {"captured": instant, "members": members, "schema": SCHEMA}
    return rfc8785.dumps(document) + b"\n"

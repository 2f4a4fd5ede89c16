"""Makes what the tests judge: statements, entries, small logs, policies and bundles.

Everything is made through the project's own encoders and signed with fixed test keys, so that a
test changes one thing and knows that nothing else changed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verifier.cli.publishing import Publisher, sign_statement
from verifier.evidence.bundle import MANIFEST, encode_manifest
from verifier.release.publisher import PublisherKey
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash, node_hash, root_hash
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    VerificationKey,
    encode_note,
    parse_public_key,
)
from verifier.tlog.proof import TlogProof, encode_tlog_proof

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ORIGIN = "fixtures.invalid/log"


def publisher(name: str = "fixtures.invalid/publisher", seed: bytes = b"P" * 32) -> Publisher:
    """A publisher whose key anyone can make."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    raw = private.public_key().public_bytes_raw()
    key = parse_public_key(name=name, algorithm=Algorithm.ED25519, public_key=raw)
    return Publisher(PublisherKey(key), private)


PUBLISHER = publisher()


def statement(measurement: bytes = b"\x11" * 48, **predicate: Any) -> dict[str, Any]:
    """A cvm-release/v1 statement; keyword arguments replace members of the predicate."""
    subjects = {"firmware/ovmf.fd": "firmware", "kernel/bzimage": "kernel"}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": f"{number:02x}" * 32}}
            for number, name in enumerate(subjects, start=1)
        ],
        "predicateType": "urn:cvm-audit:cvm-release:v1",
        "predicate": {
            "role": "summariser",
            "product": "reference-cvm",
            "version": "1.0.0",
            "securityVersion": 3,
            "artifacts": [
                {"name": name, "role": role, "size": 4096, "locations": []}
                for name, role in subjects.items()
            ],
            "measurements": [
                {
                    "platform": "sev-snp",
                    "vmm": "qemu",
                    "vcpus": 2,
                    "vcpuSignature": "0x800f12",
                    "guestFeatures": "0x1",
                    "value": measurement.hex(),
                }
            ],
            "expectedEvidence": {
                "tees": ["sev-snp"],
                "gpus": [],
                "vmpls": [0],
                "guestPolicy": {"debug": False, "migrateMa": False},
                "minimumTcb": {
                    "Milan": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0},
                },
            },
            "build": {
                "recipe": "reference-cvm/1",
                "sourceSha256": "aa" * 32,
                "lockSha256": "bb" * 32,
            },
            "notAfter": "2027-11-21T00:00:00Z",
            **predicate,
        },
    }


def changed(document: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A deep copy with the member at ``path`` (``a/b/0/c``) replaced, or removed for ``...``."""
    result = copy.deepcopy(dict(document))
    *steps, last = path.split("/")
    place: Any = result
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return result


def entry(document: Mapping[str, Any] | None = None, by: Publisher = PUBLISHER) -> bytes:
    """A signed entry around a statement document."""
    return sign_statement(json.dumps(document or statement()).encode(), by)


class Log:
    """A whole log in memory, hashed naively, with a key that anyone can make."""

    def __init__(self, entries: tuple[bytes, ...], seed: bytes = b"L" * 32) -> None:
        self.entries = entries
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key: VerificationKey = parse_public_key(
            name=ORIGIN,
            algorithm=Algorithm.ED25519,
            public_key=self.private.public_key().public_bytes_raw(),
        )

    def sign(self, tree: TreeHead) -> bytes:
        """A checkpoint for ``tree``, whatever it says."""
        text = encode_checkpoint(Checkpoint(origin=ORIGIN, tree=tree, extensions=()))
        signature = self.private.sign(text.encode())
        return encode_note(
            text, (NoteSignature(name=ORIGIN, key_id=self.key.key_id, signature=signature),)
        )

    @property
    def tree(self) -> TreeHead:
        """Size and root."""
        return TreeHead(
            size=len(self.entries), root=root_hash(leaf_hash(item) for item in self.entries)
        )

    def proof(self, index: int) -> bytes:
        """The .tlog-proof of entry ``index``."""
        hashes = _path(index, [leaf_hash(item) for item in self.entries])
        return encode_tlog_proof(
            TlogProof(
                index=index,
                hashes=tuple(hashes),
                checkpoint_raw=self.sign(self.tree),
                extra=None,
            )
        )


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    # RFC 6962 section 2.1.1, word for word.
    if len(leaves) <= 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*_path(index, leaves[:split]), _root(leaves[split:])]
    return [*_path(index - split, leaves[split:]), _root(leaves[:split])]


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(_root(leaves[:split]), _root(leaves[split:]))


SNP_RULES: dict[str, Any] = {
    "products": ["Milan"],
    "report_versions": [2, 3, 4, 5],
    "unknown_bits": [],
    "signing_keys": ["VCEK"],
    "csp_ids": [],
    "masked_chip_id": "forbidden",
    "crl": {"not_checked": "this vendor publishes none"},
    "vmpls": [0],
    "debug": "forbidden",
    "migrate_ma": "forbidden",
    "smt": "allowed",
    "cxl": "forbidden",
    "restrictions_required": [],
    "minimum_abi": "0.0",
    "platform_info_required": ["ALIAS_CHECK_COMPLETE"],
    "platform_info_forbidden": [],
    "minimum_firmware": "1.55.29",
    "provisional_firmware": "forbidden",
    "mitigations": {"not_checked": "no bit is published"},
    "minimum_guest_svn": 0,
    "measurement": "release",
    "report_data": {"not_checked": "no channel in this test"},
    "host_data": {"not_checked": "not used"},
    "family_id": {"not_checked": "no ID block"},
    "image_id": {"not_checked": "no ID block"},
    "id_key": {"not_checked": "no ID block"},
    "author_key": {"not_checked": "no ID block"},
    "id_block": {"not_checked": "no ID block"},
    "migration_agent": "none",
    "chip_ids": {"not_checked": "any chip"},
    "denied_chip_ids": [],
    "hosts": {"not_checked": "no operator enrols hosts"},
    # The floors of the tests are their own, so what lies below them is no finding of another check.
    "advisories": {
        "accepted": ["heracles", "CVE-2024-21944", "CVE-2024-56161", "CVE-2023-20585"],
        "undecidable": "allowed",
        "maximum_age_days": 3650,
    },
}
FLOOR = {"bootloader": 4, "tee": 0, "snp": 23, "microcode": 213}


def policy(
    log: Log | None = None,
    *,
    require: tuple[str, ...] = ("evidence", "log", "release"),
    platform: str = "simulated",
    release: Mapping[str, Any] | None = None,
    floors: Mapping[str, Mapping[str, int]] | None = None,
    by: Publisher = PUBLISHER,
    **snp: Any,
) -> bytes:
    """A policy file. ``release`` and keyword arguments replace rules of their sections."""
    lines = [
        'schema = "cvm-audit/policy/v1"',
        'name = "test-policy"',
        f'platform = "{platform}"',
        f"require = {json.dumps(list(require))}",
    ]
    if "log" in require:
        key = (log or Log(())).key
        lines += ["[log]", "policy = '''", f"log {key}", "quorum none", "'''"]
    if "release" in require:
        rules = {
            "role": "summariser",
            "product": "reference-cvm",
            "publishers": [str(by.key.vkey)],
            "publisher_threshold": 1,
            "identities": [],
            "minimum_security_version": 3,
        } | dict(release or {})
        lines += ["[release]", *(f"{name} = {toml(value)}" for name, value in rules.items())]
    if "evidence" in require:
        lines += _snp_section(SNP_RULES | snp, floors or {"Milan": FLOOR})
    return ("\n".join(lines) + "\n").encode()


def _snp_section(rules: Mapping[str, Any], floors: Mapping[str, Mapping[str, int]]) -> list[str]:
    lines = ["[sev_snp]", *(f"{name} = {toml(value)}" for name, value in rules.items())]
    for kind in ("minimum_reported_tcb", "minimum_launch_tcb", "minimum_committed_tcb"):
        if kind in rules:
            continue
        for product, floor in floors.items():
            lines.append(f"[sev_snp.{kind}.{product}]")
            lines += [f"{name} = {level}" for name, level in floor.items()]
    return lines


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def bundle(contents: Mapping[str, bytes], captured: datetime = NOW) -> dict[str, bytes]:
    """Files of a bundle from role to bytes (one member a role)."""
    members = {f"m/{role}": (role, data) for role, data in contents.items()}
    files = {path: data for path, (_, data) in members.items()}
    return files | {MANIFEST: encode_manifest(members, captured=captured)}

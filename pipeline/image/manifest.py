"""``manifest.json``: every artifact, input and file of an image by size and SHA-256.

Source: schemas/image-manifest.v1.schema.json; docs/spec/image.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pipeline.image.firmware import hash_table_address
from pipeline.image.lock import Input
from pipeline.image.tree import Device, File, Node, Symlink

__all__ = ["ARTIFACTS", "MANIFEST_SCHEMA", "Origin", "render_json", "render_manifest"]

MANIFEST_SCHEMA = "cvm-audit/image-manifest/v1"

ARTIFACTS = {
    "command-line.txt": "command-line",
    "firmware.fd": "firmware",
    "guest-policy.json": "guest-policy",
    "initrd.bin": "initrd",
    "kernel-config.txt": "kernel-config",
    "kernel.bin": "kernel",
    "sbom.json": "sbom",
}
"""File name to role. The manifest speaks of all of them, and not of itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an image was made from: recipe, inputs, SHA-256 of the locks, and the source digest.

    ``toolchain_lock_sha256`` is empty where nothing was compiled.
    """

    recipe: str
    inputs: Sequence[Input]
    lock_sha256: bytes
    toolchain_lock_sha256: bytes
    source_sha256: bytes


def render_manifest(
    origin: Origin, *, artifacts: Mapping[str, bytes], nodes: Mapping[str, Node]
) -> bytes:
    """The manifest of ``artifacts`` by file name; ``nodes`` is what the initrd holds.

    Raises ParseError for a firmware that checks no kernel.
    """
    document = {
        "schema": MANIFEST_SCHEMA,
        "recipe": origin.recipe,
        "lockSha256": origin.lock_sha256.hex(),
        **_toolchain(origin),
        "sourceSha256": origin.source_sha256.hex(),
        "hashTableGpa": f"{hash_table_address(artifacts['firmware.fd']):#x}",
        "artifacts": [
            {"name": name, "role": role, **_sized(artifacts[name])}
            for name, role in ARTIFACTS.items()
        ],
        "inputs": [
            {
                "name": item.name,
                "version": item.version,
                "architecture": item.architecture,
                "role": item.role,
                "size": item.size,
                "sha256": item.sha256.hex(),
            }
            for item in origin.inputs
        ],
        "initrd": [{"path": path, **_node(node)} for path, node in nodes.items()],
    }
    return render_json(document)


def _toolchain(origin: Origin) -> dict[str, str]:
    if not origin.toolchain_lock_sha256:
        return {}
    return {"toolchainLockSha256": origin.toolchain_lock_sha256.hex()}


def render_json(document: Any) -> bytes:
    """The one form of a document that is written here: keys sorted, two blanks, ASCII."""
    return json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"


def _sized(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": sha256(content).hexdigest()}


def _node(node: Node) -> dict[str, Any]:
    if isinstance(node, File):
        mode = "0755" if node.executable else "0644"
        return {"type": "file", "mode": mode, **_sized(node.content)}
    if isinstance(node, Symlink):
        return {"type": "link", "target": node.target}
    if isinstance(node, Device):
        return {"type": "device", "mode": node.mode, "major": node.major, "minor": node.minor}
    return {"type": "directory"}

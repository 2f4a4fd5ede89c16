"""A ``cvm-release/v1`` statement, written: what ``cvm_release`` reads, and nothing that it refuses.

Source: design section 4; schemas/cvm-release.v1.schema.json.
"""

from __future__ import annotations

import json
from typing import Any

from verifier.errors import ParseError
from verifier.release.cvm_release import (
    PREDICATE_TYPE,
    Artifact,
    CvmRelease,
    ExpectedEvidence,
    MeasurementRow,
    parse_cvm_release,
)
from verifier.release.statement import STATEMENT_TYPE, parse_statement

__all__ = ["encode_cvm_release", "measurement_members"]


def encode_cvm_release(release: CvmRelease) -> bytes:
    """The statement (JSON, unsigned), indented by two, in ASCII, ending in a newline.

    Raises ParseError unless it is read again as ``release``, so that nobody signs and logs what no
    judge could use.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": artifact.name, "digest": {"sha256": artifact.sha256.hex()}}
            for artifact in release.artifacts
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(release),
    }
    raw = json.dumps(statement, indent=2).encode("ascii") + b"\n"
    if parse_cvm_release(parse_statement(raw)) != release:
        expected = "what it is to say, in whole seconds and in the order of the schema"
        raise ParseError("statement", expected=expected, got="something else")
    return raw


def _predicate(release: CvmRelease) -> dict[str, Any]:
    return {
        "role": release.role,
        "product": release.product,
        "version": release.version,
        "securityVersion": release.security_version,
        "artifacts": list(map(_artifact, release.artifacts)),
        "measurements": measurement_members(release.measurements),
        "expectedEvidence": _evidence(release.expected_evidence),
        "build": {
            "recipe": release.build.recipe,
            "sourceSha256": release.build.source_sha256.hex(),
            "lockSha256": release.build.lock_sha256.hex(),
        },
        "notAfter": f"{release.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "role": artifact.role,
        "size": artifact.size,
        "locations": list(artifact.locations),
    }


def measurement_members(rows: tuple[MeasurementRow, ...]) -> list[dict[str, Any]]:
    """The rows as the member ``measurements`` of a predicate has them."""
    return [
        {
            "platform": row.platform,
            "vmm": row.vmm,
            "vcpus": row.vcpus,
            "vcpuSignature": f"{row.vcpu_signature:#x}",
            "guestFeatures": f"{row.guest_features:#x}",
            "value": row.value.hex(),
        }
        for row in rows
    ]


def _evidence(promised: ExpectedEvidence) -> dict[str, Any]:
    return {
        "tees": list(promised.tees),
        "gpus": [],
        "vmpls": list(promised.vmpls),
        "guestPolicy": {"debug": promised.debug, "migrateMa": promised.migrate_ma},
        "minimumTcb": {floor.product: dict(floor.components) for floor in promised.minimum_tcb},
    }

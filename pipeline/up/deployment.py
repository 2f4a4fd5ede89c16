"""``deployment.json``: where the roles of a path are, schemas/deployment.v1.schema.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.up.running import Role
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = ["FILE_NAME", "Names", "encode_deployment", "read_names", "write_deployment"]

FILE_NAME = "deployment.json"

_SCHEMA = "cvm-audit/deployment/v1"
_NAME = r"[a-z0-9][a-z0-9.:-]{0,254}"


@dataclass(frozen=True, slots=True)
class Names:
    """What gateway and issuer are called in requests and token challenges."""

    authority: str
    issuer_name: str


def read_names(path: Path) -> Names:
    """Read ``path.json`` of ``python -m pipeline.keys``. Raises ParseError, and OSError."""
    document = JsonObject(parse_json(path.read_bytes(), what=str(path)), what=str(path))
    names = Names(
        document.text("authority", pattern=_NAME), document.text("issuerName", pattern=_NAME)
    )
    document.end()
    return names


def encode_deployment(names: Names, roles: Mapping[str, Role]) -> bytes:
    """The document: what clients need, and what only somebody on this machine can use."""
    document = {
        "authority": names.authority,
        "issuer": f"http://{roles['issuer'].address}",
        "issuerName": names.issuer_name,
        "keyCdn": f"http://{roles['keycdn'].address}",
        "relay": f"http://{roles['relay'].address}",
        "roles": _local(list(roles.values())),
        "schema": _SCHEMA,
    }
    return json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"


def _local(roles: Sequence[Role]) -> list[dict[str, object]]:
    return [
        {
            "address": role.address,
            "directory": str(role.folder),
            "log": str(role.log),
            "pid": role.process.pid,
            "role": role.name,
        }
        for role in roles
    ]


def write_deployment(path: Path, document: bytes) -> None:
    """Write it at once or not at all. Raises OSError."""
    new = path.with_suffix(".new")
    new.write_bytes(document)
    new.chmod(0o644)
    new.replace(path)

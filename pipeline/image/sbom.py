"""``sbom.json``: what the image contains, in CycloneDX 1.6.

Without time and serial number, which would differ from build to build. Source: ECMA-424
(CycloneDX 1.6); package-url specification, types ``deb`` and ``pypi``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pipeline.image.lock import FIRMWARE, KERNEL, WHEEL, Input, Lock
from pipeline.image.manifest import render_json
from pipeline.image.recipe import RECIPE

__all__ = ["package_url", "render_sbom"]

_TYPES = {FIRMWARE: "firmware", KERNEL: "operating-system"}


def render_sbom(lock: Lock, *, source_sha256: bytes) -> bytes:
    """The bill of materials: one component an input, and our own source by its digest."""
    components = [_component(item) for item in lock.inputs]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": "cvm-audit reference image",
                "version": source_sha256.hex(),
                "properties": [{"name": "cvm-audit:recipe", "value": RECIPE}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": "image", "dependsOn": sorted(item["bom-ref"] for item in components)}
        ],
    }
    return render_json(document)


def package_url(item: Input) -> str:
    """The package URL of an input."""
    version = quote(item.version, safe="")
    if item.role == WHEEL:
        return f"pkg:pypi/{item.name}@{version}"
    name = quote(item.name, safe="")
    return f"pkg:deb/debian/{name}@{version}?arch={item.architecture}&distro={item.suite}"


def _component(item: Input) -> dict[str, Any]:
    return {
        "type": _TYPES.get(item.role, "library"),
        "bom-ref": package_url(item),
        "name": item.name,
        "version": item.version,
        "purl": package_url(item),
        "hashes": [{"alg": "SHA-256", "content": item.sha256.hex()}],
        "properties": [
            {"name": "cvm-audit:path", "value": item.path},
            {"name": "cvm-audit:role", "value": item.role},
        ],
    }

"""``sbom.json``: what the image contains, in CycloneDX 1.6.

Without time and serial number, which would differ from build to build. Source: ECMA-424
(CycloneDX 1.6); package-url specification, types ``deb`` and ``pypi``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pipeline.image.compile.recipe import FIRMWARE_SOURCE_PACKAGE
from pipeline.image.lock import (
    FIRMWARE,
    FIRMWARE_PATCHES,
    FIRMWARE_SOURCE,
    KERNEL,
    KERNEL_SOURCE,
    TOOLCHAIN,
    WHEEL,
    Input,
)
from pipeline.image.manifest import Origin, render_json

__all__ = ["package_url", "render_sbom"]

_TYPES = {
    FIRMWARE: "firmware",
    FIRMWARE_PATCHES: "firmware",
    FIRMWARE_SOURCE: "firmware",
    KERNEL: "operating-system",
    KERNEL_SOURCE: "operating-system",
    TOOLCHAIN: "application",
}


def render_sbom(origin: Origin) -> bytes:
    """The bill of materials: one component an input, and our own source by its digest.

    What only compiles is not in the image: scope ``excluded``.
    """
    components = [_component(item) for item in origin.inputs]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": "cvm-audit reference image",
                "version": origin.source_sha256.hex(),
                "properties": [{"name": "cvm-audit:recipe", "value": origin.recipe}],
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
    if item.role in (FIRMWARE_PATCHES, FIRMWARE_SOURCE):
        file = quote(item.path.rpartition("/")[2], safe="")
        return (
            f"pkg:deb/debian/{FIRMWARE_SOURCE_PACKAGE}@{version}"
            f"?arch=source&distro={item.suite}&file_name={file}"
        )
    name = quote(item.name, safe="")
    return f"pkg:deb/debian/{name}@{version}?arch={item.architecture}&distro={item.suite}"


def _component(item: Input) -> dict[str, Any]:
    return {
        **({"scope": "excluded"} if item.role == TOOLCHAIN else {}),
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

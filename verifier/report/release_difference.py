"""What changed between two releases, in lines for people. Verifies nothing.

The entries alone tell of digests, measurements, promises and signers; with the artifacts also
which packages, files, parameters and kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verifier.appraisal.comparison.artifact_difference import (
    MAX_DIFFERENCES,
    artifact_differences,
)
from verifier.appraisal.comparison.difference import Difference, bytes_difference
from verifier.appraisal.comparison.document_difference import document_differences
from verifier.appraisal.comparison.kernel_configuration import kernel_options
from verifier.errors import ParseError
from verifier.release.cvm_release import CvmRelease, TcbFloor
from verifier.release.entry import Entry
from verifier.report.text import one_line
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = ["ReleaseSide", "render_release_difference"]

_LINES = 400  # of one section
_DIGITS = 16  # of a package's digest; all of them are in the document itself
_BANNER_POINTER, _BANNER_BASE = 0x20E, 0x200  # Linux, Documentation/arch/x86/boot.rst


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSide:
    """A release with its entry; ``copies`` are artifacts with the logged digests, by role."""

    entry: Entry
    release: CvmRelease
    copies: Mapping[str, bytes]


def render_release_difference(old: ReleaseSide, new: ReleaseSide) -> str:
    """Every difference, a line each under the heading of its section, ending in a newline."""
    lines: list[str] = []
    for heading, differences in _sections(old, new):
        found = list(differences)
        lines.append(f"{heading}: {len(found) or 'no'} difference{'s' * (len(found) != 1)}")
        lines += [_line(difference) for difference in found[:_LINES]]
        if len(found) > _LINES:
            lines.append(f"  and {len(found) - _LINES} more")
    return "".join(f"{one_line(line)}\n" for line in lines)


def _line(difference: Difference) -> str:
    return f"  {difference.place}: {difference.expected} -> {difference.got}"


def _sections(old: ReleaseSide, new: ReleaseSide) -> Iterator[tuple[str, Iterator[Difference]]]:
    for heading, members in (
        ("release", _identity),
        ("keys", _keys),
        ("build", _build),
        ("artifacts", _artifacts),
        ("measurements", _measurements),
        ("expected evidence", _evidence),
    ):
        yield heading, document_differences(members(old), members(new))
    for role, heading, members_of in (
        ("sbom", "packages", _packages),
        ("command-line", "command line", _parameters),
        ("guest-policy", "guest policy", _document),
        ("kernel", "kernel", _kernel),
        ("kernel-config", "kernel configuration", _options),
    ):
        left, right = old.copies.get(role), new.copies.get(role)
        if left is not None and right is not None:
            yield heading, _differences(left, right, members_of)
    left, right = old.copies.get("initrd"), new.copies.get("initrd")
    if left is not None and right is not None:
        found = artifact_differences("initrd", released=left, built=right)
        first = f", the first {MAX_DIFFERENCES}" if len(found) == MAX_DIFFERENCES else ""
        yield f"files{first}", iter(found)


def _differences(
    old: bytes, new: bytes, members_of: Callable[[bytes], Any]
) -> Iterator[Difference]:
    found = list(document_differences(members_of(old), members_of(new)))
    plain = bytes_difference(old, new)
    # What is told of an artifact is not all of it: other bytes are never no difference.
    yield from found if found or plain is None else (plain,)


def _identity(side: ReleaseSide) -> dict[str, Any]:
    release = side.release
    return {
        "role": release.role,
        "product": release.product,
        "version": release.version,
        "security version": release.security_version,
        "not after": f"{release.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }


def _keys(side: ReleaseSide) -> dict[str, Any]:
    # What an envelope names; whether the signatures are good is for release verify.
    return {signature.keyid: "named" for signature in side.entry.envelope.signatures}


def _build(side: ReleaseSide) -> dict[str, Any]:
    build = side.release.build
    return {
        "recipe": build.recipe,
        "source": build.source_sha256.hex(),
        "lock": build.lock_sha256.hex(),
    }


def _artifacts(side: ReleaseSide) -> dict[str, Any]:
    return {
        artifact.name: {
            "role": artifact.role,
            "size": artifact.size,
            "sha256": artifact.sha256.hex(),
        }
        for artifact in side.release.artifacts
    }


def _measurements(side: ReleaseSide) -> dict[str, Any]:
    return {
        f"{row.vmm}, {row.vcpus} vCPUs of {row.vcpu_signature:#x}, features"
        f" {row.guest_features:#x}": row.value.hex()
        for row in side.release.measurements
    }


def _evidence(side: ReleaseSide) -> dict[str, Any]:
    promised = side.release.expected_evidence
    return {
        "TEEs": list(promised.tees),
        "VMPLs": list(promised.vmpls),
        "debug": promised.debug,
        "migration agent": promised.migrate_ma,
        **{f"TCB floor {floor.product}": _floor(floor) for floor in promised.minimum_tcb},
    }


def _floor(floor: TcbFloor) -> dict[str, int]:
    return dict(floor.components)


def _packages(raw: bytes) -> dict[str, Any]:
    """Name to version and digests of what a CycloneDX document lists, as far as it is one."""
    try:
        document = JsonObject(parse_json(raw, what="sbom"), what="sbom")
        return _joined(map(_package, document.objects("components")))
    except ParseError as error:
        return {"(the packages cannot be read)": str(error)}


def _package(item: JsonObject) -> tuple[str, str]:
    # With the digest, because another file under an unchanged version is what matters most.
    hashes = item.objects("hashes") if item.has("hashes") else ()
    digests = (f"{one.text('alg')} {one.text('content')[:_DIGITS]}..." for one in hashes)
    return item.text("name"), ", ".join((item.text("version"), *digests))


def _document(raw: bytes) -> Any:
    try:
        return parse_json(raw, what="document")
    except ParseError as error:
        return {"(it cannot be read)": str(error)}


def _options(raw: bytes) -> dict[str, str]:
    try:
        return dict(kernel_options(raw))
    except ParseError as error:
        return {"(the options cannot be read)": str(error)}


def _parameters(raw: bytes) -> dict[str, Any]:
    parameters = raw.decode("utf-8", "backslashreplace").split()
    named = (parameter.partition("=") for parameter in parameters)
    return _joined((name, value or "(set)") for name, _, value in named)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every value of a name, in their order: a name that is there twice hides nothing."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: ", then ".join(values) for name, values in found.items()}


def _kernel(raw: bytes) -> dict[str, Any]:
    """The words that a Linux image says of itself: version, builder, time of the build."""
    pointer = raw[_BANNER_POINTER : _BANNER_POINTER + 2]
    start = int.from_bytes(pointer, "little") + _BANNER_BASE
    found = re.match(rb"[ -~]{1,256}(?=\0)", raw[start : start + 257])
    return {"version": found[0].decode("ascii") if found else "(it does not say)"}

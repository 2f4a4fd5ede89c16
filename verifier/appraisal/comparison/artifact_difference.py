"""Where two artifacts of one role differ, said in the terms of that role."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from verifier.appraisal.comparison.archive_difference import archive_differences
from verifier.appraisal.comparison.difference import Difference, bytes_difference, first_difference
from verifier.appraisal.comparison.document_difference import document_differences
from verifier.appraisal.comparison.kernel_configuration import kernel_options
from verifier.errors import ParseError
from verifier.release.newc import parse_newc
from verifier.tlog.strict import parse_json

__all__ = ["MAX_DIFFERENCES", "artifact_differences"]

MAX_DIFFERENCES = 200
"""Most differences of one artifact that are told."""

# Source: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
_KERNEL_HEADER = (
    ("setup_sects", 0x1F1, 1),
    ("root_flags", 0x1F2, 2),
    ("syssize", 0x1F4, 4),
    ("boot_flag", 0x1FE, 2),
    ("header magic", 0x202, 4),
    ("protocol version", 0x206, 2),
    ("kernel_version (offset)", 0x20E, 2),
    ("loadflags", 0x211, 1),
    ("pref_address", 0x258, 8),
    ("init_size", 0x260, 4),
)
_DOCUMENTS = ("guest-policy", "image-manifest", "launch-inputs", "model-manifest", "sbom")


def artifact_differences(role: str, *, released: bytes, built: bytes) -> tuple[Difference, ...]:
    """Where the two differ, the first first, at most MAX_DIFFERENCES; empty if they are equal.

    ``role`` is one of ARTIFACT_ROLES. Whatever cannot be read as what its role says is told by
    its first byte or line.
    """
    if released == built:
        return ()
    found = tuple(islice(_by_role(role, released, built), MAX_DIFFERENCES))
    if found:
        return found
    # One meaning in two spellings, such as the white space of a document.
    plain = bytes_difference(released, built)
    return (plain,) if plain is not None else ()


def _by_role(role: str, released: bytes, built: bytes) -> Iterator[Difference]:
    try:
        if role == "initrd":
            yield from archive_differences(parse_newc(released), parse_newc(built))
            return
        if role in _DOCUMENTS:
            left, right = (parse_json(raw, what=role) for raw in (released, built))
            yield from document_differences(left, right)
            return
        if role == "kernel-config":
            yield from document_differences(kernel_options(released), kernel_options(built))
            return
    except ParseError as error:
        yield Difference(
            place="one of the two cannot be read", expected=error.expected, got=str(error)
        )
    if role == "kernel":
        yield from _kernel_header(released, built)
    plain = first_difference(released, built)
    yield from (plain,) if plain is not None else ()


def _kernel_header(released: bytes, built: bytes) -> Iterator[Difference]:
    for name, offset, size in _KERNEL_HEADER:
        left, right = (raw[offset : offset + size] for raw in (released, built))
        if left != right:
            place = f"header field {name} at {offset:#x}"
            yield Difference(place=place, expected=left.hex(" "), got=right.hex(" "))

"""Launch inputs as a JSON document, to be published with a release.

Source: docs/spec/snp-launch-inputs.md; schemas/snp-launch-inputs.v1.schema.json is the public
contract of the shape. Every member is required, integers up to 64 bits are hex strings without
leading zeros, digests are hex: one launch has one document, apart from white space and member
order.
"""

from __future__ import annotations

import json
from typing import Any

from verifier.errors import ParseError, UnsupportedError
from verifier.measurement.kernel_hashes import KernelHashes
from verifier.measurement.launch_inputs import MAX_VCPUS, SNP_ACTIVE, LaunchInputs
from verifier.measurement.page_chain import DIGEST_SIZE
from verifier.measurement.sections import (
    MAX_SECTIONS,
    Section,
    SectionType,
    check_kernel_section,
    check_sections,
)
from verifier.measurement.vmm import Vmm
from verifier.measurement.vmsa import SVSM_GUEST_FEATURES
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_hex_integer, parse_json

__all__ = ["MAX_DOCUMENT_SIZE", "SCHEMA", "encode_launch_inputs", "parse_launch_inputs"]

SCHEMA = "cvm-audit/snp-launch-inputs/v1"
MAX_DOCUMENT_SIZE = 65536
"""Most bytes of a document."""

_WHAT = "launch inputs"
_FAMILY = SCHEMA.rsplit("/", 1)[0] + "/"
_TYPE_NAMES = tuple(kind.name for kind in SectionType)
_HEX_32 = r"0x(0|[1-9a-f][0-9a-f]{0,7})"
_HEX_64 = r"0x(0|[1-9a-f][0-9a-f]{0,15})"


def parse_launch_inputs(raw: bytes) -> LaunchInputs:
    """Read a document and check that a launch can have these inputs.

    Raises ParseError, or UnsupportedError for another version of the document.
    """
    if len(raw) > MAX_DOCUMENT_SIZE:
        expected = f"at most {MAX_DOCUMENT_SIZE} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    _check_schema(document.take("schema"))
    inputs = _inputs(document)
    document.end()
    return inputs


def _check_schema(schema: Any) -> None:
    if schema == SCHEMA:
        return
    if isinstance(schema, str) and schema.startswith(_FAMILY):
        raise UnsupportedError(f"{_WHAT}.schema", expected=SCHEMA, got=excerpt(schema))
    got = excerpt(schema) if isinstance(schema, str) else type(schema).__name__
    raise ParseError(f"{_WHAT}.schema", expected=SCHEMA, got=got)


def _inputs(document: JsonObject) -> LaunchInputs:
    vmm = Vmm(document.choice("vmm", tuple(Vmm)))
    sections = _sections(document)
    hash_table_gpa = _integer(document, "hashTableGpa", _HEX_32)
    hashes = _kernel_hashes(document)
    if hashes is not None:
        check_kernel_section(sections, hash_table_gpa=hash_table_gpa, what=_WHAT)
        if vmm is Vmm.QEMU_SVSM:
            expected = f"null, because vmm is {vmm}"
            raise document.refuse("kernelHashes", expected=expected, got="an object")
    return LaunchInputs(
        vmm=vmm,
        vcpus=document.integer("vcpus", minimum=1, maximum=MAX_VCPUS),
        vcpu_signature=_integer(document, "vcpuSignature", _HEX_32),
        guest_features=_guest_features(document, vmm),
        firmware_digest=document.hex("firmwareDigest", size=DIGEST_SIZE),
        sections=sections,
        reset_eip=_reset_eip(document),
        hash_table_gpa=hash_table_gpa,
        kernel_hashes=hashes,
    )


def _integer(item: JsonObject, name: str, pattern: str) -> int:
    return parse_hex_integer(item.text(name, pattern=pattern), what=f"{item.what}.{name}")


def _guest_features(document: JsonObject, vmm: Vmm) -> int:
    features = _integer(document, "guestFeatures", _HEX_64)
    if not features & SNP_ACTIVE:
        expected = "SEV_FEATURES with bit 0, SNPActive"
        raise document.refuse("guestFeatures", expected=expected, got=f"{features:#x}")
    if vmm is Vmm.QEMU_SVSM and features != SVSM_GUEST_FEATURES:
        expected = f"{SVSM_GUEST_FEATURES:#x}, because vmm is {vmm}"
        raise document.refuse("guestFeatures", expected=expected, got=f"{features:#x}")
    return features


def _reset_eip(document: JsonObject) -> int:
    reset_eip = _integer(document, "resetEip", _HEX_32)
    if not reset_eip:
        raise document.refuse("resetEip", expected="an address", got="0x0")
    return reset_eip


def _sections(document: JsonObject) -> tuple[Section, ...]:
    items = document.array("sections", minimum=1, maximum=MAX_SECTIONS)
    what = f"{_WHAT}.sections"
    sections = tuple(
        _section(JsonObject(item, what=f"{what}[{place}]")) for place, item in enumerate(items)
    )
    check_sections(sections, what=what)
    return sections


def _section(item: JsonObject) -> Section:
    section = Section(
        type=SectionType[item.choice("type", _TYPE_NAMES)],
        gpa=_integer(item, "gpa", _HEX_32),
        size=_integer(item, "size", _HEX_32),
    )
    item.end()
    return section


def _kernel_hashes(document: JsonObject) -> KernelHashes | None:
    value = document.take("kernelHashes")
    if value is None:
        return None
    item = JsonObject(value, what=f"{_WHAT}.kernelHashes")
    hashes = KernelHashes(
        kernel=item.hex("kernel", size=32),
        initrd=item.hex("initrd", size=32),
        cmdline=item.hex("cmdline", size=32),
    )
    item.end()
    return hashes


def encode_launch_inputs(inputs: LaunchInputs) -> bytes:
    """The document, indented by two, ending in a newline; ``parse_launch_inputs`` inverts it."""
    hashes = inputs.kernel_hashes
    document = {
        "schema": SCHEMA,
        "vmm": str(inputs.vmm),
        "vcpus": inputs.vcpus,
        "vcpuSignature": f"{inputs.vcpu_signature:#x}",
        "guestFeatures": f"{inputs.guest_features:#x}",
        "firmwareDigest": inputs.firmware_digest.hex(),
        "sections": [_section_members(section) for section in inputs.sections],
        "resetEip": f"{inputs.reset_eip:#x}",
        "hashTableGpa": f"{inputs.hash_table_gpa:#x}",
        "kernelHashes": None if hashes is None else _kernel_members(hashes),
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _section_members(section: Section) -> dict[str, str]:
    return {
        "type": section.type.name,
        "gpa": f"{section.gpa:#x}",
        "size": f"{section.size:#x}",
    }


def _kernel_members(hashes: KernelHashes) -> dict[str, str]:
    return {
        "kernel": hashes.kernel.hex(),
        "initrd": hashes.initrd.hex(),
        "cmdline": hashes.cmdline.hex(),
    }

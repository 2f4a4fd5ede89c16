from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ovmf_image import build_ovmf
from tests.verifier.measurement.launches import direct_boot, disk_boot
from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.measurement.launch_inputs import MAX_VCPUS, LaunchInputs
from verifier.measurement.launch_inputs_document import (
    MAX_DOCUMENT_SIZE,
    SCHEMA,
    encode_launch_inputs,
    parse_launch_inputs,
)
from verifier.measurement.sections import MAX_SECTIONS
from verifier.measurement.sev_snp import Vmm, launch_digest

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = json.loads((ROOT / "schemas" / "snp-launch-inputs.v1.schema.json").read_text("utf-8"))
SPECIFICATION = (ROOT / "docs" / "spec" / "snp-launch-inputs.md").read_text("utf-8")
WHAT = "launch inputs"

Document = dict[str, Any]
Change = Callable[[Document], object]


def document(inputs: LaunchInputs | None = None) -> Document:
    raw = encode_launch_inputs(direct_boot() if inputs is None else inputs)
    members: Document = json.loads(raw)
    return members


def changed(change: Change) -> Document:
    members = document()
    change(members)
    return members


def put(name: str, value: Any) -> Change:
    return lambda members: members.update({name: value})


def put_section(place: int, name: str, value: Any) -> Change:
    return lambda members: members["sections"][place].update({name: value})


def put_hash(name: str, value: Any) -> Change:
    return lambda members: members["kernelHashes"].update({name: value})


def svsm(**members: Any) -> Change:
    alone = {"vmm": "qemu-svsm", "guestFeatures": "0x1", "kernelHashes": None}
    return lambda given: given.update(alone | members)


def drop(name: str) -> Change:
    return lambda members: members.pop(name)


def schema_accepts(members: Any) -> bool:
    return jsonschema.Draft202012Validator(CONTRACT).is_valid(members)


def parse(members: Any) -> LaunchInputs:
    return parse_launch_inputs(json.dumps(members).encode())


GOOD: dict[str, Change] = {
    "as encoded": lambda _: None,
    "another order": lambda members: members.update(vcpus=members.pop("vcpus")),
    "no kernel": put("kernelHashes", None),
    "no kernel, no table": lambda m: m.update(kernelHashes=None, hashTableGpa="0x0"),
    "ec2": put("vmm", "ec2"),
    "gce": put("vmm", "gce"),
    "svsm": svsm(),
    "most vCPUs": put("vcpus", MAX_VCPUS),
    "no signature": put("vcpuSignature", "0x0"),
    "largest signature": put("vcpuSignature", "0xffffffff"),
    "largest features": put("guestFeatures", "0xffffffffffffffff"),
    "largest address": put("resetEip", "0xffffffff"),
    "section at zero": put_section(0, "gpa", "0x0"),
    "section up to 4 GiB": put_section(0, "gpa", "0xffff7000"),
}

# name -> change, what the parser names, what it expects, what it got
BAD: dict[str, tuple[Change, str, str, str]] = {
    "no schema": (drop("schema"), ".schema", "the member", "missing"),
    "another schema": (put("schema", "cvm-audit/bundle/v1"), ".schema", SCHEMA, "bundle"),
    "schema of another type": (put("schema", 1), ".schema", SCHEMA, "int"),
    "unknown member": (put("note", ""), "", "no unknown member", "note"),
    "unknown vmm": (put("vmm", "krun"), ".vmm", "qemu or ec2 or gce or qemu-svsm", "krun"),
    "no vCPU": (put("vcpus", 0), ".vcpus", "1 to 4096", "0"),
    "too many vCPUs": (put("vcpus", MAX_VCPUS + 1), ".vcpus", "1 to 4096", "4097"),
    "vCPUs as text": (put("vcpus", "2"), ".vcpus", "an integer", "a string"),
    "vCPUs as boolean": (put("vcpus", True), ".vcpus", "an integer", "a boolean"),
    "long signature": (put("vcpuSignature", "0x100000000"), ".vcpuSignature", "0x", "0x100000000"),
    "leading zero": (put("vcpuSignature", "0x0800f12"), ".vcpuSignature", "0x", "0x0800f12"),
    "upper case": (put("vcpuSignature", "0x800F12"), ".vcpuSignature", "0x", "0x800F12"),
    "number": (put("vcpuSignature", 8392466), ".vcpuSignature", "a string", "an integer"),
    "no SNPActive": (put("guestFeatures", "0x20"), ".guestFeatures", "SNPActive", "0x20"),
    "no features": (put("guestFeatures", "0x0"), ".guestFeatures", "SNPActive", "0x0"),
    "long features": (put("guestFeatures", "0x1" + "0" * 15 + "1"), ".guestFeatures", "0x", "0x1"),
    "short digest": (put("firmwareDigest", "00" * 47), ".firmwareDigest", "96 lower-case", "00"),
    "digest in capitals": (put("firmwareDigest", "AA" * 48), ".firmwareDigest", "96", "AA"),
    "no reset address": (put("resetEip", "0x0"), ".resetEip", "an address", "0x0"),
    "long address": (put("hashTableGpa", "0x100810c00"), ".hashTableGpa", "0x", "0x100810c00"),
    "no sections": (put("sections", []), ".sections", f"1 to {MAX_SECTIONS}", "0"),
    "sections as object": (put("sections", {}), ".sections", "an array", "an object"),
    "section as text": (put("sections", ["CPUID"]), ".sections[0]", "an object", "a string"),
    "unknown type": (put_section(1, "type", "BSS"), ".sections[1].type", "CPUID", "BSS"),
    "type by number": (put_section(1, "type", 1), ".sections[1].type", "a string", "an integer"),
    "unknown section member": (put_section(1, "note", 1), ".sections[1]", "no unknown", "note"),
    "cut page": (put_section(0, "size", "0x9001"), ".sections", "whole pages", "0x9001"),
    "empty section": (put_section(0, "size", "0x0"), ".sections", "whole pages", "0x0 bytes"),
    "odd address": (put_section(0, "gpa", "0x800800"), ".sections", "whole pages", "0x800800"),
    "two pages": (put_section(2, "size", "0x2000"), ".sections", "SNP_SECRETS of one page", "0x2"),
    "two hash pages": (
        put_section(4, "type", "SNP_KERNEL_HASHES"),
        ".sections",
        "at most one SNP_KERNEL_HASHES",
        "2",
    ),
    "kernel without page": (
        put_section(6, "type", "SVSM_CAA"),
        "",
        "a kernel is given",
        "no such section",
    ),
    "kernel without table": (
        put("hashTableGpa", "0x0"),
        "",
        "a kernel is given",
        "no hash table address",
    ),
    "hashes as text": (put("kernelHashes", ""), ".kernelHashes", "an object", "a string"),
    "short hash": (put_hash("kernel", "00"), ".kernelHashes.kernel", "64 lower-case hex", "00"),
    "no hash": (put_hash("initrd", None), ".kernelHashes.initrd", "a string", "null"),
    "unknown hash": (put_hash("dtb", "00"), ".kernelHashes", "no unknown member", "dtb"),
    "svsm with kernel": (put("vmm", "qemu-svsm"), ".kernelHashes", "null", "an object"),
    "svsm with features": (
        svsm(guestFeatures="0x21"),
        ".guestFeatures",
        "0x1, because vmm is qemu-svsm",
        "0x21",
    ),
}

# What a JSON schema cannot say, and the parser refuses.
BEYOND_THE_SCHEMA: dict[str, tuple[Change, str, str, str]] = {
    "overlap": (put_section(1, "gpa", "0x808000"), ".sections", "in two sections", "0x808000"),
    "beyond 4 GiB": (put_section(0, "gpa", "0xffff8000"), ".sections", "below 4 GiB", "0xffff8000"),
    "too many pages": (
        lambda m: m["sections"].append(
            {"type": "SNP_SEC_MEM", "gpa": "0x10000000", "size": "0x4000000"}
        ),
        ".sections",
        "at most 16384 pages",
        "16415",
    ),
    "table outside its page": (
        put("hashTableGpa", "0x811000"),
        "",
        "within the SNP_KERNEL_HASHES page at 0x810000",
        "0x811000",
    ),
}


@pytest.mark.parametrize("vmm", [Vmm.QEMU, Vmm.EC2, Vmm.GCE])
def test_the_document_is_the_launch(vmm: Vmm) -> None:
    for inputs in (disk_boot(vmm=vmm), direct_boot(vmm=vmm, vcpus=9, guest_features=0x21)):
        raw = encode_launch_inputs(inputs)
        assert parse_launch_inputs(raw) == inputs
        assert encode_launch_inputs(parse_launch_inputs(raw)) == raw


@given(
    st.integers(1, MAX_VCPUS),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(1, 2**32 - 1),
)
def test_numbers_survive(vcpus: int, signature: int, features: int, eip: int) -> None:
    inputs = disk_boot(
        firmware=build_ovmf(reset_eip=eip),
        vcpus=vcpus,
        vcpu_signature=signature,
        guest_features=2 * features + 1,
    )
    raw = encode_launch_inputs(inputs)
    assert parse_launch_inputs(raw) == inputs
    assert schema_accepts(json.loads(raw))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_parser_and_schema_accept(name: str) -> None:
    members = changed(GOOD[name])
    assert schema_accepts(members)
    assert len(launch_digest(parse(members))) == 48


@pytest.mark.parametrize("name", sorted(BAD))
def test_parser_and_schema_refuse(name: str) -> None:
    change, where, expected, got = BAD[name]
    members = changed(change)
    assert not schema_accepts(members)
    with rejects(ParseError, WHAT + where, expected=re.escape(expected), got=re.escape(got)):
        parse(members)


@pytest.mark.parametrize("name", sorted(BEYOND_THE_SCHEMA))
def test_the_parser_refuses_what_a_schema_cannot_say(name: str) -> None:
    change, where, expected, got = BEYOND_THE_SCHEMA[name]
    members = changed(change)
    assert schema_accepts(members)
    with rejects(ParseError, WHAT + where, expected=expected, got=got):
        parse(members)


@pytest.mark.parametrize("name", sorted(document()))
def test_every_member_is_required(name: str) -> None:
    members = changed(drop(name))
    assert not schema_accepts(members)
    with rejects(ParseError, f"{WHAT}.{name}", expected="the member", got="it is missing"):
        parse(members)


def test_another_version_is_unsupported() -> None:
    members = changed(put("schema", "cvm-audit/snp-launch-inputs/v2"))
    assert not schema_accepts(members)
    with rejects(UnsupportedError, f"{WHAT}.schema", expected=SCHEMA, got="v2"):
        parse(members)


@pytest.mark.parametrize(
    ("raw", "expected", "got"),
    [
        (b"", "JSON", "line 1"),
        (b"\xff", "UTF-8", "byte 0"),
        (b"[]", "an object", "an array"),
        (b'{"vcpus": 1, "vcpus": 2}', "each key once", "'vcpus' twice"),
        (b'{"vcpus": 2.0}', "integers only", "2.0"),
    ],
)
def test_what_is_no_document(raw: bytes, expected: str, got: str) -> None:
    with rejects(ParseError, WHAT, expected=expected, got=got):
        parse_launch_inputs(raw)


def test_a_document_has_a_limit() -> None:
    raw = encode_launch_inputs(direct_boot())
    assert parse_launch_inputs(raw.ljust(MAX_DOCUMENT_SIZE)) == direct_boot()
    expected, got = f"at most {MAX_DOCUMENT_SIZE} bytes", f"{MAX_DOCUMENT_SIZE + 1} bytes"
    with rejects(ParseError, WHAT, expected=expected, got=got):
        parse_launch_inputs(raw.ljust(MAX_DOCUMENT_SIZE + 1))


def test_the_largest_document_is_within_the_limit() -> None:
    sections = [(0x1000000 + 0x1000 * place, 0x1000, 1) for place in range(MAX_SECTIONS)]
    assert len(encode_launch_inputs(disk_boot(firmware=build_ovmf(sections=sections)))) < (
        MAX_DOCUMENT_SIZE
    )


@given(st.binary(max_size=40), st.integers(0, len(encode_launch_inputs(direct_boot()))))
def test_no_document_takes_the_parser_by_surprise(noise: bytes, place: int) -> None:
    raw = encode_launch_inputs(direct_boot())
    try:
        digest = launch_digest(parse_launch_inputs(raw[:place] + noise + raw[place + len(noise) :]))
    except AuditError as refused:
        digest = f"{refused.expected}{refused.got}".encode()
    assert digest


def test_the_contract_is_a_closed_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(CONTRACT)
    assert CONTRACT["$id"] == "urn:cvm-audit:schema:snp-launch-inputs:v1"
    assert CONTRACT["properties"]["schema"] == {"const": SCHEMA}
    assert CONTRACT["additionalProperties"] is False


def test_the_example_of_the_specification_measures_as_it_says(vectors: Path) -> None:
    example, digest = re.findall(r"^```\w*\n(.*?)^```$", SPECIFICATION, re.MULTILINE | re.DOTALL)
    inputs = parse_launch_inputs(example.encode())
    assert encode_launch_inputs(inputs) == example.encode()
    assert launch_digest(inputs).hex() == digest.strip()
    signed = vectors / "snp" / "measurement" / "dstack_milan_attestation.bin"
    assert bytes.fromhex(digest.strip()) in signed.read_bytes()

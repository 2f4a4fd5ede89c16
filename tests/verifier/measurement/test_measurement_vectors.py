"""Every public vector of an SEV-SNP launch digest, and one that a processor signed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.dstack import dstack_document, dstack_report
from verifier.measurement.sev_snp import (
    LaunchInputs,
    Vmm,
    encode_launch_inputs,
    firmware_digest,
    launch_digest,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
    parse_launch_inputs,
)

DEBIAN = re.compile(r"Debian .* sha256 ([0-9a-f]{64})")


@pytest.fixture
def folder(vectors: Path) -> Path:
    return vectors / "snp" / "measurement"


@pytest.fixture
def listed(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "vectors.json").read_text("utf-8"))
    assert len(found) == 21
    return found


def boot_file(name: str | None) -> bytes | None:
    """A vector has no kernel (null) or, upstream, an empty file for kernel and initrd."""
    assert name in (None, "")
    return None if name is None else b""


def from_binaries(vector: dict[str, Any], firmware: bytes) -> LaunchInputs:
    cmdline = vector.get("append")
    return launch_inputs_from_binaries(
        firmware=firmware,
        kernel=boot_file(vector["kernel"]),
        initrd=boot_file(vector.get("initrd")),
        cmdline=None if cmdline is None else cmdline.encode(),
        vcpus=vector["vcpus"],
        vcpu_signature=int(vector["vcpu_sig"], 16),
        guest_features=int(vector["guest_features"], 16),
        vmm=Vmm(vector["vmm"]),
    )


def assert_measures(inputs: LaunchInputs, expected: str) -> None:
    assert launch_digest(inputs).hex() == expected
    published = parse_launch_inputs(encode_launch_inputs(inputs))
    assert published == inputs
    assert launch_digest(published).hex() == expected


def test_snp_launches_of_qemu_ec2_and_gce(listed: list[dict[str, Any]], folder: Path) -> None:
    plain = [v for v in listed if v.get("firmware", "").startswith("ovmf_") and "kernel" in v]
    assert len(plain) == 14
    assert {v["vmm"] for v in plain} == {"qemu", "ec2", "gce"}
    for vector in plain:
        firmware = (folder / vector["firmware"]).read_bytes()
        assert_measures(from_binaries(vector, firmware), vector["expected"])


def test_svsm_launches(listed: list[dict[str, Any]], folder: Path) -> None:
    svsm = [v for v in listed if v.get("mode") == "svsm"]
    assert len(svsm) == 2
    for vector in svsm:
        inputs = launch_inputs_from_svsm(
            firmware=(folder / vector["firmware"]).read_bytes(),
            svsm=(folder / vector["svsm"]).read_bytes(),
            variables_size=vector["vars_size"],
            vcpus=vector["vcpus"],
            vcpu_signature=int(vector["vcpu_sig"], 16),
        )
        assert_measures(inputs, vector["expected"])


def test_firmware_digest(listed: list[dict[str, Any]], folder: Path) -> None:
    (vector,) = [v for v in listed if v.get("stage") == "snp:ovmf-hash"]
    raw = (folder / vector["firmware"]).read_bytes()
    assert firmware_digest(raw).hex() == vector["expected"]


def test_firmware_of_debian(listed: list[dict[str, Any]]) -> None:
    debian = [v for v in listed if DEBIAN.match(v.get("firmware", ""))]
    assert len(debian) == 3
    # The image is not among the vectors: it is that of one version of Debian's package ovmf.
    path = Path(os.environ.get("CVM_AUDIT_OVMF", "/usr/share/ovmf/OVMF.fd"))
    firmware = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(firmware).hexdigest()
    if not all(digest in vector["firmware"] for vector in debian):
        pytest.skip(f"{path} is not {debian[0]['firmware']}")
    for vector in debian:
        assert_measures(from_binaries(vector, firmware), vector["expected"])


def test_measurement_signed_by_a_milan_processor(
    listed: list[dict[str, Any]], vectors: Path
) -> None:
    measurement = dstack_report(vectors)[0x90:0xC0]
    (vector,) = [v for v in listed if v.get("mode") == "snp from parts"]
    assert measurement.hex() == vector["expected"]
    assert_measures(parse_launch_inputs(dstack_document(vectors)), measurement.hex())


def test_the_inputs_are_those_that_travel_with_the_report(folder: Path) -> None:
    raw = (folder / "dstack_milan_attestation.bin").read_bytes()
    travelling, _ = json.JSONDecoder().raw_decode(raw[raw.index(b'{"os_image') :].decode("latin-1"))
    inputs = json.loads((folder / "dstack_milan_inputs.json").read_text("utf-8"))
    assert json.loads(travelling["sev_snp_measurement"]) == inputs


def test_one_other_byte_of_command_line_is_another_measurement(vectors: Path, folder: Path) -> None:
    text = (folder / "dstack_milan_inputs.json").read_text("utf-8")
    cmdline = json.loads(text)["base_cmdline"].encode()
    document = json.loads(dstack_document(vectors))
    right = launch_digest(parse_launch_inputs(json.dumps(document).encode()))
    document["kernelHashes"]["cmdline"] = hashlib.sha256(cmdline + b" \0").hexdigest()
    assert launch_digest(parse_launch_inputs(json.dumps(document).encode())) != right

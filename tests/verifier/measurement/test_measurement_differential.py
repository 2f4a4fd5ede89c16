"""The same launches measured by sev-snp-measure, which shares no line with this project."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sevsnpmeasure.guest import calc_launch_digest, calc_snp_ovmf_hash
from sevsnpmeasure.sev_mode import SevMode
from sevsnpmeasure.vcpu_types import CPU_SIGS
from sevsnpmeasure.vmm_types import VMMType

from tests.ovmf_image import build_ovmf, build_svsm
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    Vmm,
    firmware_digest,
    launch_digest,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
)

THEIR_VMM = {Vmm.QEMU: VMMType.QEMU, Vmm.EC2: VMMType.ec2, Vmm.GCE: VMMType.gce}
ONE_PAGE = (2, 3, 4)


def theirs(
    *,
    firmware: bytes,
    kernel: bytes | None,
    initrd: bytes | None,
    cmdline: bytes | None,
    vcpus: int,
    vcpu_signature: int,
    guest_features: int,
    vmm: Vmm,
) -> bytes:
    """sev-snp-measure reads files; an empty name is a file that was not given."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, raw in (("firmware", firmware), ("kernel", kernel), ("initrd", initrd)):
            paths[name] = str(Path(folder) / name) if raw is not None else ""
            if raw is not None:
                Path(paths[name]).write_bytes(raw)
        digest: bytes = calc_launch_digest(
            SevMode.SEV_SNP,
            vcpus,
            vcpu_signature,
            paths["firmware"],
            paths["kernel"],
            paths["initrd"],
            (cmdline or b"").decode(),
            guest_features,
            vmm_type=THEIR_VMM[vmm],
        )
        return digest


def ours(**launch: Any) -> bytes:
    return launch_digest(launch_inputs_from_binaries(**launch))


@st.composite
def layouts(draw: st.DrawFn, *, kernel: bool) -> list[tuple[int, int, int]]:
    """Sections without overlap, in any order and of any mixture of types."""
    kinds = draw(st.lists(st.sampled_from((1, 2, 3, 4)), min_size=1, max_size=8))
    sections, gpa = [(0x810000, 0x1000, 0x10)] if kernel else [], 0x820000
    for kind in kinds:
        gpa += 0x1000 * draw(st.integers(0, 3))
        size = 0x1000 if kind in ONE_PAGE else 0x1000 * draw(st.integers(1, 5))
        sections.append((gpa, size, kind))
        gpa += size
    return draw(st.permutations(sections))


@st.composite
def launches(draw: st.DrawFn) -> dict[str, Any]:
    has_section = draw(st.booleans())
    kernel = draw(st.none() | st.binary(max_size=64)) if has_section else None
    cmdlines = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
    return {
        "firmware": build_ovmf(
            size=0x1000 * draw(st.integers(1, 6)),
            sections=draw(layouts(kernel=has_section)),
            reset_eip=draw(st.integers(1, 2**32 - 1)),
            hash_table=(0x810000 + 16 * draw(st.integers(0, 245)), 0x400),
            seed=draw(st.binary(max_size=8)),
        ),
        "kernel": kernel,
        "initrd": draw(st.none() | st.binary(max_size=64)) if kernel is not None else None,
        "cmdline": draw(st.none() | cmdlines.map(str.encode)) if kernel is not None else None,
        "vcpus": draw(st.integers(1, 9)),
        "vcpu_signature": draw(st.sampled_from(sorted(set(CPU_SIGS.values())))),
        "guest_features": draw(st.integers(0, 2**63 - 1)) * 2 + 1,
        "vmm": draw(st.sampled_from(sorted(THEIR_VMM))),
    }


@settings(deadline=None, max_examples=150)
@given(launches())
def test_any_launch_measures_as_there(launch: dict[str, Any]) -> None:
    assert ours(**launch) == theirs(**launch)


@pytest.mark.parametrize("vmm", sorted(THEIR_VMM))
@pytest.mark.parametrize("name", sorted(CPU_SIGS))
def test_every_vcpu_type_measures_as_there(name: str, vmm: Vmm) -> None:
    assert VCPU_SIGNATURES[name] == CPU_SIGS[name]
    for vcpus in (1, 2, 5):
        for features in (0x1, 0x21):
            launch: dict[str, Any] = {
                "firmware": build_ovmf(),
                "kernel": b"kernel",
                "initrd": b"",
                "cmdline": b"quiet",
                "vcpus": vcpus,
                "guest_features": features,
                "vmm": vmm,
            }
            digest = ours(**launch, vcpu_signature=VCPU_SIGNATURES[name])
            assert digest == theirs(**launch, vcpu_signature=CPU_SIGS[name])


@st.composite
def svsm_launches(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "firmware": build_ovmf(size=0x1000 * draw(st.integers(1, 4))),
        "svsm": build_svsm(
            size=0x1000 * draw(st.integers(1, 4)), launch_offset=draw(st.integers(0, 0xFFF))
        ),
        "variables_size": 0x1000 * draw(st.integers(0, 4)),
        "vcpus": draw(st.integers(1, 5)),
        "vcpu_signature": draw(st.integers(0, 2**32 - 1)),
    }


@settings(deadline=None, max_examples=25)
@given(svsm_launches())
def test_any_svsm_launch_measures_as_there(launch: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "firmware").write_bytes(launch["firmware"])
        (Path(folder) / "svsm").write_bytes(launch["svsm"])
        expected = calc_launch_digest(
            SevMode.SEV_SNP_SVSM,
            launch["vcpus"],
            launch["vcpu_signature"],
            str(Path(folder) / "firmware"),
            "",
            "",
            "",
            1,
            svsm_file=str(Path(folder) / "svsm"),
            ovmf_vars_size=launch["variables_size"],
        )
    assert launch_digest(launch_inputs_from_svsm(**launch)) == expected


def test_the_firmware_digest_is_their_ovmf_hash(tmp_path: Path) -> None:
    image = build_ovmf(size=0x5000)
    (tmp_path / "firmware").write_bytes(image)
    assert firmware_digest(image) == calc_snp_ovmf_hash(str(tmp_path / "firmware"))

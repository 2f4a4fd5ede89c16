"""The image of this tree, predicted by us and by sev-snp-measure, over its whole matrix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from sevsnpmeasure.guest import calc_launch_digest, calc_snp_ovmf_hash
from sevsnpmeasure.sev_mode import SevMode
from sevsnpmeasure.vcpu_types import CPU_SIGS

from tests.deployment import LoggedImage
from tests.running import cvm_audit
from tests.verifier.measurement.test_measurement_differential import THEIR_VMM

pytestmark = pytest.mark.slow
VCPUS = (1, 2, 3, 4, 8, 16, 64)
FEATURES = ("0x1", "0x21")
VMMS = sorted(THEIR_VMM)


def write_matrix(image: LoggedImage, folder: Path, *lists: object) -> list[Mapping[str, object]]:
    """The rows as a publisher has them written."""
    out, artifacts = folder / "measurements.json", image.folder / "artifacts"
    ran = cvm_audit(
        *("measure", "matrix", "--firmware", artifacts / "firmware.fd"),
        *("--kernel", artifacts / "kernel.bin", "--initrd", artifacts / "initrd.bin"),
        *("--cmdline", (artifacts / "command-line.txt").read_text("ascii")),
        *(*lists, "-o", out),
    )
    assert ran.code == 0, ran.err
    rows: list[Mapping[str, object]] = json.loads(out.read_bytes())["measurements"]
    return rows


def test_every_row_is_what_sev_snp_measure_computes(
    reference_image: LoggedImage, tmp_path: Path
) -> None:
    lists = {
        "--vcpus": ",".join(map(str, VCPUS)),
        "--types": ",".join(sorted(CPU_SIGS)),
        "--guest-features": ",".join(FEATURES),
        "--vmms": ",".join(VMMS),
    }
    rows = write_matrix(
        reference_image, tmp_path, *(word for pair in lists.items() for word in pair)
    )
    signatures = len(set(CPU_SIGS.values()))
    # QEMU starts vCPUs with the signature of their type, the others with none.
    assert len(rows) == len(VCPUS) * len(FEATURES) * (signatures + len(VMMS) - 1)
    assert len({row["value"] for row in rows}) == len(rows)
    artifacts = reference_image.folder / "artifacts"
    firmware = str(artifacts / "firmware.fd")
    firmware_hash = calc_snp_ovmf_hash(firmware).hex()
    differing = [
        row
        for row in rows
        if row["value"]
        != calc_launch_digest(
            SevMode.SEV_SNP,
            row["vcpus"],
            int(str(row["vcpuSignature"]), 16),
            firmware,
            str(artifacts / "kernel.bin"),
            str(artifacts / "initrd.bin"),
            (artifacts / "command-line.txt").read_text("ascii"),
            int(str(row["guestFeatures"]), 16),
            firmware_hash,
            vmm_type={str(ours): name for ours, name in THEIR_VMM.items()}[str(row["vmm"])],
        ).hex()
    ]
    assert differing == []


def test_what_is_logged_is_a_part_of_it(reference_image: LoggedImage, tmp_path: Path) -> None:
    rows = write_matrix(
        reference_image,
        tmp_path,
        *("--vcpus", "1,2,4", "--types", "EPYC-Milan,EPYC-Genoa"),
    )
    logged = reference_image.statement["predicate"]["measurements"]
    assert logged == rows

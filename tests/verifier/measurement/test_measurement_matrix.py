from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.making import entry, statement
from tests.ovmf_image import build_ovmf, build_svsm
from tests.verifier.measurement.launches import direct_boot
from verifier.measurement.matrix import MAX_ROWS, encode_matrix, measurement_matrix
from verifier.measurement.sev_snp import Vmm, launch_digest, launch_inputs_from_svsm
from verifier.release.cvm_release import MeasurementRow, parse_cvm_release, read_measurements
from verifier.release.entry import parse_entry
from verifier.release.statement import parse_statement
from verifier.tlog.json_object import JsonObject

ALL: dict[str, Any] = {
    "vmms": (Vmm.QEMU, Vmm.EC2, Vmm.GCE),
    "vcpus": (4, 1, 2, 2),
    "signatures": (0x800F12, 0xA00F11),
    "features": (0x21, 0x1),
}


def rows(**changes: Any) -> tuple[MeasurementRow, ...]:
    return measurement_matrix(direct_boot(), **(ALL | changes))


def test_every_combination_has_the_digest_of_its_launch() -> None:
    found = rows()
    # QEMU measures the vCPU type, the clouds do not.
    assert len(found) == 3 * 2 * (2 + 1 + 1)
    for row in found:
        launch = replace(
            direct_boot(),
            vmm=Vmm(row.vmm),
            vcpus=row.vcpus,
            vcpu_signature=row.vcpu_signature,
            guest_features=row.guest_features,
        )
        assert (row.platform, row.value) == ("sev-snp", launch_digest(launch))
    assert [row.vcpus for row in found[:3]] == [1, 2, 4]
    assert {row.vcpu_signature for row in found if row.vmm != "qemu"} == {0}


def test_the_document_is_what_a_release_states() -> None:
    found = rows()
    document = json.loads(encode_matrix(found))
    assert list(document) == ["measurements"]
    assert read_measurements(JsonObject(document, what="matrix"), minimum=1) == found
    released = entry(statement(**document))
    parsed = parse_cvm_release(parse_statement(parse_entry(released).envelope.payload))
    assert parsed.measurements == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vcpus": ()}, "0 rows, not 1 to 1024"),
        ({"vmms": ()}, "0 rows, not 1 to 1024"),
        ({"vcpus": tuple(range(1, MAX_ROWS + 2)), "vmms": (Vmm.GCE,)}, "2050 rows"),
        ({"vcpus": (0, 1)}, "vCPUs outside 1 to 4096"),
        ({"vcpus": (4097,)}, "vCPUs outside 1 to 4096"),
        ({"features": (0x20,)}, "SEV_FEATURES 0x20 without SNPActive"),
        ({"signatures": (2**32,)}, "not 32 bits"),
        ({"vmms": (Vmm.QEMU_SVSM,)}, "no measurement of an SVSM"),
    ],
)
def test_a_wrong_matrix_is_an_error_of_the_caller(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rows(**changes)


def test_an_svsm_launch_has_no_matrix() -> None:
    svsm = launch_inputs_from_svsm(
        firmware=build_ovmf(), svsm=build_svsm(), variables_size=0, vcpus=1, vcpu_signature=0
    )
    with pytest.raises(ValueError, match="no measurement of an SVSM"):
        measurement_matrix(svsm, **ALL)


def test_as_many_rows_as_a_release_holds() -> None:
    found = rows(vcpus=tuple(range(1, 513)), vmms=(Vmm.EC2,))
    assert len(found) == MAX_ROWS
    read_measurements(JsonObject(json.loads(encode_matrix(found)), what="matrix"), minimum=1)

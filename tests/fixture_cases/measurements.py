"""Launches, and measurements that are claimed for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fixture_cases.case import MeasurementCase
from tests.ovmf_image import SECTIONS, build_image, build_ovmf
from verifier.conformance.fixture import Ruling
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    Vmm,
    launch_digest,
    launch_inputs_from_binaries,
)

__all__ = ["measurements"]

_SPEC = ("SNP ABI, SNP_LAUNCH_UPDATE",)
_BOOT = {"kernel": b"a kernel", "initrd": b"an initrd"}
_CMDLINE = "console=ttyS0 panic=-1"


def measurements() -> Iterator[MeasurementCase]:
    """The cases."""
    direct = _case("direct-boot", "QEMU loads kernel, initrd and command line", **_direct())
    yield _case("disk-boot", "QEMU starts the firmware alone")
    yield direct
    yield _case("empty-initrd", "A kernel without initrd", **(_direct() | {"initrd": None}))
    yield _case("ec2", "Four vCPUs as EC2 starts them", vmm=Vmm.EC2, vcpus=4)
    yield _case("gce", "Two vCPUs as GCE starts them", vmm=Vmm.GCE)
    yield _case("debug-swap", "SEV_FEATURES with debug swap", features=0x21)
    yield from _claims()
    yield from _broken()


def _direct() -> dict[str, Any]:
    return {**_BOOT, "cmdline": _CMDLINE}


def _case(
    slug: str,
    title: str,
    *,
    claimed: bytes | None = None,
    ruling: Ruling = Ruling.ACCEPTED,
    attacks: tuple[str, ...] = (),
    firmware: bytes | None = None,
    **launch: Any,
) -> MeasurementCase:
    given: dict[str, Any] = {
        "vmm": Vmm.QEMU,
        "vcpus": 2,
        "features": 0x1,
        "signature": VCPU_SIGNATURES["EPYC-v4"],
        "cmdline": None,
        "kernel": None,
        "initrd": None,
    } | launch
    image = firmware or build_ovmf()
    parts = {"firmware": image, "kernel": given["kernel"], "initrd": given["initrd"]}
    members = {
        "vmm": str(given["vmm"]),
        "vcpus": given["vcpus"],
        "vcpuSignature": f"{given['signature']:#x}",
        "guestFeatures": f"{given['features']:#x}",
        **({} if given["cmdline"] is None else {"cmdline": given["cmdline"]}),
        "measurement": (claimed or _digest(image, given)).hex(),
    }
    return MeasurementCase(
        slug=slug,
        title=title,
        spec=_SPEC,
        attacks=attacks,
        launch=members,
        inputs={name: raw for name, raw in parts.items() if raw is not None},
        ruling=ruling,
    )


def _digest(image: bytes, given: dict[str, Any]) -> bytes:
    cmdline = given["cmdline"]
    return launch_digest(
        launch_inputs_from_binaries(
            firmware=image,
            kernel=given["kernel"],
            initrd=given["initrd"],
            cmdline=None if cmdline is None else cmdline.encode(),
            vcpus=given["vcpus"],
            vcpu_signature=given["signature"],
            guest_features=given["features"],
            vmm=given["vmm"],
        )
    )


def _claims() -> Iterator[MeasurementCase]:
    good = bytes.fromhex(_case("x", "x", **_direct()).launch["measurement"])
    rows: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "another-cmdline",
            "The command line was changed",
            "ATK-022",
            {"cmdline": f"{_CMDLINE} init=/bin/sh"},
        ),
        ("another-initrd", "The initrd was changed", "ATK-023", {"initrd": b"another initrd"}),
        ("more-vcpus", "A vCPU was added", "ATK-024", {"vcpus": 3}),
        (
            "another-vcpu",
            "Another type of vCPU",
            "ATK-024",
            {"signature": VCPU_SIGNATURES["EPYC-Genoa"]},
        ),
        (
            "another-firmware",
            "The firmware was changed",
            "ATK-023",
            {"firmware": build_ovmf(seed=b"other")},
        ),
    )
    for slug, title, attack, changed in rows:
        yield _case(
            slug,
            title,
            claimed=good,
            ruling=Ruling.REJECTED,
            attacks=(attack,),
            **(_direct() | changed),
        )


def _broken() -> Iterator[MeasurementCase]:
    yield _case(
        "no-metadata",
        "The firmware has no metadata of SEV",
        claimed=bytes(48),
        ruling=Ruling.MALFORMED,
        firmware=build_image(size=0x2000, entries=[], metadata=None, seed=b"x"),
    )
    yield _case(
        "no-kernel-page",
        "A kernel is given, and the firmware has no page for its hashes",
        claimed=bytes(48),
        ruling=Ruling.MALFORMED,
        attacks=("ATK-023",),
        firmware=build_ovmf(sections=SECTIONS),
        **_direct(),
    )

"""Where the inputs of the guest image are for the tests, and whether they may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.running import ROOT

__all__ = ["image_is_left_out", "image_is_owed", "input_store"]


def input_store(environment: Mapping[str, str]) -> Path:
    """What ``CVM_AUDIT_IMAGE_STORE`` names, else where ``make inputs`` puts them."""
    return Path(environment.get("CVM_AUDIT_IMAGE_STORE") or ROOT / ".inputs").absolute()


def image_is_left_out(environment: Mapping[str, str]) -> bool:
    """Whether nobody wants the image built or booted."""
    return environment.get("CVM_AUDIT_NO_IMAGE") == "1"


def image_is_owed(environment: Mapping[str, str]) -> bool:
    """Whether the absence of the inputs, of QEMU or of bubblewrap is a failure."""
    return bool(environment.get("CI")) and not image_is_left_out(environment)

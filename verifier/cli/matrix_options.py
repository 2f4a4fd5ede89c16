"""The options that name the rows of a measurement matrix, and the rows that they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from verifier.cli.measuring import check_features
from verifier.errors import ParseError
from verifier.measurement.sev_snp import (
    MAX_VCPUS,
    VCPU_SIGNATURES,
    LaunchInputs,
    Vmm,
    measurement_matrix,
)
from verifier.release.cvm_release import MeasurementRow
from verifier.tlog.strict import excerpt, parse_decimal, parse_hex_integer

__all__ = ["MatrixLists", "matrix_options"]

_VMMS = {str(vmm): vmm for vmm in Vmm if vmm is not Vmm.QEMU_SVSM}
_Command = TypeVar("_Command", bound=Callable[..., Any])
_T = TypeVar("_T")

_OPTIONS = (
    click.option("--vcpus", required=True, metavar="N,…", help="Numbers of vCPUs."),
    click.option("--types", metavar="TYPE,…", default="", help="QEMU vCPU types."),
    click.option(
        "--guest-features", metavar="HEX,…", default="0x1", help="SEV_FEATURES, 0x1 if not given."
    ),
    click.option("--vmms", metavar="VMM,…", default="qemu", help="VMMs, qemu if not given."),
)


def matrix_options(command: _Command) -> _Command:
    """Add the lists, which ``MatrixLists`` takes out of the options again."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixLists:
    """Every launch of the matrix is one of each."""

    vcpus: tuple[int, ...]
    signatures: tuple[int, ...]
    features: tuple[int, ...]
    vmms: tuple[Vmm, ...]

    @classmethod
    def taken(cls, options: dict[str, Any]) -> MatrixLists:
        """Read and remove the options that ``matrix_options`` added. Raises UsageError."""
        vmms = _list(options.pop("vmms"), "--vmms", _named(_VMMS))
        types = options.pop("types")
        lists = cls(
            vcpus=_list(options.pop("vcpus"), "--vcpus", _count),
            signatures=_list(types, "--types", _named(VCPU_SIGNATURES)) if types else (),
            features=_list(options.pop("guest_features"), "--guest-features", _features),
            vmms=vmms,
        )
        if (Vmm.QEMU in vmms) != bool(lists.signatures):
            raise click.UsageError("--types goes with the VMM qemu, which alone measures it")
        for features in lists.features:
            check_features(features)
        return lists

    def rows(self, inputs: LaunchInputs) -> tuple[MeasurementRow, ...]:
        """The rows for the firmware and kernel of ``inputs``. Raises UsageError for too many."""
        try:
            return measurement_matrix(
                inputs,
                vmms=self.vmms,
                vcpus=self.vcpus,
                signatures=self.signatures,
                features=self.features,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def _list(text: str, flag: str, read: Callable[[str], _T]) -> tuple[_T, ...]:
    try:
        return tuple(read(part) for part in text.split(","))
    except ParseError as error:
        raise click.UsageError(f"{flag}: {error.got} (expected {error.expected})") from None


def _count(text: str) -> int:
    count = parse_decimal(text, what="", maximum=MAX_VCPUS)
    if not count:
        raise ParseError("", expected=f"1 to {MAX_VCPUS}", got=text)
    return count


def _features(text: str) -> int:
    return parse_hex_integer(text, what="")


def _named(values: Mapping[str, _T]) -> Callable[[str], _T]:
    def read(name: str) -> _T:
        if name not in values:
            raise ParseError("", expected=" or ".join(values), got=excerpt(name))
        return values[name]

    return read

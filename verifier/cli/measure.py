"""``cvm-audit measure``: predict what a guest's launch measurement must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.cli.files import write_file
from verifier.cli.measuring import Asked, boot_options, check_features, launch_options
from verifier.errors import ParseError, VerificationError
from verifier.measurement.sev_snp import (
    DIGEST_SIZE,
    MAX_VCPUS,
    VCPU_SIGNATURES,
    LaunchInputs,
    Vmm,
    encode_launch_inputs,
    encode_matrix,
    launch_digest,
    measurement_matrix,
    search_launches,
)
from verifier.release.cvm_release import MeasurementRow
from verifier.tlog.strict import excerpt, parse_decimal, parse_hex, parse_hex_integer

__all__ = ["measure"]

_NEW = click.Path(path_type=Path)
_VMMS = {str(vmm): vmm for vmm in Vmm if vmm is not Vmm.QEMU_SVSM}
_T = TypeVar("_T")


def _digest(context: click.Context, parameter: click.Parameter, value: str | None) -> bytes | None:
    try:
        return None if value is None else parse_hex(value, what="", size=DIGEST_SIZE)
    except ParseError as error:
        message = f"{error.got} (expected {error.expected})"
        raise click.BadParameter(message, context, parameter) from None


@click.group()
def measure() -> None:
    """Predict what a guest's launch measurement must be."""


@measure.command("sev-snp")
@launch_options
@click.option("--write-launch-inputs", type=_NEW, help="New file for these launch inputs.")
@click.option(
    "--expect",
    metavar="HEX",
    callback=_digest,
    help="MEASUREMENT that a report shows. If it differs, say which launch would have it.",
)
@click.option("--trace", is_flag=True, help="Print every page: type, GPA, contents, digest after.")
def sev_snp(*, expect: bytes | None, trace: bool, **options: Any) -> None:
    """Print the launch digest (MEASUREMENT) of an SEV-SNP guest in hex, and nothing else.

    Exit 1 if it is not what --expect says.
    """
    asked = Asked(**options)
    inputs = asked.read()
    digest = launch_digest(inputs)
    if asked.write_launch_inputs is not None:
        write_file(asked.write_launch_inputs, encode_launch_inputs(inputs))
    if trace:
        for page in asked.trace(inputs):
            click.echo(page)
    click.echo(digest.hex())
    if expect is not None and expect != digest:
        raise VerificationError(
            "launch digest",
            expected=expect.hex(),
            got=digest.hex(),
            hint=_explain(inputs, expect),
        )


def _explain(inputs: LaunchInputs, expected: bytes) -> str:
    search = search_launches(inputs, measurement=expected)
    if search.hits:
        return "a launch has it that differs so: " + "; or so: ".join(map(str, search.hits))
    return (
        f"none of {search.tried} launches nearby gives the expected one ({search.scope}): "
        "firmware, kernel, initrd or command line are others"
    )


@measure.command()
@boot_options
@click.option("--vcpus", required=True, metavar="N,…", help="Numbers of vCPUs.")
@click.option("--types", metavar="TYPE,…", default="", help="QEMU vCPU types.")
@click.option(
    "--guest-features", metavar="HEX,…", default="0x1", help="SEV_FEATURES, 0x1 if not given."
)
@click.option("--vmms", metavar="VMM,…", default="qemu", help="VMMs, qemu if not given.")
@click.option("-o", "--output", required=True, type=_NEW, help="New file for the matrix.")
def matrix(output: Path, **options: Any) -> None:
    """Write the measurements of every combination of the lists, as a release states them.

    The file holds the member `measurements` of a cvm-release predicate.
    """
    wanted = _Matrix.of(options)
    rows = wanted.rows()
    write_file(output, encode_matrix(rows))
    click.echo(f"{output}: {len(rows)} measurements", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    """The lists of ``measure matrix``, read, and the other options as they were given."""

    vcpus: tuple[int, ...]
    signatures: tuple[int, ...]
    features: tuple[int, ...]
    vmms: tuple[Vmm, ...]
    boot: dict[str, Any]

    @classmethod
    def of(cls, options: dict[str, Any]) -> _Matrix:
        vmms = _list(options.pop("vmms"), "--vmms", _named(_VMMS))
        types = options.pop("types")
        wanted = cls(
            vcpus=_list(options.pop("vcpus"), "--vcpus", _count),
            signatures=_list(types, "--types", _named(VCPU_SIGNATURES)) if types else (),
            features=_list(options.pop("guest_features"), "--guest-features", _features),
            vmms=vmms,
            boot=options,
        )
        if (Vmm.QEMU in vmms) != bool(wanted.signatures):
            raise click.UsageError("--types goes with the VMM qemu, which alone measures it")
        for features in wanted.features:
            check_features(features)
        return wanted

    def rows(self) -> tuple[MeasurementRow, ...]:
        inputs = self._read()
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

    def _read(self) -> LaunchInputs:
        # Firmware, sections and kernel are all that is taken of these inputs.
        launch: dict[str, Any] = dict.fromkeys(field.name for field in fields(Asked))
        if self.boot["firmware"] is not None:
            launch |= {"vcpus": 1, "vcpu_sig": 0}
        return Asked(**(launch | self.boot)).read()


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

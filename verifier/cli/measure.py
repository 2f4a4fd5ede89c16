"""``cvm-audit measure``: predict what a guest's launch measurement must be."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from verifier.cli.files import write_file
from verifier.cli.matrix_options import MatrixLists, matrix_options
from verifier.cli.measuring import Asked, boot_options, launch_options
from verifier.errors import ParseError, VerificationError
from verifier.measurement.sev_snp import (
    DIGEST_SIZE,
    LaunchInputs,
    encode_launch_inputs,
    encode_matrix,
    launch_digest,
    search_launches,
)
from verifier.tlog.strict import parse_hex

__all__ = ["measure"]

_NEW = click.Path(path_type=Path)


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
@matrix_options
@click.option("-o", "--output", required=True, type=_NEW, help="New file for the matrix.")
def matrix(output: Path, **options: Any) -> None:
    """Write the measurements of every combination of the lists, as a release states them.

    The file holds the member `measurements` of a cvm-release predicate.
    """
    lists = MatrixLists.taken(options)
    rows = lists.rows(_read(options))
    write_file(output, encode_matrix(rows))
    click.echo(f"{output}: {len(rows)} measurements", err=True)


def _read(boot: dict[str, Any]) -> LaunchInputs:
    # Firmware, sections and kernel are all that is taken of these inputs.
    launch: dict[str, Any] = dict.fromkeys(field.name for field in fields(Asked))
    if boot["firmware"] is not None:
        launch |= {"vcpus": 1, "vcpu_sig": 0}
    return Asked(**(launch | boot)).read()

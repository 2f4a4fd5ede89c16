"""``cvm-audit drive``: boot a logged release here, judge its evidence, and ask it something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.appraisal.policy import parse_policy
from verifier.cli.files import read_file, write_directory, write_file
from verifier.cli.judging import (
    Judging,
    judging_options,
    load_roots,
    load_trusted_root,
    policy_bytes,
)
from verifier.drive.artifacts import read_artifacts
from verifier.drive.qemu import Shape
from verifier.errors import PolicyError, VerificationError
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.measurement.sev_snp import VCPU_SIGNATURES
from verifier.report.text import one_line

if TYPE_CHECKING:  # loads TLS, which is an extra
    from verifier.drive.direct import Driven, Plan

__all__ = ["drive"]

_EXTRA = ("OpenSSL", "h11")
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--release", required=True, type=_FOLDER, help="As `release fetch` writes it.")
@click.option("--artifacts", required=True, type=_FOLDER, help="The files that it names, to boot.")
@click.option("--policy", required=True, metavar="FILE|NAME", help="The auditor's own policy.")
@click.option("--platform", required=True, type=_FOLDER, help="A simulated platform (init).")
@click.option("--direct", is_flag=True, help="Straight to the CVM: no relay, no gateway.")
@click.option("--tamper", is_flag=True, help="Boot changed bytes too; all must be refused.")
@click.option("--process", is_flag=True, help="No machine: the image's program in a sandbox.")
@click.option("--bundle", type=click.Path(path_type=Path), help="New folder or NAME.tar for it.")
@click.option("--vcpus", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--vcpu-type", default="EPYC-Milan", show_default=True, help="QEMU vCPU type.")
@click.option("--memory", type=click.IntRange(128, 65_536), default=512, show_default=True)
@click.option(
    "--seconds", type=click.IntRange(5, 600), default=90, show_default=True, help="For the boot."
)
@judging_options
def drive(*, direct: bool, tamper: bool, bundle: Path | None, **options: Any) -> None:
    """Boot a logged release on this machine and judge what answers.

    Needs QEMU. The firmware holds the boot to the hashes of the release in emulation too; the
    secure processor is simulated, so the policy must say `platform = "simulated"`.
    """
    if not direct:
        message = "--direct is the only way so far: there is no relay and no gateway to go through"
        raise click.UsageError(message)
    if tamper and options["process"]:
        message = "--tamper needs a firmware that could refuse, and --process has none"
        raise click.UsageError(message)
    judging = Judging.of(options)
    _require_extra()
    from verifier.drive.direct import drive_direct  # noqa: PLC0415 - as above

    driven = drive_direct(_plan(judging, options), tamper=tamper, say=_say)
    if bundle is not None:
        _write(bundle, driven.bundle)
    for line in _lines(driven):
        click.echo(one_line(line))
    broken = next((each for each in driven.shown if not each.holds), None)
    if broken is not None:
        raise VerificationError(broken.check, expected=broken.expected, got=broken.got)
    command = ("verify", str(bundle or "BUNDLE"), "--policy", options["policy"])
    judging.conclude(driven.verdict, command=command)


def _require_extra() -> None:
    missing = next((name for name in _EXTRA if find_spec(name) is None), None)
    if missing is not None:
        expected = "the extra: pip install 'cvm-audit[node]'"
        raise PolicyError(missing, expected=expected, got="it is not installed")


def _plan(judging: Judging, options: Mapping[str, Any]) -> Plan:
    from verifier.drive.direct import Plan  # noqa: PLC0415 - as above

    text = policy_bytes(options["policy"])
    policy = parse_policy(text)
    release: Path = options["release"]
    if options["vcpu_type"] not in VCPU_SIGNATURES:
        message = f"--vcpu-type is one of {', '.join(VCPU_SIGNATURES)}"
        raise click.UsageError(message)
    return Plan(
        artifacts=read_artifacts(options["artifacts"]),
        entry=read_file(release / "entry.json"),
        proof=read_file(release / "entry.tlog-proof"),
        shape=Shape(
            vcpus=options["vcpus"], vcpu_type=options["vcpu_type"], memory=options["memory"]
        ),
        platform=options["platform"],
        policy=policy,
        policy_text=text,
        roots=load_roots(judging.trust_root),
        trusted_root=load_trusted_root(judging.trust_root, policy),
        now=judging.instant,
        seconds=options["seconds"],
        process=options["process"],
    )


def _lines(driven: Driven) -> Iterator[str]:
    yield f"level: {driven.level}, by {driven.accelerator}"
    answer = driven.answer_seconds
    until = "" if answer is None else f", {answer:.1f} s until the challenge was answered"
    yield f"boot: {driven.boot_seconds:.1f} s{until}"
    for each in driven.shown:
        word = "pass" if each.holds else "fail"
        yield f"{word}  {each.check}: {each.got} (expected {each.expected})"


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    _say(f"{output}: {len(files) - 1} members")


def _say(text: str) -> None:
    click.echo(f"cvm-audit: {one_line(text)}", err=True)

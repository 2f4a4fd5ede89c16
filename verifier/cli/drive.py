"""``cvm-audit drive``: boot a logged release here, judge its evidence, and ask it something."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
from verifier.drive.plan import Plan
from verifier.drive.qemu import Shape
from verifier.errors import PolicyError
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.measurement.sev_snp import VCPU_SIGNATURES
from verifier.report.text import one_line

__all__ = ["drive"]

_EXTRA = ("OpenSSL", "h11")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--release", required=True, type=_FOLDER, help="As `release fetch` writes it.")
@click.option("--artifacts", required=True, type=_FOLDER, help="The files that it names, to boot.")
@click.option("--policy", required=True, metavar="FILE|NAME", help="The auditor's own policy.")
@click.option("--platform", required=True, type=_FOLDER, help="A simulated platform (init).")
@click.option("--direct", is_flag=True, help="Straight to the CVM: no relay, no gateway.")
@click.option(
    "--tamper/--no-tamper",
    default=True,
    show_default=True,
    help="Boot what must be refused, too; without, the verdict is at best PARTIAL.",
)
@click.option("--process", is_flag=True, help="No machine: the program in a sandbox (PARTIAL).")
@click.option("--crl", type=_FILE, help="CRL of the vendor (DER), for policies that ask for one.")
@click.option("--bundle", type=click.Path(path_type=Path), help="New folder or NAME.tar for it.")
@click.option("--vcpus", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--vcpu-type", default="EPYC-Milan", show_default=True, help="QEMU vCPU type.")
@click.option("--memory", type=click.IntRange(128, 65_536), default=512, show_default=True)
@click.option(
    "--seconds", type=click.IntRange(5, 600), default=90, show_default=True, help="For the boot."
)
@judging_options
def drive(*, direct: bool, bundle: Path | None, **options: Any) -> None:
    """Boot a logged release on this machine and judge what answers.

    Needs QEMU. The firmware holds the boot to the hashes of the release in emulation too; the
    secure processor is simulated, so the policy must say `platform = "simulated"`. The verdict
    names the level that was reached.
    """
    if not direct:
        message = "--direct is the only way so far: there is no relay and no gateway to go through"
        raise click.UsageError(message)
    if bundle is not None and bundle.exists():
        raise click.UsageError(f"--bundle {bundle}: it exists already")
    judging = Judging.of(options)
    if judging.nonce is not None:
        raise click.UsageError("--nonce: a drive sends a new one of its own")
    _require_extra()
    from verifier.drive.direct import drive_direct  # noqa: PLC0415 - loads TLS, an extra

    driven = drive_direct(_plan(judging, options), say=_say)
    if bundle is not None:
        _write(bundle, driven.bundle)
    judging.conclude(driven.verdict, command=_again(options, bundle if driven.bundle else None))


def _again(options: Mapping[str, Any], bundle: Path | None) -> tuple[str, ...]:
    """How to judge again: the evidence that is kept, or else the whole drive."""
    if bundle is not None:
        return ("verify", str(bundle), "--policy", options["policy"])
    files = ("release", "artifacts", "policy", "platform", "crl")
    numbers = ("vcpus", "vcpu_type", "memory", "seconds")
    given = [
        word
        for name in (*files, *numbers)
        if options[name] is not None
        for word in (f"--{name.replace('_', '-')}", str(options[name]))
    ]
    given += ["--process"] if options["process"] else []
    given += [] if options["tamper"] else ["--no-tamper"]
    return ("drive", "--direct", *given)


def _require_extra() -> None:
    missing = next((name for name in _EXTRA if find_spec(name) is None), None)
    if missing is not None:
        expected = "the extra: pip install 'cvm-audit[node]'"
        raise PolicyError(missing, expected=expected, got="it is not installed")


def _plan(judging: Judging, options: Mapping[str, Any]) -> Plan:
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
        crl=None if options["crl"] is None else read_file(options["crl"]),
        roots=load_roots(judging.trust_root),
        trusted_root=load_trusted_root(judging.trust_root, policy),
        now=judging.instant,
        seconds=options["seconds"],
        process=options["process"],
        tamper=options["tamper"],
    )


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    if not files:
        _say(f"{output} is not written: no evidence came")
        return
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    _say(f"{output}: {len(files) - 1} members")


def _say(text: str) -> None:
    click.echo(f"cvm-audit: {one_line(text)}", err=True)

"""``cvm-audit evidence``: look at evidence, judge it alone, or collect it into a bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise import appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.cli.files import read_bundle, read_file, write_directory, write_file
from verifier.cli.inspecting import describe
from verifier.cli.judging import (
    Judging,
    instant_option,
    judging_options,
    load_policy,
    load_roots,
    nonce_option,
)
from verifier.errors import PolicyError
from verifier.evidence.bundle import MANIFEST, encode_manifest, open_bundle, parse_bundle
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.report.text import one_line

__all__ = ["evidence"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def evidence() -> None:
    """Look at, judge or collect attestation evidence."""


@evidence.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def inspect(file: Path) -> None:
    """Print what FILE says. Nothing of it is verified.

    FILE is an SNP report, a VEK certificate (DER), a log entry, a .tlog-proof or a bundle.
    """
    content = read_bundle(file)
    lines = [one_line(line) for line in describe(content)]
    click.echo("nothing here is verified: this is what the file says of itself")
    click.echo("\n".join(lines))


@evidence.command()
@click.option("--report", required=True, type=_FILE, help="SNP report, 1184 bytes.")
@click.option("--vek", required=True, type=_FILE, help="VCEK or VLEK certificate, DER.")
@click.option(
    "--ca",
    "authorities",
    multiple=True,
    type=_FILE,
    help="CA certificate that came along, DER. Only compared with the pinned one; never trusted.",
)
@click.option("--policy", type=_FILE, help="Without one, only authenticity is judged (PARTIAL).")
@judging_options
def verify(
    report: Path, vek: Path, authorities: tuple[Path, ...], policy: Path | None, **options: Any
) -> None:
    """Judge one SEV-SNP report with its certificate."""
    judging = Judging.of(options)
    rules = load_policy(policy) if policy is not None else None
    if rules is not None and rules.sev_snp is None:
        expected = "evidence, which is what is judged here"
        raise PolicyError("policy.require", expected=expected, got=", ".join(rules.require))
    verdict = appraise_report(
        SnpEvidence(
            read_file(report), read_file(vek), tuple(read_file(path) for path in authorities)
        ),
        policy=rules,
        roots=load_roots(judging.trust_root),
        now=judging.instant,
        nonce=judging.nonce,
    )
    command = ["evidence", "verify", "--report", str(report), "--vek", str(vek)]
    for path in authorities:
        command += ["--ca", str(path)]
    if policy is not None:
        command += ["--policy", str(policy)]
    judging.conclude(verdict, command=tuple(command))


@evidence.command()
@click.option("--report", required=True, type=_FILE, help="SNP report, as received.")
@click.option("--vek", type=_FILE, help="VCEK or VLEK certificate, DER.")
@click.option("--ca", "authorities", multiple=True, type=_FILE, help="CA certificate, DER.")
@click.option("--entry", type=_FILE, help="The logged release, as the log serves it.")
@click.option("--proof", type=_FILE, help="Its .tlog-proof.")
@click.option("--policy", type=_FILE, help="The policy at the time, for the record only.")
@nonce_option
@instant_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder, or NAME.tar.",
)
def capture(output: Path, nonce: bytes | None, instant: datetime, **given: Any) -> None:
    """Collect evidence into a bundle: one folder that anyone can judge again, offline."""
    contents = _contents(given, nonce)
    manifest = encode_manifest(contents, captured=instant.astimezone(UTC))
    files = {MANIFEST: manifest} | {path: data for path, (_, data) in contents.items()}
    open_bundle(parse_bundle(files))  # what we write is what we would accept
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    click.echo(f"{output}: {len(contents)} members", err=True)


def _contents(given: dict[str, Any], nonce: bytes | None) -> dict[str, tuple[str, bytes]]:
    places = (
        ("report", "evidence/report.bin", "snp-report"),
        ("vek", "evidence/vek.der", "snp-vek"),
        ("entry", "release/entry.json", "release-entry"),
        ("proof", "release/entry.tlog-proof", "release-proof"),
        ("policy", "policy.toml", "policy"),
    )
    contents = {
        place: (role, read_file(given[name]))
        for name, place, role in places
        if given[name] is not None
    }
    for number, path in enumerate(given["authorities"]):
        contents[f"evidence/ca-{number}.der"] = ("snp-ca", read_file(path))
    if nonce is not None:
        contents["evidence/nonce.bin"] = ("nonce", nonce)
    return contents

"""``cvm-audit evidence``: look at evidence, judge it alone, or collect it into a bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise import appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.cli.collecting import Collected, collected_options, fetching_options, with_fetched
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
from verifier.cli.reverifying import reverify
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

    FILE is an SNP report, with or without the certificate table that came along, such a table, a
    VEK certificate or a CRL (DER), a log entry, a .tlog-proof or a bundle.
    """
    content = read_bundle(file)
    lines = [one_line(line) for line in describe(content)]
    click.echo("nothing here is verified: this is what the file says of itself")
    click.echo("\n".join(lines))


@evidence.command()
@collected_options
@click.option(
    "--policy", metavar="FILE|NAME", help="Without one, only authenticity is judged (PARTIAL)."
)
@judging_options
def verify(policy: str | None, **options: Any) -> None:
    """Judge one SEV-SNP report with its certificate and CRL."""
    judging = Judging.of(options)
    collected = Collected.of(options)
    rules = load_policy(policy) if policy is not None else None
    if rules is not None and rules.sev_snp is None:
        expected = "evidence, which is what is judged here"
        raise PolicyError("policy.require", expected=expected, got=", ".join(rules.require))
    verdict = appraise_report(
        SnpEvidence(
            report=collected.report if collected.hcl is None else None,
            hcl=collected.hcl,
            vek=collected.vek,
            offered_ca=collected.authorities,
            crl=collected.crl,
        ),
        policy=rules,
        roots=load_roots(judging.trust_root),
        now=judging.instant,
        nonce=judging.nonce,
    )
    named = ("--policy", policy) if policy is not None else ()
    judging.conclude(verdict, command=("evidence", "verify", *collected.arguments, *named))


@evidence.command()
@collected_options
@fetching_options
@click.option("--entry", type=_FILE, help="The logged release, as the log serves it.")
@click.option("--proof", type=_FILE, help="Its .tlog-proof.")
@click.option("--sigstore-bundle", type=_FILE, help="Sigstore bundle (v0.3) over its statement.")
@click.option("--launch-inputs", type=_FILE, help="What the guest was launched from, JSON.")
@click.option("--id-block", type=_FILE, help="The ID block of the guest, 96 bytes.")
@click.option("--id-authentication", type=_FILE, help="Its ID authentication, 4096 bytes.")
@click.option("--host-entry", type=_FILE, help="The logged host identity.")
@click.option("--host-proof", type=_FILE, help="Its .tlog-proof.")
@click.option("--key-document", type=_FILE, help="What the key CDN of a private path gave out.")
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
    """Collect evidence into a bundle: one folder that anyone can judge again, offline.

    Without --fetch no socket is opened.
    """
    contents = _contents(with_fetched(Collected.of(given), given), given, nonce)
    manifest = encode_manifest(contents, captured=instant.astimezone(UTC))
    files = {MANIFEST: manifest} | {path: data for path, (_, data) in contents.items()}
    open_bundle(parse_bundle(files))  # what we write is what we would accept
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    click.echo(f"{output}: {len(contents)} members", err=True)


def _contents(
    collected: Collected, given: dict[str, Any], nonce: bytes | None
) -> dict[str, tuple[str, bytes]]:
    places = (
        ("entry", "release/entry.json", "release-entry"),
        ("proof", "release/entry.tlog-proof", "release-proof"),
        ("sigstore_bundle", "release/entry.sigstore.json", "release-sigstore"),
        ("policy", "policy.toml", "policy"),
        ("launch_inputs", "evidence/launch-inputs.json", "snp-launch-inputs"),
        ("id_block", "evidence/id-block.bin", "snp-id-block"),
        ("id_authentication", "evidence/id-authentication.bin", "snp-id-authentication"),
        ("host_entry", "host/entry.json", "host-identity-entry"),
        ("host_proof", "host/entry.tlog-proof", "host-identity-proof"),
        ("key_document", "path/keys.bin", "key-document"),
    )
    contents = {
        place: (role, read_file(given[name]))
        for name, place, role in places
        if given[name] is not None
    }
    contents |= _evidence_contents(collected)
    if collected.vek is not None:
        contents["evidence/vek.der"] = ("snp-vek", collected.vek)
    if collected.crl is not None:
        contents["evidence/crl.der"] = ("snp-crl", collected.crl)
    for number, der in enumerate(collected.authorities):
        contents[f"evidence/ca-{number}.der"] = ("snp-ca", der)
    if nonce is not None:
        contents["evidence/nonce.bin"] = ("nonce", nonce)
    return contents


def _evidence_contents(collected: Collected) -> dict[str, tuple[str, bytes]]:
    hcl = collected.hcl
    if hcl is None:
        return {"evidence/report.bin": ("snp-report", collected.report)}
    parts = {
        "evidence/hcl.bin": ("snp-hcl", hcl.container),
        "evidence/tpm-quote.bin": ("snp-tpm-quote", hcl.quote),
        "evidence/tpm-signature.bin": ("snp-tpm-signature", hcl.signature),
        "evidence/tpm-pcrs.bin": ("snp-tpm-pcrs", hcl.pcrs),
    }
    return {path: (role, part) for path, (role, part) in parts.items() if part is not None}


evidence.add_command(reverify)

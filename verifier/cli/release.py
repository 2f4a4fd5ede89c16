"""``cvm-audit release``: sign, publish, fetch and show what is logged, and judge releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise import appraise_logged_release
from verifier.appraisal.appraise_identity import IdentityEvidence
from verifier.cli.comparing import diff, scan
from verifier.cli.files import read_file, write_directory, write_file
from verifier.cli.inspecting import describe_entry
from verifier.cli.judging import Judging, judging_options, load_policy, load_trusted_root
from verifier.cli.obtaining import artifacts
from verifier.cli.preparing import prepare
from verifier.cli.publishing import generate_key, read_key, sign_entry
from verifier.cli.rebuilding import rebuild
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.fetch.log import LogReader, submit_entry
from verifier.fetch.log_files import LogFiles
from verifier.release.dsse import MAX_ENVELOPE
from verifier.release.entry import parse_entry
from verifier.report.text import one_line
from verifier.tlog.merkle import leaf_hash
from verifier.tlog.note import VerificationKey, parse_vkey
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.proof import MAX_PROOF_SIZE, parse_tlog_proof, verify_tlog_proof

__all__ = ["release"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)


def _vkey(context: click.Context, parameter: click.Parameter, value: str) -> VerificationKey:
    try:
        return parse_vkey(value)
    except (ParseError, UnsupportedError) as error:
        raise click.BadParameter(str(error), context, parameter) from None


_keys_option = click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=_FILE,
    help="Private key of a publisher; once for each signature.",
)
_log_option = click.option("--log", "url", required=True, metavar="URL", help="The log.")
_vkey_option = click.option(
    "--vkey", required=True, callback=_vkey, help="The log's key, as `cvm-log init` printed it."
)
_output_option = click.option("-o", "--output", required=True, type=_NEW, help="New folder.")


@click.group()
def release() -> None:
    """Sign, publish, fetch and show what is logged, and judge releases."""


for _command in (artifacts, diff, prepare, rebuild, scan):
    release.add_command(_command)


@release.command()
@click.option("--name", required=True, help="Name of the key, such as example.com/publisher.")
@click.option("--ecdsa", is_flag=True, help="ECDSA P-256 instead of Ed25519.")
@click.option("-o", "--output", required=True, type=_NEW, help="New file for the private key.")
def keygen(name: str, *, ecdsa: bool, output: Path) -> None:
    """Make a publisher key: the private key in a new file (0600), the public one on stdout."""
    private, public = generate_key(name, ecdsa=ecdsa)
    write_file(output, private, mode=0o600)
    click.echo(public)


@release.command()
@click.argument("document", type=_FILE)
@_keys_option
@click.option("-o", "--output", required=True, type=_NEW, help="New file for the entry.")
def sign(document: Path, keys: tuple[Path, ...], output: Path) -> None:
    """Sign DOCUMENT, a statement (in-toto, JSON) or an entry that others have signed.

    Writes the entry and logs nothing: for more signers to sign, to `publish`, or for
    `cvm-log publish`.
    """
    write_file(output, _sign(document, keys), mode=0o644)


@release.command()
@click.argument("document", type=_FILE)
@_keys_option
@_log_option
@_vkey_option
@_output_option
def publish(
    document: Path, keys: tuple[Path, ...], url: str, vkey: VerificationKey, output: Path
) -> None:
    """Sign DOCUMENT, as `sign` does, log it, and keep entry and proof.

    DOCUMENT may be of any kind that can be logged. Nothing is written unless the log proves that
    the entry is in it.
    """
    entry = _sign(document, keys)
    logged = submit_entry(url, entry)
    _keep(output, entry, logged.proof, vkey)
    click.echo(logged.index)


def _sign(document: Path, keys: tuple[Path, ...]) -> bytes:
    return sign_entry(read_file(document, limit=MAX_ENVELOPE), tuple(map(read_key, keys)))


@release.command()
@click.option("--index", required=True, type=click.IntRange(0), help="Index of the entry.")
@click.option("--log", "location", required=True, metavar="URL|DIR", help="The log, or a copy.")
@_vkey_option
@_output_option
def fetch(index: int, location: str, vkey: VerificationKey, output: Path) -> None:
    """Fetch an entry from a log, with its proof. Judge them with `release verify`."""
    logged = LogReader(LogFiles(location)).fetch_entry(index)
    _keep(output, logged.entry, logged.proof, vkey)
    click.echo(f"{output}: entry {index}, leaf {leaf_hash(logged.entry).hex()}", err=True)


def _keep(output: Path, entry: bytes, proof: bytes, vkey: VerificationKey) -> None:
    # Only the log's own word is checked: which witnesses and publishers count is the policy's say.
    policy = parse_tlog_policy(f"log {vkey}\nquorum none\n")
    verify_tlog_proof(parse_tlog_proof(proof), entry=entry, policy=policy)
    write_directory(output, {"entry.json": entry, "entry.tlog-proof": proof})


@release.command()
@click.argument("entry", type=_FILE)
def show(entry: Path) -> None:
    """Print what a logged ENTRY says. Nothing of it is verified."""
    content = parse_entry(read_file(entry, limit=MAX_ENVELOPE))
    click.echo("nothing here is verified: this is what the entry says of itself")
    click.echo("\n".join(one_line(line) for line in describe_entry(content)))


@release.command()
@click.argument("entry", type=_FILE)
@click.option("--proof", required=True, type=_FILE, help="The .tlog-proof of the entry.")
@click.option(
    "--policy", required=True, metavar="FILE|NAME", help="The auditor's own policy (TOML)."
)
@click.option("--sigstore-bundle", type=_FILE, help="Sigstore bundle (v0.3) over its statement.")
@judging_options
def verify(
    entry: Path, proof: Path, policy: str, sigstore_bundle: Path | None, **options: Any
) -> None:
    """Judge a logged ENTRY: in the log, signed by a publisher, and the release that is wanted."""
    judging = Judging.of(options)
    rules = load_policy(policy)
    if rules.log is None or rules.release is None:
        expected = "log and release, which is what is judged here"
        raise PolicyError("policy.require", expected=expected, got=", ".join(rules.require))
    verdict = appraise_logged_release(
        read_file(entry, limit=MAX_ENVELOPE),
        read_file(proof, limit=MAX_PROOF_SIZE),
        policy=rules,
        now=judging.instant,
        identity=IdentityEvidence(
            bundle=read_file(sigstore_bundle) if sigstore_bundle is not None else None,
            root=load_trusted_root(judging.trust_root, rules),
        ),
    )
    command = ["release", "verify", str(entry), "--proof", str(proof), "--policy", policy]
    if sigstore_bundle is not None:
        command += ["--sigstore-bundle", str(sigstore_bundle)]
    judging.conclude(verdict, command=tuple(command))

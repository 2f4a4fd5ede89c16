"""``cvm-audit release rebuild|diff|scan``: build a release again, compare two, look into one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise_identity import NO_IDENTITY
from verifier.appraisal.image.appraise_image import SCANNED_FILES, appraise_image
from verifier.appraisal.policy import Policy
from verifier.appraisal.rebuild.appraise_rebuild import (
    LoggedEntry,
    RebuildAppraisal,
    appraise_rebuild,
)
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.cli.files import read_file, write_directory
from verifier.cli.judging import Judging, judging_options, load_policy
from verifier.cli.publishing import Publisher, read_key, sign_statement
from verifier.errors import AuditError, ParseError, PolicyError, UnsupportedError, VerificationError
from verifier.fetch.log import submit_entry
from verifier.rebuild.building import RebuildPlan, rebuild_twice
from verifier.rebuild.offered import read_offered, write_comparison
from verifier.rebuild.sandbox import Sandbox, find_sandbox
from verifier.rebuild.source import read_source_tree
from verifier.rebuild.statement import rebuild_statement
from verifier.rebuild.workspace import workspace
from verifier.release.cvm_release import CvmRelease
from verifier.release.dsse import MAX_ENVELOPE
from verifier.release.entry import parse_release_entry
from verifier.report.difference_page import render_differences
from verifier.report.release_difference import ReleaseSide, render_release_difference
from verifier.report.text import one_line
from verifier.tlog.note import parse_vkey
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.proof import MAX_PROOF_SIZE, parse_tlog_proof, verify_tlog_proof

__all__ = ["diff", "rebuild", "scan"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)
_GUEST_POLICY = "guest-policy.json"
_MAX_GUEST_POLICY = 1024 * 1024
_DEFAULT_SECONDS = 1800
_SHOWN_LINES = 24  # of the differences, on stderr; all of them are in the folder of --work


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options, named as on the command line; None is an option that was not given."""

    entry: Path
    source: Path
    bundle: Path | None
    store: Path | None
    guest_policy: Path | None
    artifacts: Path | None
    work: Path | None
    proof: Path | None
    policy: str | None
    sandboxed: bool
    timeout: int
    statement: Path | None
    key: Path | None
    publish: str | None
    vkey: str | None

    def require_consistency(self) -> None:
        """Raise UsageError for options that contradict or need one another."""
        if (self.bundle is None) == (self.store is None):
            raise click.UsageError("one of --inputs and --store is needed, and only one")
        for name, other in (
            ("proof", "policy"),
            ("policy", "proof"),
            ("statement", "key"),
            ("key", "statement"),
            ("publish", "statement"),
            ("publish", "vkey"),
            ("vkey", "publish"),
        ):
            if getattr(self, name) is not None and getattr(self, other) is None:
                raise click.UsageError(f"--{name} needs --{other}")
        if self.statement is not None and self.statement.exists():
            raise click.UsageError(f"--statement {self.statement}: it exists already")

    def read_guest_policy(self) -> bytes:
        """The policy that goes into the image. Raises UsageError where none is named."""
        path = self.guest_policy
        if path is None and self.artifacts is not None:
            path = self.artifacts / _GUEST_POLICY
        if path is None or not path.is_file():
            message = f"--guest-policy FILE is needed, or {_GUEST_POLICY} in --artifacts DIR"
            raise click.UsageError(message)
        return read_file(path, limit=_MAX_GUEST_POLICY)

    def arguments(self) -> tuple[str, ...]:
        """The verb again, for whoever wants to rebuild what was rebuilt."""
        flags = (
            ("--source", self.source),
            ("--inputs", self.bundle),
            ("--store", self.store),
            ("--guest-policy", self.guest_policy),
            ("--artifacts", self.artifacts),
            ("--proof", self.proof),
            ("--policy", self.policy),
        )
        given = (part for flag, value in flags if value is not None for part in (flag, str(value)))
        return ("release", "rebuild", str(self.entry), *given)


@click.command()
@click.argument("entry", type=_FILE)
@click.option("--source", required=True, type=_FOLDER, help="Source tree of the release.")
@click.option("--inputs", "bundle", type=_FILE, help="Bundle (tar) of the inputs of its lock.")
@click.option("--store", type=_FOLDER, help="Folder with the inputs, as sha256/HEX, instead.")
@click.option("--guest-policy", type=_FILE, help="Policy that goes into the image.")
@click.option(
    "--artifacts",
    type=_FOLDER,
    help="Folder with the released files, to see where they differ. They count by digest only.",
)
@click.option("--work", type=_NEW, help="Folder to work in, which is kept; a later run resumes.")
@click.option("--proof", type=_FILE, help="The .tlog-proof of the entry.")
@click.option("--policy", metavar="FILE|NAME", help="The auditor's own policy, with log, release.")
@click.option("--no-sandbox", "sandboxed", flag_value=False, default=True, help="Build without.")
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=_DEFAULT_SECONDS,
    show_default=True,
    help="Seconds that each of the two builds has.",
)
@click.option("--statement", type=_NEW, help="New folder for the signed rebuild/v1 entry.")
@click.option("--key", type=_FILE, help="Private key (release keygen) of the rebuilder.")
@click.option("--publish", metavar="URL", help="Log that the statement is published in.")
@click.option("--vkey", help="The log's key.")
@judging_options
def rebuild(**options: Any) -> None:
    """Build the release of a logged ENTRY again, twice, and compare every byte with the log."""
    judging = Judging.of(options)
    asked = _Asked(**{name: options[name] for name in _Asked.__slots__})
    asked.require_consistency()
    publisher = None if asked.key is None else read_key(asked.key)
    logged = _logged(asked)
    with workspace(asked.work) as work:
        appraisal = _appraise(asked, logged, judging, work)
        _tell(appraisal, work, kept=asked.work is not None)
    if publisher is not None and asked.statement is not None:
        _state(appraisal, publisher, asked.statement, log=asked.publish, vkey=asked.vkey)
    judging.conclude(appraisal.verdict, command=asked.arguments())


def _logged(asked: _Asked) -> LoggedEntry:
    policy, proof = None, None
    if asked.policy is not None and asked.proof is not None:
        policy = _policy(asked.policy)
        proof = read_file(asked.proof, limit=MAX_PROOF_SIZE)
    entry = read_file(asked.entry, limit=MAX_ENVELOPE)
    return LoggedEntry(entry=entry, proof=proof, policy=policy, identity=NO_IDENTITY)


def _policy(name: str) -> Policy:
    policy = load_policy(name)
    if policy.log is None or policy.release is None:
        got = ", ".join(policy.require)
        raise PolicyError("policy.require", expected="log and release", got=got)
    if policy.release.identities:
        expected = "keys of publishers; release verify judges identities"
        raise PolicyError("policy.release.identities", expected=expected, got="identities")
    return policy


def _appraise(asked: _Asked, logged: LoggedEntry, judging: Judging, work: Path) -> RebuildAppraisal:
    sandboxed = asked.sandboxed
    names = _names_of_artifacts(logged.entry)
    if names is None:
        return appraise_rebuild(logged, None, sandboxed=sandboxed, now=judging.instant)
    offered: Mapping[str, bytes] = {}
    if asked.artifacts is not None:
        offered = read_offered(asked.artifacts, names)
    sandbox = find_sandbox() if sandboxed else Sandbox.NONE
    plan = RebuildPlan(
        source=read_source_tree(asked.source),
        bundle=asked.bundle,
        store=asked.store or work,
        guest_policy=asked.read_guest_policy(),
        offered=offered,
        work=work,
        sandbox=sandbox,
        seconds=asked.timeout,
    )
    click.echo(f"cvm-audit: two builds in {work}, sandbox {sandbox}", err=True)
    rebuilt = rebuild_twice(plan)
    return appraise_rebuild(logged, rebuilt, sandboxed=sandboxed, now=judging.instant)


def _names_of_artifacts(entry: bytes) -> tuple[str, ...] | None:
    """Names under which released files may lie; None where the entry is no release."""
    try:
        content = parse_release_entry(entry).content
    except (ParseError, UnsupportedError):
        return None
    artifacts = content.artifacts if isinstance(content, CvmRelease) else ()
    names = {artifact.name for artifact in artifacts}
    return tuple(sorted(names | set(BUILT_FILES.values())))


def _tell(appraisal: RebuildAppraisal, work: Path, *, kept: bool) -> None:
    """The differences: the first lines on stderr, all of them in the folder of ``--work``."""
    if not appraisal.told:
        return
    page = render_differences(appraisal.told)
    lines = page.splitlines()
    for line in lines[:_SHOWN_LINES]:
        click.echo(line, err=True)
    if kept:
        written = write_comparison(work, appraisal.told[0], page)
        click.echo(f"cvm-audit: all differences: {', '.join(map(str, written))}", err=True)
    elif len(lines) > _SHOWN_LINES:
        left = len(lines) - _SHOWN_LINES
        click.echo(f"cvm-audit: {left} more lines: --work DIR keeps them", err=True)


def _state(
    appraisal: RebuildAppraisal,
    publisher: Publisher,
    folder: Path,
    *,
    log: str | None,
    vkey: str | None,
) -> None:
    finished = datetime.now(UTC).replace(microsecond=0)
    statement = rebuild_statement(appraisal, rebuilder=publisher.key.vkey.name, finished=finished)
    entry = sign_statement(statement, publisher)
    files = {"entry.json": entry}
    if log is not None and vkey is not None:
        with _told_if_refused():
            files["entry.tlog-proof"] = _published(entry, log, vkey)
    write_directory(folder, files)
    click.echo(f"cvm-audit: statement in {folder}: {', '.join(files)}", err=True)


@contextlib.contextmanager
def _told_if_refused() -> Iterator[None]:
    # The verdict on the release does not depend on whether a log takes the statement about it.
    try:
        yield
    except AuditError as error:
        click.echo(f"cvm-audit: the statement is not published: {one_line(str(error))}", err=True)


def _published(entry: bytes, log: str, vkey: str) -> bytes:
    proof = submit_entry(log, entry).proof
    policy = parse_tlog_policy(f"log {parse_vkey(vkey)}\nquorum none\n")
    verify_tlog_proof(parse_tlog_proof(proof), entry=entry, policy=policy)
    return proof


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--old-artifacts", type=_FOLDER, help="Folder with the files of the old release.")
@click.option("--new-artifacts", type=_FOLDER, help="Folder with those of the new one.")
def diff(old: Path, new: Path, old_artifacts: Path | None, new_artifacts: Path | None) -> None:
    """Print what changed from the release of entry OLD to that of NEW. Nothing is verified.

    With the artifacts also packages, files, command line and kernel: a file that has not the
    logged digest is refused.
    """
    sides = _side(old, old_artifacts), _side(new, new_artifacts)
    click.echo("nothing here is verified: this is what the entries say", err=True)
    click.echo(render_release_difference(*sides), nl=False)


def _side(path: Path, folder: Path | None) -> ReleaseSide:
    entry = parse_release_entry(read_file(path, limit=MAX_ENVELOPE))
    content = entry.content
    if not isinstance(content, CvmRelease):
        raise ParseError(str(path), expected="a cvm-release/v1", got=entry.kind)
    copies: dict[str, bytes] = {}
    if folder is None:
        return ReleaseSide(entry=entry, release=content, copies=copies)
    for artifact in content.artifacts:
        names = (artifact.name, BUILT_FILES.get(artifact.role, artifact.name))
        for raw in read_offered(folder, names).values():
            if sha256(raw).digest() != artifact.sha256:
                got = sha256(raw).hexdigest()
                raise VerificationError(artifact.name, expected=artifact.sha256.hex(), got=got)
            copies[artifact.role] = raw
    return ReleaseSide(entry=entry, release=content, copies=copies)


@click.command()
@click.argument("folder", type=_FOLDER)
@judging_options
def scan(folder: Path, **options: Any) -> None:
    """Look into the image in FOLDER for what should not be in it. Nothing of it is run.

    Looks at initrd.bin, command-line.txt and firmware.fd, as a build leaves them.
    """
    judging = Judging.of(options)
    verdict = appraise_image(read_offered(folder, SCANNED_FILES), now=judging.instant)
    judging.conclude(verdict, command=("release", "scan", str(folder)))

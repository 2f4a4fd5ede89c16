"""``cvm-audit release rebuild``: build a logged release again, and compare it with the log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise_identity import NO_IDENTITY
from verifier.appraisal.rebuild.appraise_rebuild import (
    LoggedEntry,
    RebuildAppraisal,
    appraise_rebuild,
)
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES, Rebuilt
from verifier.cli.files import read_file, write_directory
from verifier.cli.judging import Judging, judging_options, load_release_policy
from verifier.cli.logged import RELEASE, read_entry
from verifier.cli.publishing import Publisher, read_key, sign_statement
from verifier.cli.rebuild_options import RebuildOptions
from verifier.cli.work_folder import work_folder
from verifier.errors import AuditError, FetchError, ParseError, UnsupportedError
from verifier.fetch.log import submit_entry
from verifier.rebuild.building import RebuildPlan, not_rebuilt, rebuild_twice
from verifier.rebuild.offered import forget_comparison, read_offered, write_comparison
from verifier.rebuild.sandbox import Sandbox, find_sandbox
from verifier.rebuild.statement import rebuild_statement
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import parse_release_entry
from verifier.report.difference_page import render_differences
from verifier.report.text import one_line
from verifier.tlog.note import parse_vkey
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.proof import MAX_PROOF_SIZE, parse_tlog_proof, verify_tlog_proof

__all__ = ["DEFAULT_SECONDS", "MadeAgain", "rebuild", "rebuild_release"]

DEFAULT_SECONDS = 1800
"""For fetching inputs, and for each of the two builds."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)
_SHOWN_LINES = 24  # of the differences, on stderr; all of them are in the folder of --work


@click.command()
@click.argument("release", type=RELEASE)
@click.option(
    "--source", type=_FOLDER, help="Source tree of the release; that of this program if it is it."
)
@click.option("--inputs", "bundle", type=_FILE, help="Bundle (tar) of the inputs of its lock.")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of inputs (sha256/HEX), which gets what it lacks. Default: the builder's cache.",
)
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="URL", help="Debian archive, repeatable."
)
@click.option("--index", metavar="URL", help="Python index; that of pip if not given.")
@click.option("--from-source", is_flag=True, help="Only if kernel and firmware are compiled, too.")
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
    default=DEFAULT_SECONDS,
    show_default=True,
    help="Seconds for fetching, and for each of the two builds.",
)
@click.option("--statement", type=_NEW, help="New folder for the signed rebuild/v1 entry.")
@click.option("--key", type=_FILE, help="Private key (release keygen) of the rebuilder.")
@click.option("--publish", metavar="URL", help="Log that the statement is published in.")
@click.option("--vkey", help="The log's key.")
@judging_options
def rebuild(**options: Any) -> None:
    """Build a logged RELEASE again, twice, and compare every byte with the log.

    RELEASE is an entry, or a folder of `release fetch`. Inputs that are not at hand are fetched by
    digest, unless --offline or --inputs is said.
    """
    judging = Judging.of(options)
    asked = RebuildOptions(**{name: options[name] for name in RebuildOptions.__slots__})
    asked.require_consistency()
    if judging.offline and asked.publish is not None:
        raise click.UsageError("--publish needs a network, and --offline forbids it")
    publisher = None if asked.key is None else read_key(asked.key)
    appraisal = rebuild_release(asked, judging).appraisal
    if publisher is not None and asked.statement is not None:
        _state(appraisal, publisher, asked.statement, log=asked.publish, vkey=asked.vkey)
    judging.conclude(appraisal.verdict, command=asked.arguments())


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAgain:
    """What came of a rebuild; ``files`` are those of the first build by name, if any came out."""

    appraisal: RebuildAppraisal
    files: Mapping[str, bytes]


def rebuild_release(asked: RebuildOptions, judging: Judging) -> MadeAgain:
    """Build the release, judge what came out, and tell the differences on stderr.

    Raises what is wrong with the auditor's own files, and FetchError where there is no room.
    """
    logged = _logged(asked)
    with work_folder(asked.work, of="rebuild") as work:
        rebuilt = _rebuilt(asked, logged, judging, work)
        appraisal = appraise_rebuild(
            logged, rebuilt, sandboxed=asked.sandboxed, now=judging.instant
        )
        _tell(appraisal, work, kept=asked.work is not None)
    builds = () if rebuilt is None else rebuilt.builds
    return MadeAgain(appraisal=appraisal, files=builds[0].outputs if builds else {})


def _logged(asked: RebuildOptions) -> LoggedEntry:
    policy, proof, path = None, None, asked.known_proof
    if asked.policy is not None and path is not None:
        policy = load_release_policy(asked.policy)
        proof = read_file(path, limit=MAX_PROOF_SIZE)
    entry = read_entry(asked.release)
    return LoggedEntry(entry=entry, proof=proof, policy=policy, identity=NO_IDENTITY)


def _rebuilt(
    asked: RebuildOptions, logged: LoggedEntry, judging: Judging, work: Path
) -> Rebuilt | None:
    """What came of building it; None where the entry is no release, which is judged later."""
    release = _release(logged.entry)
    if release is None:
        return None
    offered: Mapping[str, bytes] = {}
    if asked.artifacts is not None:
        offered = read_offered(asked.artifacts, _file_names(release))
    recipe = asked.recipe_of(release)
    policy = asked.guest_policy_of(release, offered, offline=judging.offline)
    sandbox = find_sandbox() if asked.sandboxed else Sandbox.NONE
    try:
        source = asked.source_of(release)
    except FetchError as error:
        return not_rebuilt(f"{error.what}: {error.got}", offered=offered)
    plan = RebuildPlan(
        source=source,
        recipe=recipe,
        inputs=asked.input_source(offline=judging.offline, say=_say),
        guest_policy=policy.content,
        guest_policy_sha256=policy.sha256,
        offered=offered,
        released_sizes=tuple(artifact.size for artifact in release.artifacts),
        work=work,
        sandbox=sandbox,
        seconds=asked.timeout,
        say=_say,
    )
    words = "from source, of minutes each, " if recipe.from_source else ""
    _say(f"two builds {words}in {work}, sandbox {sandbox}")
    return rebuild_twice(plan)


def _release(entry: bytes) -> CvmRelease | None:
    """The release that is to be built; None where the entry is none."""
    try:
        content = parse_release_entry(entry).content
    except (ParseError, UnsupportedError):
        return None
    return content if isinstance(content, CvmRelease) else None


def _file_names(release: CvmRelease) -> tuple[str, ...]:
    """Names under which released files may lie."""
    names = {artifact.name for artifact in release.artifacts}
    return tuple(sorted(names | set(BUILT_FILES.values())))


def _say(text: str) -> None:
    click.echo(f"cvm-audit: {one_line(text)}", err=True)


def _tell(appraisal: RebuildAppraisal, work: Path, *, kept: bool) -> None:
    """The differences: the first lines on stderr, all of them in the folder of ``--work``."""
    if kept:
        forget_comparison(work)
    if not appraisal.told:
        return
    page = render_differences(appraisal.told)
    lines = page.splitlines()
    for line in lines[:_SHOWN_LINES]:
        click.echo(line, err=True)
    if kept:
        written = write_comparison(work, appraisal.told[0], page)
        _say(f"all differences: {', '.join(map(str, written))}")
    elif len(lines) > _SHOWN_LINES:
        left = len(lines) - _SHOWN_LINES
        _say(f"{left} more lines: --work DIR keeps them")


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
    _say(f"statement in {folder}: {', '.join(files)}")


@contextlib.contextmanager
def _told_if_refused() -> Iterator[None]:
    # The verdict on the release does not depend on whether a log takes the statement about it.
    try:
        yield
    except AuditError as error:
        _say(f"the statement is not published, or the log did not prove it: {error}")


def _published(entry: bytes, log: str, vkey: str) -> bytes:
    proof = submit_entry(log, entry).proof
    policy = parse_tlog_policy(f"log {parse_vkey(vkey)}\nquorum none\n")
    verify_tlog_proof(parse_tlog_proof(proof), entry=entry, policy=policy)
    return proof

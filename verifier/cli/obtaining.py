"""``cvm-audit release artifacts``: the files of a release, from wherever they are, by digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import click

from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.cli.files import write_file
from verifier.cli.logged import RELEASE, parse_release
from verifier.cli.progress import Progress
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.fetch.artifacts import artifact_address, fetch_artifact, is_url
from verifier.release.cvm_release import Artifact
from verifier.report.text import one_line

__all__ = ["artifacts", "bring_artifact", "file_names", "obtain_artifact"]

_MAX_ARTIFACT = 2 * 1024 * 1024 * 1024  # bytes


@click.command()
@click.argument("release", type=RELEASE)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; what it has already is kept.",
)
@click.option(
    "--from",
    "places",
    multiple=True,
    metavar="DIR|URL",
    help="Where to look first; may be repeated. Then the release's own locations are tried.",
)
@click.option("--role", "roles", multiple=True, help="Only artifacts of this role; repeatable.")
@click.option("--offline", is_flag=True, help="Open no socket.")
def artifacts(
    release: Path, output: Path, places: tuple[str, ...], roles: tuple[str, ...], *, offline: bool
) -> None:
    """Bring the files of a RELEASE (an entry, or a folder of `fetch`) into a folder.

    Only what has the stated size and SHA-256 is written, under the names that `rebuild` and `drive`
    look for. Nothing says here that the release is logged: `release verify` does.
    """
    listed = parse_release(release)[1].artifacts
    unknown = sorted(set(roles) - {artifact.role for artifact in listed})
    if unknown:
        raise click.UsageError(f"--role: the release has no {unknown[0]}")
    names = file_names(listed)
    wanted = [artifact for artifact in listed if not roles or artifact.role in roles]
    progress = Progress(len(wanted), unit="artifacts")
    for number, artifact in enumerate(wanted, start=1):
        target = output / names[artifact.name]
        bring_artifact(artifact, target, places=places, offline=offline)
        click.echo(f"{artifact.sha256.hex()}  {names[artifact.name]}")
        progress.reached(number)


def bring_artifact(
    artifact: Artifact, target: Path, *, places: tuple[str, ...], offline: bool
) -> None:
    """Write an artifact to ``target``, unless it is there already.

    Raises VerificationError where the file is another, and what ``obtain_artifact`` raises.
    """
    if not _is_there(target, artifact):
        _write(target, obtain_artifact(artifact, places=places, offline=offline))


def file_names(listed: tuple[Artifact, ...]) -> dict[str, str]:
    """The name of each artifact to that of its file: that of a build, where it is the only one."""
    roles = Counter(artifact.role for artifact in listed)
    return {
        artifact.name: BUILT_FILES[artifact.role]
        if artifact.role in BUILT_FILES and roles[artifact.role] == 1
        else artifact.name
        for artifact in listed
    }


def _in_words(raw: bytes, size: int) -> str:
    length = f"{len(raw)} bytes" if len(raw) <= size else f"more than {size} bytes"
    return f"{length}, sha256 {sha256(raw).hexdigest()}" if len(raw) <= size else length


def _require_logged(what: str, raw: bytes, artifact: Artifact) -> None:
    if len(raw) != artifact.size or sha256(raw).digest() != artifact.sha256:
        expected = f"{artifact.size} bytes, sha256 {artifact.sha256.hex()}"
        raise VerificationError(what, expected=expected, got=_in_words(raw, artifact.size))


def _is_there(target: Path, artifact: Artifact) -> bool:
    if not target.exists():
        return False
    _require_logged(str(target), fetch_artifact(str(target), limit=artifact.size + 1), artifact)
    return True


def _write(target: Path, raw: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(target), expected="a folder to write to", got=got) from None
    write_file(target, raw)


def obtain_artifact(artifact: Artifact, *, places: tuple[str, ...], offline: bool) -> bytes:
    """The bytes of an artifact out of the first place that has them.

    Raises VerificationError if places have only something else in its name, FetchError if none has
    anything, ParseError for one larger than any artifact.
    """
    if artifact.size > _MAX_ARTIFACT:
        expected = f"at most {_MAX_ARTIFACT} bytes"
        raise ParseError(f"artifact {artifact.name}", expected=expected, got=str(artifact.size))
    tried: list[str] = []
    others: list[VerificationError] = []
    for address in _addresses(artifact, places):
        if offline and is_url(address):
            tried.append(f"{address}: not asked, offline")
            continue
        try:
            raw = fetch_artifact(address, limit=artifact.size + 1)
            _require_logged(f"{artifact.name} at {address}", raw, artifact)
        except FetchError as error:
            tried.append(str(error))
        except VerificationError as error:
            others.append(error)
        else:
            return raw
    if others:
        raise others[0]
    got = one_line("; ".join(tried)) or "no place to look at"
    hint = "--from DIR|URL names a place that has it"
    raise FetchError(f"artifact {artifact.name}", expected="the file", got=got, hint=hint)


def _addresses(artifact: Artifact, places: tuple[str, ...]) -> Iterator[str]:
    names = dict.fromkeys((BUILT_FILES.get(artifact.role, artifact.name), artifact.name))
    for place in places:
        yield from (artifact_address(place, name) for name in names)
    # A location is somebody else's word: it may name a server, and no file of this machine.
    yield from filter(is_url, artifact.locations)

"""``cvm-audit release diff|scan``: compare two releases, look into one."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from verifier.appraisal.image.appraise_image import SCANNED_FILES, appraise_image
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.cli.judging import Judging, judging_options
from verifier.cli.logged import RELEASE, parse_release
from verifier.errors import VerificationError
from verifier.rebuild.offered import read_offered
from verifier.report.release_difference import ReleaseSide, render_release_difference

__all__ = ["diff", "scan"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("old", type=RELEASE)
@click.argument("new", type=RELEASE)
@click.option("--old-artifacts", type=_FOLDER, help="Folder with the files of the old release.")
@click.option("--new-artifacts", type=_FOLDER, help="Folder with those of the new one.")
def diff(old: Path, new: Path, old_artifacts: Path | None, new_artifacts: Path | None) -> None:
    """Print what changed from the release OLD to NEW. Nothing is verified.

    Each is an entry, or a folder of `release fetch`. With the artifacts also packages, files,
    command line, guest policy and kernel: a file that has not the logged digest is refused.
    """
    sides = _side(old, old_artifacts), _side(new, new_artifacts)
    click.echo("nothing here is verified: this is what the entries say", err=True)
    click.echo(render_release_difference(*sides), nl=False)


def _side(path: Path, folder: Path | None) -> ReleaseSide:
    entry, content = parse_release(path)
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
    missing = [artifact.name for artifact in content.artifacts if artifact.role not in copies]
    if missing:
        click.echo(f"cvm-audit: not compared, as not in {folder}: {', '.join(missing)}", err=True)
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

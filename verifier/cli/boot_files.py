"""The files that a release launches: brought by digest, or built again from its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verifier.cli.files import make_folder, write_file
from verifier.cli.judging import Judging
from verifier.cli.logged import parse_release
from verifier.cli.obtaining import bring_artifact
from verifier.cli.rebuild_options import RebuildOptions
from verifier.cli.rebuilding import DEFAULT_SECONDS, MadeAgain, rebuild_release
from verifier.drive.artifacts import FILES, launched_artifacts
from verifier.errors import FetchError, VerificationError

__all__ = ["bring_boot_files", "rebuild_boot_files", "write_boot_files"]

_GUEST_POLICY = "guest-policy"


def bring_boot_files(
    release: Path,
    folder: Path,
    *,
    places: tuple[str, ...],
    offline: bool,
    say: Callable[[str], None],
) -> None:
    """Bring into ``folder`` what is launched; what it has already is kept.

    Raises VerificationError for files that are not those of the release, FetchError where no place
    has one.
    """
    launched = tuple(launched_artifacts(parse_release(release)[0]))
    for number, (role, artifact) in enumerate(launched, start=1):
        say(f"artifact {number} of {len(launched)}: {role}, {artifact.size} bytes")
        bring_artifact(artifact, folder / FILES[role], places=places, offline=offline)


def rebuild_boot_files(
    release: Path,
    *,
    judging: Judging,
    options: Mapping[str, Any],
    work: Path | None,
    image: Path,
) -> MadeAgain:
    """Build the release as `release rebuild` does, in ``work``, with the options of that verb.

    None for ``work`` is a folder that is not kept. The guest policy is looked for in the places of
    ``--from`` as well, and kept in ``image``.
    """
    asked = RebuildOptions(
        release=release,
        from_source=False,  # what the release says of its recipe is done
        source=options["source"],
        bundle=options["inputs"],
        store=options["store"],
        mirrors=options["mirrors"],
        index=None,
        guest_policy=options["guest_policy"] or _guest_policy(release, image, judging, options),
        artifacts=None,
        work=work,
        proof=None,
        policy=options["policy"],
        sandboxed=True,
        timeout=DEFAULT_SECONDS,
        statement=None,
        key=None,
        publish=None,
        vkey=None,
    )
    return rebuild_release(asked, judging)


def _guest_policy(
    release: Path, image: Path, judging: Judging, options: Mapping[str, Any]
) -> Path | None:
    """The logged guest policy from a place of ``--from``, None where none has it."""
    stated = [each for each in parse_release(release)[1].artifacts if each.role == _GUEST_POLICY]
    if not stated or not options["places"]:
        return None  # the rebuild itself asks for it, or looks where the release says
    target = image / f"{_GUEST_POLICY}.json"
    try:
        bring_artifact(stated[0], target, places=options["places"], offline=judging.offline)
    except (FetchError, VerificationError):
        return None
    return target


def write_boot_files(made: MadeAgain, image: Path) -> None:
    """Write what was built and is launched into ``image``, where it is not there already."""
    make_folder(image)
    for name in FILES.values():
        if not (image / name).exists():
            write_file(image / name, made.files[name])

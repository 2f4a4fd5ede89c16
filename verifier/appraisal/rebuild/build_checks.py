"""Checks of a rebuild before any artifact: source, lock, inputs, sandbox, and that it came out."""

from __future__ import annotations

from verifier.appraisal.findings import Finding, FindingClass, Status, compared, failed, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES, Build, BuildEnd, InputState, Rebuilt
from verifier.errors import ParseError
from verifier.release.cvm_release import Build as LoggedBuild
from verifier.release.image_manifest import parse_image_manifest

__all__ = ["BUILD_CHECKS", "appraise_builds"]

BUILD_CHECKS = (
    "rebuild.source",
    "rebuild.lock",
    "rebuild.inputs",
    "rebuild.build",
    "rebuild.recipe",
)
"""The checks of this module that every rebuild needs."""

_BUILDS = 2


def appraise_builds(
    ledger: Ledger, logged: LoggedBuild, rebuilt: Rebuilt, *, sandboxed: bool
) -> None:
    """Record a finding for each of ``BUILD_CHECKS``, and what kept the builds apart."""
    ledger.record((_source(logged, rebuilt), _lock(logged, rebuilt), _inputs(rebuilt)))
    ledger.record((_sandbox(rebuilt, sandboxed=sandboxed),))
    if not rebuilt.builds:
        ledger.record((_unbegun(rebuilt),))
    ledger.record(map(_build, rebuilt.builds))
    if 0 < len(rebuilt.builds) < _BUILDS:
        raise ValueError("two builds, or none")
    if not rebuilt.builds or rebuilt.builds[0].end is not BuildEnd.DONE:
        ledger.skip(("rebuild.recipe",), reason="the first build did not come out", source="builds")
    else:
        ledger.record((_recipe(logged, rebuilt.builds[0]),))


def _absent(check: str, expected: str, rebuilt: Rebuilt, source: str) -> Finding:
    return finding(
        check,
        Status.ERROR,
        expected=expected,
        got=f"not at hand: {rebuilt.obstacle}",
        source=source,
        cls=FindingClass.INFRASTRUCTURE,
        hint="check out the commit of the release, and name the folder: --source DIR",
    )


def _source(logged: LoggedBuild, rebuilt: Rebuilt) -> Finding:
    if not rebuilt.source_sha256:
        expected = f"sha256 {logged.source_sha256.hex()}"
        return _absent("rebuild.source", expected, rebuilt, "source tree")
    return compared(
        "rebuild.source",
        holds=logged.source_sha256 == rebuilt.source_sha256,
        expected=f"sha256 {logged.source_sha256.hex()}",
        got=f"sha256 {rebuilt.source_sha256.hex()}",
        source="source tree",
        hint="check out the commit of the release; where the artifacts differ shows what changed",
    )


def _lock(logged: LoggedBuild, rebuilt: Rebuilt) -> Finding:
    expected = f"sha256 {logged.lock_sha256.hex()}"
    if not rebuilt.lock_sha256:
        return _absent("rebuild.lock", expected, rebuilt, "lock of inputs")
    got = f"sha256 {rebuilt.lock_sha256.hex()}"
    if rebuilt.lock_words:
        return failed(
            "rebuild.lock",
            expected=f"{expected}, well formed",
            got=f"{got}; {rebuilt.lock_words}",
            source="lock of inputs",
            cls=FindingClass.INPUT,
        )
    return compared(
        "rebuild.lock",
        holds=logged.lock_sha256 == rebuilt.lock_sha256,
        expected=expected,
        got=got,
        source="lock of inputs",
        hint="the lock belongs to the commit of the release",
    )


def _inputs(rebuilt: Rebuilt) -> Finding:
    if rebuilt.inputs_words:
        return failed(
            "rebuild.inputs",
            expected="a bundle of inputs that can be read",
            got=rebuilt.inputs_words,
            source="bundle of inputs",
            cls=FindingClass.INPUT,
        )
    altered = [item for item in rebuilt.inputs if item.state is InputState.ALTERED]
    missing = [item for item in rebuilt.inputs if item.state is InputState.MISSING]
    if altered:
        first = altered[0]
        return failed(
            "rebuild.inputs",
            expected=f"{first.name}: sha256 {first.sha256.hex()}",
            got=f"sha256 {first.found.hex()}{_more(len(altered))}",
            source=first.name,
            hint="remove the altered file and fetch it again",
        )
    if missing or not rebuilt.inputs:
        name = missing[0].name if missing else "lock of inputs"
        fetched = f"; {rebuilt.fetch_words}" if rebuilt.fetch_words else ""
        there = f"{name} is not at hand{_more(len(missing))}{fetched}"
        return finding(
            "rebuild.inputs",
            Status.ERROR,
            expected=f"{len(rebuilt.inputs)} inputs of the lock",
            got=there if missing else "no input is named",
            source=name,
            cls=FindingClass.INFRASTRUCTURE,
            hint="give the bundle of the release (--inputs FILE), or the URL of an archive that"
            " keeps old versions (--mirror); python -m pipeline.image relock makes a lock of what"
            " there is today, which is another image",
        )
    return finding(
        "rebuild.inputs",
        Status.PASS,
        expected="every input of the lock, with its digest",
        got=f"all {len(rebuilt.inputs)} have the locked digests",
        source="lock of inputs",
    )


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _sandbox(rebuilt: Rebuilt, *, sandboxed: bool) -> Finding:
    used = bool(rebuilt.sandbox)
    if used != sandboxed and rebuilt.builds:
        raise ValueError("the builds ran otherwise than asked")
    if used and rebuilt.apart:
        status, got = Status.PASS, f"{rebuilt.sandbox}: no network, environment closed"
    elif used:
        status = Status.SKIP
        got = f"not checked: {rebuilt.sandbox}, so the builds could change what their user can"
    elif sandboxed:
        status, got = Status.SKIP, f"not checked: {rebuilt.obstacle}"
    else:
        status, got = Status.SKIP, "not checked: --no-sandbox, so the builds could reach anything"
    return finding(
        "rebuild.sandbox",
        status,
        expected="no network, an environment of its own, a read-only system",
        got=got,
        source="builds",
        cls=FindingClass.POLICY,
    )


def _unbegun(rebuilt: Rebuilt) -> Finding:
    return finding(
        "rebuild.build",
        Status.ERROR,
        expected="two builds that end well",
        got=f"no build began: {rebuilt.obstacle}",
        source="builds",
        cls=FindingClass.INFRASTRUCTURE,
    )


def _build(build: Build) -> Finding:
    expected = "the build ends well, within its limits"
    source = f"build in {build.environment}"
    if build.end is BuildEnd.FAILED:
        return failed("rebuild.build", expected=expected, got=build.words, source=source)
    done = build.end is BuildEnd.DONE
    return finding(
        "rebuild.build",
        Status.PASS if done else Status.ERROR,
        expected=expected,
        got=_made(build) if done else build.words,
        source=source,
        cls=FindingClass.SECURITY if done else FindingClass.INFRASTRUCTURE,
        hint="" if done else "--timeout bounds each build; the log of --work DIR may say more",
    )


def _made(build: Build) -> str:
    words = f", {build.words}" if build.words else ""
    return f"{len(build.outputs)} files in {build.environment}{words}"


def _recipe(logged: LoggedBuild, build: Build) -> Finding:
    name = BUILT_FILES["image-manifest"]
    check, expected = "rebuild.recipe", f"recipe {logged.recipe}"
    raw = build.outputs.get(name)
    if raw is None:
        got = f"the build made no {name}"
        return failed(check, expected=expected, got=got, source=name, cls=FindingClass.INPUT)
    try:
        built = parse_image_manifest(raw).build
    except ParseError as error:
        got = f"it cannot be read: {error}"
        return failed(check, expected=expected, got=got, source=name, cls=FindingClass.INPUT)
    return compared(
        check,
        holds=logged.recipe == built.recipe,
        expected=expected,
        got=f"recipe {built.recipe}",
        source=name,
        hint="a recipe that this program does not know is built without compiling: use the"
        " version of the program that belongs to the release",
    )

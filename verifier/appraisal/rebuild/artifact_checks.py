"""Checks of the artifacts: alike in both builds, as logged, and as they are offered elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from verifier.appraisal.comparison.artifact_difference import artifact_differences
from verifier.appraisal.comparison.difference import Difference
from verifier.appraisal.findings import Finding, FindingClass, Status, failed, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES, BuildEnd, Rebuilt
from verifier.release.cvm_release import Artifact

__all__ = ["ARTIFACT_CHECKS", "Told", "appraise_artifacts"]

ARTIFACT_CHECKS = ("rebuild.reproducible", "rebuild.artifact")
"""The checks of this module that every rebuild needs."""

_ROLES = {name: role for role, name in BUILT_FILES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The differences of one artifact; ``left`` and ``right`` say of which two copies."""

    name: str
    left: str
    right: str
    left_bytes: bytes
    right_bytes: bytes
    differences: tuple[Difference, ...]


def appraise_artifacts(
    ledger: Ledger, artifacts: tuple[Artifact, ...], rebuilt: Rebuilt
) -> tuple[Told, ...]:
    """Record findings for ``ARTIFACT_CHECKS`` and for files that were offered; tell differences."""
    told: list[Told] = []
    ledger.record(_offered(artifacts, rebuilt, told))
    if not rebuilt.builds or any(build.end is not BuildEnd.DONE for build in rebuilt.builds):
        ledger.skip(ARTIFACT_CHECKS, reason="no two builds came out", source="builds")
        return tuple(told)
    first, second = (build.outputs for build in rebuilt.builds)
    ledger.record(_reproducible(first, second, told))
    ledger.record(_logged(artifacts, first, rebuilt.offered, told))
    return tuple(told)


def _digest(raw: bytes) -> str:
    return f"{len(raw)} bytes, sha256 {sha256(raw).hexdigest()}"


def _logged_digest(artifact: Artifact) -> str:
    return f"{artifact.size} bytes, sha256 {artifact.sha256.hex()}"


def _is_logged(artifact: Artifact, raw: bytes) -> bool:
    return len(raw) == artifact.size and sha256(raw).digest() == artifact.sha256


def _copy(artifact: Artifact, offered: Mapping[str, bytes]) -> bytes | None:
    names = (artifact.name, BUILT_FILES.get(artifact.role, artifact.name))
    return next((offered[name] for name in names if name in offered), None)


def _compare(
    name: str, role: str, left: tuple[str, bytes], right: tuple[str, bytes], told: list[Told]
) -> str:
    """The first difference of two unequal copies in words. All of them are added to ``told``."""
    differences = artifact_differences(role, released=left[1], built=right[1])
    told.append(
        Told(
            name=name,
            left=left[0],
            right=right[0],
            left_bytes=left[1],
            right_bytes=right[1],
            differences=differences,
        )
    )
    first = differences[0]  # the two are not the same, so there is one
    return f"first difference: {first.place}: {left[0]} {first.expected}, {right[0]} {first.got}"


def _offered(
    artifacts: tuple[Artifact, ...], rebuilt: Rebuilt, told: list[Told]
) -> Iterator[Finding]:
    built = rebuilt.builds[0].outputs if rebuilt.builds else {}
    for artifact in artifacts:
        offered = _copy(artifact, rebuilt.offered)
        if offered is None:
            continue
        if _is_logged(artifact, offered):
            got = "as logged"
            status = Status.PASS
        else:
            status, got = Status.FAIL, _digest(offered)
            ours = built.get(BUILT_FILES.get(artifact.role, ""))
            if ours is not None and _is_logged(artifact, ours):
                words = _compare(
                    artifact.name, artifact.role, ("rebuilt", ours), ("offered", offered), told
                )
                got = f"{got}; {words}"
        yield finding(
            "rebuild.released",
            status,
            expected=_logged_digest(artifact),
            got=f"{artifact.name}: {got}",
            source=artifact.name,
        )


def _reproducible(
    first: Mapping[str, bytes], second: Mapping[str, bytes], told: list[Told]
) -> Iterator[Finding]:
    check = "rebuild.reproducible"
    names = sorted({*first, *second}, key=lambda name: (_place(name), name))
    alike = True
    for name in names:
        left, right = first.get(name), second.get(name)
        if left == right:
            continue
        alike = False
        if left is None or right is None:
            got = f"{name}: only one of the two builds made it"
        else:
            role = _ROLES.get(name, "")
            sides = ("first build", left), ("second build", right)
            got = f"{name}: {_compare(name, role, *sides, told)}"
        yield failed(check, expected="the same bytes from both builds", got=got, source=name)
    if alike:
        got = f"{len(names)} files, the same in both builds"
        expected = "the same bytes from both builds"
        yield finding(check, Status.PASS, expected=expected, got=got, source="builds")


def _place(name: str) -> int:
    order = tuple(BUILT_FILES.values())
    return order.index(name) if name in order else len(order)


def _logged(
    artifacts: tuple[Artifact, ...],
    built: Mapping[str, bytes],
    offered: Mapping[str, bytes],
    told: list[Told],
) -> Iterator[Finding]:
    by_place = sorted(
        artifacts, key=lambda item: (_place(BUILT_FILES.get(item.role, "")), item.name)
    )
    made = [artifact for artifact in by_place if artifact.role in BUILT_FILES]
    for artifact in made:
        yield _artifact(artifact, built.get(BUILT_FILES[artifact.role]), offered, told)
    missing = [
        role
        for role in ("firmware", "kernel", "initrd", "command-line")
        if role not in {artifact.role for artifact in made}
    ]
    for role in missing:
        yield failed(
            "rebuild.artifact",
            expected=f"an artifact of the role {role} in the release",
            got="the release states none, and the build makes one",
            source=role,
            cls=FindingClass.INPUT,
        )
    yield _coverage([artifact for artifact in by_place if artifact.role not in BUILT_FILES])


def _artifact(
    artifact: Artifact, built: bytes | None, offered: Mapping[str, bytes], told: list[Told]
) -> Finding:
    check, source, expected = "rebuild.artifact", artifact.name, _logged_digest(artifact)
    if built is None:
        got = f"the build made no {BUILT_FILES[artifact.role]}"
        return failed(check, expected=expected, got=got, source=source)
    if _is_logged(artifact, built):
        got = f"{source}: {_digest(built)}"
        return finding(check, Status.PASS, expected=expected, got=got, source=source)
    released = _copy(artifact, offered)
    if released is None or not _is_logged(artifact, released):
        hint = "give the released file (--artifacts DIR) to see what differs first"
        return failed(check, expected=expected, got=_digest(built), source=source, hint=hint)
    sides = ("released", released), ("rebuilt", built)
    words = _compare(artifact.name, artifact.role, *sides, told)
    return failed(check, expected=expected, got=f"{_digest(built)}; {words}", source=source)


def _coverage(unbuilt: list[Artifact]) -> Finding:
    names = ", ".join(f"{artifact.name} ({artifact.role})" for artifact in unbuilt)
    return finding(
        "rebuild.coverage",
        Status.SKIP if unbuilt else Status.PASS,
        expected="a file of the build for every artifact of the release",
        got=f"not checked: no build makes {names}" if unbuilt else "every artifact is built",
        source="release-entry",
        cls=FindingClass.POLICY,
    )

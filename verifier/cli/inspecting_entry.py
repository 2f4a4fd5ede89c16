"""What a log entry says of itself, in lines, by kind. Verifies nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from verifier.release.announcement import Announcement
from verifier.release.cvm_release import CvmRelease, MeasurementRow, TcbFloor
from verifier.release.entry import Content, Entry
from verifier.release.host_identity import HostIdentity
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.log_policy import LogPolicy
from verifier.release.rebuild import Rebuild
from verifier.release.revocation import Revocation

__all__ = ["describe_entry", "line"]

_Lines = Iterator[tuple[str, object]]


def line(name: str, value: object) -> str:
    """One line of a description."""
    return f"{name:<26}{value}"


def describe_entry(entry: Entry) -> Iterator[str]:
    """_Lines about a log entry of any kind."""
    yield line("entry", f"{entry.kind}, {len(entry.raw)} bytes")
    for signature in entry.envelope.signatures:
        yield line("signature by", signature.keyid)
    for name, value in _lines(entry.content):
        yield line(name, value)


def _lines(content: Content) -> _Lines:  # noqa: PLR0911 - one way out for each kind
    if isinstance(content, CvmRelease):
        return _release(content)
    if isinstance(content, KeyConfiguration):
        return _keys(content)
    if isinstance(content, HostIdentity):
        return _hosts(content)
    if isinstance(content, Revocation):
        return _revocation(content)
    if isinstance(content, LogPolicy):
        return _policy(content)
    if isinstance(content, Rebuild):
        return _rebuild(content)
    if isinstance(content, Announcement):
        return _announcement(content)
    return iter(
        (
            *_floors(content.floors),
            ("since", _time(content.since)),
            ("source", f"{content.source} of {_time(content.source_date)}"),
        )
    )


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _release(release: CvmRelease) -> _Lines:
    yield "role", release.role
    yield "product", f"{release.product} {release.version}"
    yield "security version", release.security_version
    yield "not after", _time(release.not_after)
    for artifact in release.artifacts:
        size = f"{artifact.size} bytes"
        yield artifact.role, f"{artifact.name}, {size}, sha256 {artifact.sha256.hex()}"
    yield from _measurements(release.measurements)
    promised = release.expected_evidence
    yield "expected evidence", f"{', '.join(promised.tees)}, VMPL {promised.vmpls}"
    yield from _floors(promised.minimum_tcb)
    yield "build recipe", release.build.recipe
    yield "source sha256", release.build.source_sha256.hex()
    yield "lock sha256", release.build.lock_sha256.hex()


def _measurements(rows: tuple[MeasurementRow, ...]) -> _Lines:
    for row in rows:
        launch = f"{row.vmm}, {row.vcpus} vCPUs of {row.vcpu_signature:#x}"
        features = f"features {row.guest_features:#x}"
        yield f"measurement {row.platform}", f"{launch}, {features}: {row.value.hex()}"


def _floors(floors: tuple[TcbFloor, ...]) -> _Lines:
    for floor in floors:
        levels = " ".join(f"{name} {level}" for name, level in floor.components)
        yield f"TCB floor {floor.product}", levels


def _keys(configuration: KeyConfiguration) -> _Lines:
    yield "role", configuration.role
    yield "not before", _time(configuration.not_before)
    yield "not after", _time(configuration.not_after)
    for key in configuration.keys:
        yield f"{key.use} key", f"{key.name}, key ID {key.key_id.hex()}, {' '.join(key.algorithms)}"
        yield "encoded", key.encoded.hex()


def _hosts(identity: HostIdentity) -> _Lines:
    yield "operator", identity.operator
    yield "not before", _time(identity.not_before)
    yield "not after", _time(identity.not_after)
    for host in identity.hosts:
        yield f"host {host.product}", f"{host.name}, digest {host.digest.hex()}"


def _revocation(revocation: Revocation) -> _Lines:
    yield "since", _time(revocation.since)
    yield "reason", f"{revocation.reason}: {revocation.text}"
    for item in revocation.withdrawn:
        key = "" if item.key is None else f", {item.key.vkey}"
        yield f"withdrawn {item.sort}", f"{item.name}, sha256 {item.digest.hex()}{key}"


def _policy(policy: LogPolicy) -> _Lines:
    yield "origin", policy.origin
    yield "sequence", policy.sequence
    for key in policy.administrators.keys:
        yield "administrator", key.vkey
    yield "administrators to sign", policy.administrators.threshold
    for rule in policy.kinds:
        latest = rule.latest_not_after
        horizon = "" if latest is None else f", not after {_time(latest)}"
        limits = f"{rule.threshold} to sign, at most {rule.maximum_size} bytes{horizon}"
        yield f"admits {rule.kind}", limits
    for submitter in policy.submitters:
        yield "submitter", submitter.key.vkey
        yield "  of", ", ".join(submitter.kinds)
        for scope in submitter.releases:
            yield "  releases", f"role {scope.role} of {scope.product}"


def _rebuild(rebuild: Rebuild) -> _Lines:
    yield "release entry sha256", rebuild.release.hex()
    yield "rebuilder", rebuild.rebuilder
    yield "outcome", rebuild.outcome
    if rebuild.first_difference:
        yield "first difference", rebuild.first_difference
    yield from _measurements(rebuild.measurements)
    yield "finished", _time(rebuild.finished)


def _announcement(announcement: Announcement) -> _Lines:
    yield "will change", announcement.change
    yield "role", announcement.role
    yield "product", announcement.product
    yield "not before", _time(announcement.not_before)
    yield "text", announcement.text

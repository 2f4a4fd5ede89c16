"""``cvm-release/v1``: one released confidential VM, and what evidence must show of it.

Source: design section 4; schemas/cvm-release.v1.schema.json is the public contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.errors import ParseError
from verifier.release.statement import NAME, ROLE, Statement
from verifier.tlog.json_object import JsonObject

__all__ = [
    "ARTIFACT_ROLES",
    "PREDICATE_TYPE",
    "TCB_COMPONENTS",
    "Artifact",
    "Build",
    "CvmRelease",
    "ExpectedEvidence",
    "MeasurementRow",
    "TcbFloor",
    "parse_cvm_release",
    "read_floors",
    "read_measurements",
]

PREDICATE_TYPE = "urn:cvm-audit:cvm-release:v1"

ARTIFACT_ROLES = (
    "acpi-tables",
    "command-line",
    "firmware",
    "guest-policy",
    "image-manifest",
    "initrd",
    "kernel",
    "kernel-config",
    "launch-inputs",
    "model-manifest",
    "sbom",
    "vmm-command",
)

TCB_COMPONENTS = {
    "Milan": ("bootloader", "tee", "snp", "microcode"),
    "Genoa": ("bootloader", "tee", "snp", "microcode"),
    "Turin": ("fmc", "bootloader", "tee", "snp", "microcode"),
}
"""Components of a TCB by AMD product line (SNP ABI, TCB_VERSION)."""

_MEASUREMENTS_MAX = 4096
# Of an artifact, whose name becomes that of a file: no part of it may lead anywhere else.
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A released file: its digest, and untrusted hints where to find it.

    ``size`` is in bytes. Whatever a location yields counts only if ``sha256`` matches.
    """

    name: str
    role: str
    size: int
    sha256: bytes
    locations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One row of the measurement matrix: a launch configuration and its launch measurement.

    ``value`` is the 48-byte SNP launch digest; ``vcpu_signature`` is CPUID 1 EAX.
    """

    platform: str
    vmm: str
    vcpus: int
    vcpu_signature: int
    guest_features: int
    value: bytes


@dataclass(frozen=True, slots=True)
class TcbFloor:
    """Lowest TCB accepted on one product line, as (component, level) pairs."""

    product: str
    components: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ExpectedEvidence:
    """Which evidence a machine that runs this release must present."""

    tees: tuple[str, ...]
    vmpls: tuple[int, ...]
    debug: bool
    migrate_ma: bool
    minimum_tcb: tuple[TcbFloor, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """How to rebuild: recipe name, SHA-256 of the source tree and of the lock of its inputs."""

    recipe: str
    source_sha256: bytes
    lock_sha256: bytes


@dataclass(frozen=True, slots=True)
class CvmRelease:
    """A parsed release; nobody vouches for it yet."""

    role: str
    product: str
    version: str
    security_version: int
    artifacts: tuple[Artifact, ...]
    measurements: tuple[MeasurementRow, ...]
    expected_evidence: ExpectedEvidence
    build: Build
    not_after: datetime


def parse_cvm_release(statement: Statement) -> CvmRelease:
    """Read the predicate and join each artifact with its subject. Raises ParseError."""
    predicate = statement.predicate
    release = CvmRelease(
        role=predicate.text("role", pattern=ROLE),
        product=predicate.text("product", pattern=NAME),
        version=predicate.text("version", pattern=r"[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}"),
        security_version=predicate.integer("securityVersion", maximum=2**32 - 1),
        artifacts=_artifacts(statement),
        measurements=read_measurements(predicate, minimum=1),
        expected_evidence=_expected_evidence(predicate.object("expectedEvidence")),
        build=_build(predicate.object("build")),
        not_after=predicate.timestamp("notAfter"),
    )
    predicate.end()
    return release


def _artifacts(statement: Statement) -> tuple[Artifact, ...]:
    digests = {subject.name: subject.sha256 for subject in statement.subjects}
    artifacts = tuple(
        _artifact(item, digests) for item in statement.predicate.objects("artifacts", minimum=1)
    )
    if digests:  # each artifact removed its subject: what is left has no artifact
        name = next(iter(digests))
        raise ParseError(
            "statement.subject", expected="an artifact for each", got=f"none for {name}"
        )
    return artifacts


def _artifact(item: JsonObject, digests: dict[str, bytes]) -> Artifact:
    name = item.text("name", pattern=_FILE_NAME)
    if name not in digests:
        raise item.refuse("name", expected="a subject, named once", got=name)
    artifact = Artifact(
        name=name,
        role=item.choice("role", ARTIFACT_ROLES),
        size=item.integer("size"),
        sha256=digests.pop(name),
        locations=item.texts("locations"),
    )
    item.end()
    return artifact


def read_measurements(predicate: JsonObject, *, minimum: int) -> tuple[MeasurementRow, ...]:
    """Read the member ``measurements``: at least ``minimum`` rows of the matrix.

    Raises ParseError, also for two rows of one launch configuration.
    """
    members = predicate.objects("measurements", minimum=minimum)
    rows = tuple(_measurement(item) for item in members)
    keys = [
        (row.platform, row.vmm, row.vcpus, row.vcpu_signature, row.guest_features) for row in rows
    ]
    if len(set(keys)) != len(keys):
        expected = "one row for each launch configuration"
        raise predicate.refuse("measurements", expected=expected, got="two for one of them")
    return rows


def _measurement(item: JsonObject) -> MeasurementRow:
    row = MeasurementRow(
        platform=item.choice("platform", ("sev-snp",)),
        vmm=item.choice("vmm", ("qemu", "ec2", "gce")),
        vcpus=item.integer("vcpus", minimum=1, maximum=_MEASUREMENTS_MAX),
        vcpu_signature=item.hex_integer("vcpuSignature", maximum=2**32 - 1),
        guest_features=item.hex_integer("guestFeatures"),
        value=item.hex("value", size=48),
    )
    item.end()
    return row


def _expected_evidence(item: JsonObject) -> ExpectedEvidence:
    tees = item.texts("tees", pattern=r"sev-snp", minimum=1)
    item.texts("gpus", pattern=r"(?!)")  # no GPU evidence is judged yet: the list must be empty
    vmpls = item.array("vmpls", minimum=1, maximum=4)
    if any(type(vmpl) is not int or not 0 <= vmpl <= 3 for vmpl in vmpls):
        raise item.refuse("vmpls", expected="integers 0 to 3", got=str(vmpls)[:60])
    guest_policy = item.object("guestPolicy")
    debug, migrate_ma = guest_policy.boolean("debug"), guest_policy.boolean("migrateMa")
    guest_policy.end()
    minimum_tcb = read_floors(item, "minimumTcb")
    item.end()
    return ExpectedEvidence(tees, vmpls, debug, migrate_ma, minimum_tcb)


def read_floors(item: JsonObject, name: str) -> tuple[TcbFloor, ...]:
    """Read the member ``name``: product line to floor. Raises ParseError."""
    floors = item.object(name)
    return tuple(_floor(floors, product) for product in floors.names())


def _floor(floors: JsonObject, product: str) -> TcbFloor:
    if product not in TCB_COMPONENTS:
        raise floors.refuse(product, expected=" or ".join(TCB_COMPONENTS), got="unknown product")
    floor = floors.object(product)
    names = TCB_COMPONENTS[product]
    components = tuple((name, floor.integer(name, maximum=255)) for name in names)
    floor.end()
    return TcbFloor(product, components)


def _build(item: JsonObject) -> Build:
    build = Build(
        recipe=item.text("recipe"),
        source_sha256=item.hex("sourceSha256", size=32),
        lock_sha256=item.hex("lockSha256", size=32),
    )
    item.end()
    return build

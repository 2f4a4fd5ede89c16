"""The manifest that a build of the reference image leaves beside its artifacts, believed by no one.

It says of itself what a release must state: recipe, source and lock, and every artifact by role,
size and digest. Source: schemas/image-manifest.v1.schema.json; docs/spec/image.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.release.cvm_release import ARTIFACT_ROLES, Artifact, Build
from verifier.release.statement import NAME
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import first_repeated, parse_json

__all__ = ["ImageManifest", "parse_image_manifest"]

_SCHEMA = "cvm-audit/image-manifest/v1"
_WHAT = "image manifest"
_MAX_BYTES = 16 * 1024 * 1024  # that of the reference image has 150 kB
_MAX_ARTIFACTS = 64  # as many files as a build may leave


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """Of what the image was built, and which files came out; no artifact has a location."""

    build: Build
    artifacts: tuple[Artifact, ...]


def parse_image_manifest(raw: bytes) -> ImageManifest:
    """Read what a release needs; what the initrd holds and came from is for whoever reads it.

    Raises ParseError.
    """
    if len(raw) > _MAX_BYTES:
        raise ParseError(_WHAT, expected=f"at most {_MAX_BYTES} bytes", got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    document.choice("schema", (_SCHEMA,))
    build = Build(
        recipe=document.text("recipe"),
        source_sha256=document.hex("sourceSha256", size=32),
        lock_sha256=document.hex("lockSha256", size=32),
    )
    artifacts = tuple(_artifact(item) for item in document.objects("artifacts", minimum=1))
    if len(artifacts) > _MAX_ARTIFACTS:
        expected = f"at most {_MAX_ARTIFACTS}"
        raise document.refuse("artifacts", expected=expected, got=str(len(artifacts)))
    twice = first_repeated(artifact.name for artifact in artifacts)
    if twice is not None:
        raise document.refuse("artifacts", expected="each name once", got=f"{twice} twice")
    return ImageManifest(build, artifacts)


def _artifact(item: JsonObject) -> Artifact:
    artifact = Artifact(
        name=item.text("name", pattern=NAME),
        role=item.choice("role", ARTIFACT_ROLES),
        size=item.integer("size"),
        sha256=item.hex("sha256", size=32),
        locations=(),
    )
    item.end()
    return artifact

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.making import changed
from verifier.errors import ParseError
from verifier.release.cvm_release import Artifact, Build
from verifier.release.image_manifest import ImageManifest, parse_image_manifest

DOCUMENT: dict[str, Any] = {
    "schema": "cvm-audit/image-manifest/v1",
    "recipe": "reference-cvm/1",
    "sourceSha256": "aa" * 32,
    "lockSha256": "bb" * 32,
    "artifacts": [
        {"name": "kernel.bin", "role": "kernel", "size": 5, "sha256": "01" * 32},
        {"name": "guest-policy.json", "role": "guest-policy", "size": 6, "sha256": "02" * 32},
    ],
    "initrd": [{"path": "init"}],
}


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def test_a_manifest_is_read() -> None:
    assert parse_image_manifest(encoded(DOCUMENT)) == ImageManifest(
        Build("reference-cvm/1", b"\xaa" * 32, b"\xbb" * 32),
        (
            Artifact("kernel.bin", "kernel", 5, b"\x01" * 32, ()),
            Artifact("guest-policy.json", "guest-policy", 6, b"\x02" * 32, ()),
        ),
    )


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("schema", "cvm-audit/image-manifest/v2", "image manifest.schema"),
        ("recipe", ..., "image manifest.recipe"),
        ("sourceSha256", "aa", "image manifest.sourceSha256"),
        ("lockSha256", 1, "image manifest.lockSha256"),
        ("artifacts", [], "image manifest.artifacts"),
        ("artifacts/0/name", "../x", "image manifest.artifacts[0].name"),
        ("artifacts/0/name", "guest-policy.json", "image manifest.artifacts"),
        ("artifacts/1/role", "poem", "image manifest.artifacts[1].role"),
        ("artifacts/1/size", -1, "image manifest.artifacts[1].size"),
        ("artifacts/1/sha256", "0", "image manifest.artifacts[1].sha256"),
        ("artifacts/1/more", 1, "image manifest.artifacts[1]"),
    ],
)
def test_another_manifest_is_refused(path: str, value: Any, what: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_image_manifest(encoded(changed(DOCUMENT, path, value)))
    assert caught.value.what == what


def test_more_artifacts_than_a_build_may_leave_are_refused() -> None:
    first = DOCUMENT["artifacts"][0]
    many = [first | {"name": f"kernel-{number}.bin"} for number in range(65)]
    assert len(parse_image_manifest(encoded(DOCUMENT | {"artifacts": many[1:]})).artifacts) == 64
    with pytest.raises(ParseError) as caught:
        parse_image_manifest(encoded(DOCUMENT | {"artifacts": many}))
    assert (caught.value.what, caught.value.expected) == ("image manifest.artifacts", "at most 64")
    assert caught.value.got == "65"


def test_a_manifest_that_is_too_long_is_not_parsed() -> None:
    longest = encoded(DOCUMENT).ljust(16 * 1024 * 1024)
    assert parse_image_manifest(longest) == parse_image_manifest(encoded(DOCUMENT))
    with pytest.raises(ParseError) as caught:
        parse_image_manifest(longest + b" ")
    assert (caught.value.what, caught.value.expected) == (
        "image manifest",
        "at most 16777216 bytes",
    )
    assert caught.value.got == "16777217 bytes"

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.making import NOW, bundle, changed
from verifier.errors import ParseError, VerificationError
from verifier.evidence.bundle import (
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST,
    encode_manifest,
    open_bundle,
    parse_bundle,
)
from verifier.evidence.report_data import NONCE_SIZE, report_data_of_nonce

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "bundle.v1.schema.json").read_text("utf-8")
)
CONTENTS = {"snp-report": b"R" * 10, "release-entry": b"{}"}


def test_a_bundle_is_its_manifest_and_its_members() -> None:
    files = bundle(CONTENTS)
    parsed = parse_bundle(files)
    intact = open_bundle(parsed)
    assert intact.content("snp-report") == b"R" * 10
    assert intact.content("snp-vek") is None
    assert MANIFEST not in intact.contents
    assert parsed.captured == NOW
    assert parsed.digest == hashlib.sha256(files[MANIFEST]).digest()


def test_ca_certificates_may_repeat() -> None:
    members = {"a": ("snp-ca", b"1"), "b": ("snp-ca", b"2")}
    files = {"a": b"1", "b": b"2", MANIFEST: encode_manifest(members, captured=NOW)}
    assert open_bundle(parse_bundle(files)).all_contents("snp-ca") == (b"1", b"2")


def test_the_instant_is_written_in_utc_to_the_second() -> None:
    there = timezone(timedelta(hours=2))
    at = datetime(2026, 11, 21, 14, 0, 0, 999_999, tzinfo=there)
    raw = encode_manifest({"a": ("policy", b"")}, captured=at)
    assert parse_bundle({"a": b"", MANIFEST: raw}).captured == NOW.replace(tzinfo=UTC)


def edited(path: str, value: object) -> dict[str, bytes]:
    files = bundle(CONTENTS)
    document = changed(json.loads(files[MANIFEST]), path, value)
    return files | {MANIFEST: json.dumps(document).encode()}


def renamed() -> dict[str, bytes]:
    files = bundle(CONTENTS)
    return files | {"m/other": files.pop("m/snp-report")}


def role_twice() -> dict[str, bytes]:
    document: dict[str, Any] = json.loads(bundle(CONTENTS)[MANIFEST])
    report = next(m for m in document["members"] if m["role"] == "snp-report")
    document["members"].append(report | {"path": "m/again"})
    return bundle(CONTENTS) | {"m/again": b"R" * 10, MANIFEST: json.dumps(document).encode()}


FAULTS: dict[str, tuple[Callable[[], dict[str, bytes]], str, str]] = {
    "no manifest": (lambda: {"a": b""}, "bundle", "it is missing"),
    "manifest of garbage": (lambda: bundle({}) | {MANIFEST: b"\0"}, MANIFEST, "Expecting value"),
    "long manifest": (
        lambda: bundle({}) | {MANIFEST: b" " * (MAX_MANIFEST + 1)},
        MANIFEST,
        "262145 bytes",
    ),
    "too many files": (
        lambda: bundle(CONTENTS) | {f"m/{n}": b"" for n in range(MAX_FILES)},
        "bundle",
        str(MAX_FILES + len(CONTENTS) + 1),
    ),
    "unknown schema": (lambda: edited("schema", "cvm-audit/bundle/v2"), "schema", "bundle/v2"),
    "unknown member": (lambda: edited("note", "x"), MANIFEST, "'note'"),
    "no member": (lambda: edited("members", []), "members", "0"),
    "absolute path": (lambda: edited("members/0/path", "/etc/passwd"), "path", "/etc/passwd"),
    "path that climbs": (lambda: edited("members/0/path", "../x"), "path", "../x"),
    "path twice": (lambda: edited("members/1/path", "m/release-entry"), "path", "twice"),
    "role twice": (role_twice, "role", "snp-report twice"),
    "unknown role": (lambda: edited("members/0/role", "poem"), "role", "poem"),
    "media type of another role": (
        lambda: edited("members/0/mediaType", "text/html"),
        "mediaType",
        "text/html",
    ),
    "negative size": (lambda: edited("members/0/size", -1), "size", "-1"),
    "digest in upper case": (lambda: edited("members/0/sha256", "A" * 64), "sha256", "AAA"),
    "captured without zone": (lambda: edited("captured", "2026-11-21T12:00:00"), "captured", "'"),
    "listed file is missing": (renamed, "bundle member m/snp-report", "it is missing"),
    "file that is not listed": (lambda: bundle(CONTENTS) | {"x": b""}, "bundle", "x"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_bundle_is_refused(name: str) -> None:
    make, what, got = FAULTS[name]
    with pytest.raises(ParseError) as caught:
        parse_bundle(make())
    assert what in caught.value.what
    assert got in caught.value.got


@pytest.mark.parametrize(
    ("content", "expected", "got"),
    [
        (b"R" * 11, "10 bytes", "11 bytes"),
        (
            b"r" * 10,
            "sha256 " + hashlib.sha256(b"R" * 10).hexdigest(),
            "sha256 " + hashlib.sha256(b"r" * 10).hexdigest(),
        ),
    ],
)
def test_a_member_with_other_bytes_is_named(content: bytes, expected: str, got: str) -> None:
    parsed = parse_bundle(bundle(CONTENTS) | {"m/snp-report": content})
    with pytest.raises(VerificationError) as caught:
        open_bundle(parsed)
    assert caught.value.what == "m/snp-report"
    assert (caught.value.expected, caught.value.got) == (expected, got)


def test_the_schema_agrees_with_the_parser() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    assert validator.is_valid(json.loads(bundle(CONTENTS)[MANIFEST]))
    about_files = {
        "no manifest",
        "manifest of garbage",
        "long manifest",
        "too many files",
        "path twice",
        "role twice",
        "listed file is missing",
        "file that is not listed",
    }
    for name, (make, _, _) in FAULTS.items():
        if name not in about_files:
            assert not validator.is_valid(json.loads(make()[MANIFEST])), name


def test_report_data_of_a_nonce_is_bound_to_its_purpose() -> None:
    nonce = bytes(range(NONCE_SIZE))
    expected = hashlib.sha512(b"cvm-audit/report-data/nonce/v1\x00" + nonce).digest()
    assert report_data_of_nonce(nonce) == expected
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        report_data_of_nonce(nonce[1:])

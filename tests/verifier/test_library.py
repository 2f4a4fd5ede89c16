"""The surface for programs: what it names and refuses, and that its example runs as written."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import verifier
from pipeline.platform.simulated_vendor import root_document
from tests.making import NOW, Log, bundle, entry, policy, statement
from tests.running import ROOT
from tests.synthetic_amd import simulated_amd
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.evidence.report_data import report_data_of_nonce

AMD = simulated_amd()
NONCE = bytes(range(32))
MEASUREMENT = b"\x11" * 48
ENTRY = entry(statement(MEASUREMENT))
LOG = Log((b"one", ENTRY))
REPORT = AMD.report(report_data=report_data_of_nonce(NONCE), measurement=MEASUREMENT)
CONTENTS = {
    "snp-report": REPORT,
    "snp-vek": AMD.vek(),
    "snp-crl": AMD.crl(),
    "release-entry": ENTRY,
    "release-proof": LOG.proof(1),
    "nonce": NONCE,
}
WHOLE = policy(LOG, report_data="nonce", crl="fresh")
ALONE = policy(
    require=("evidence",), report_data="nonce", crl="fresh", measurement=[MEASUREMENT.hex()]
)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def verified(
    found: Path | dict[str, bytes] | bytes, nonce: bytes | None = NONCE
) -> verifier.Verified:
    return verifier.verify_bundle(
        found, policy=verifier.parse_policy(WHOLE), roots=(AMD.root,), now=NOW, nonce=nonce
    )


def report(rules: bytes, **changes: bytes | None) -> verifier.Verified:
    pieces = {"vek": CONTENTS["snp-vek"], "crl": CONTENTS["snp-crl"]} | changes
    return verifier.verify_report(
        REPORT,
        vek=pieces["vek"],
        crl=pieces["crl"],
        policy=verifier.parse_policy(rules),
        roots=(AMD.root,),
        now=NOW,
        nonce=NONCE,
    )


def test_the_surface_is_what_it_says() -> None:
    surface = [
        "AMD_ROOTS", "AttestedClient", "AuditError", "Deployment", "DirectEndpoint", "Feature",
        "FeatureOffError", "FetchError", "Finding", "FindingClass", "NotVerifiedError", "Outcome",
        "ParseError", "Policy", "PolicyError", "PrivatePath", "Status", "UnsupportedError",
        "Verdict", "VerificationError", "Verified", "__version__", "appraise_bundle",
        "appraise_report", "load_policy", "load_simulated_root", "parse_policy", "verify_bundle",
        "verify_report",
    ]  # fmt: skip
    assert verifier.__all__ == surface
    assert set(surface) <= set(dir(verifier))
    starred: dict[str, object] = {}
    exec("from verifier import *", starred)  # noqa: S102 - what is tested is the statement itself
    assert set(surface) <= set(starred)
    assert all(getattr(verifier, name).__doc__ for name in surface)
    assert (ROOT / "verifier" / "py.typed").is_file()


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'verifier' has no attribute 'verify'"):
        _ = verifier.verify  # type: ignore[attr-defined] # which is what is tested


def test_every_name_is_documented() -> None:
    text = (ROOT / "docs" / "library.md").read_text("utf-8")
    undocumented = {
        "__version__",
        "UnsupportedError",
    }  # the first is plain, nothing raises the last
    for name in set(verifier.__all__) - undocumented:
        assert f"`{name}" in text, name


def test_a_bundle_is_verified_from_folder_tar_bytes_and_mapping(tmp_path: Path) -> None:
    files = bundle(CONTENTS)
    tar = encode_bundle_tar(files)
    (tmp_path / "bundle.tar").write_bytes(tar)
    folder = written(tmp_path / "bundle", files)
    verdicts = [verified(f).verdict for f in (folder, tmp_path / "bundle.tar", tar, files)]
    assert {verdict.outcome for verdict in verdicts} == {verifier.Outcome.VERIFIED}
    assert verdicts[0] == verdicts[3]
    assert verdicts[0].platform == "simulated"


def test_what_is_verified_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        verified(bundle(CONTENTS)).verdict = None  # type: ignore[misc, assignment] # it is refused


def test_a_failed_bundle_is_an_exception_with_its_verdict() -> None:
    other = bundle(CONTENTS | {"snp-report": AMD.report(measurement=b"\x12" * 48)})
    with pytest.raises(verifier.NotVerifiedError) as caught:
        verified(other)
    verdict = caught.value.verdict
    assert verdict.outcome is verifier.Outcome.FAILED
    first = next(f for f in verdict.findings if f.status is verifier.Status.FAIL)
    assert caught.value.got == f"FAILED: {first.check}: {first.got}"
    assert (caught.value.what, caught.value.expected) == ("bundle", "VERIFIED")
    assert isinstance(caught.value, verifier.VerificationError)


def test_a_report_is_verified_alone() -> None:
    assert report(ALONE).verdict.target.kind == "snp-report"


def test_partial_is_not_verified() -> None:
    with pytest.raises(verifier.NotVerifiedError) as caught:
        report(policy(require=("evidence",), measurement={"not_checked": "any"}))
    assert caught.value.verdict.outcome is verifier.Outcome.PARTIAL
    assert caught.value.got == "PARTIAL: not proven: snp.measurement, snp.report_data"


@pytest.mark.parametrize(
    ("missing", "got"),
    [
        ("crl", "NOT DETERMINED: snp.crl.format: not checked: there is no CRL"),
        ("vek", "NOT DETERMINED: snp.vek.format: it is missing"),
    ],
)
def test_what_nobody_gave_is_not_verified(missing: str, got: str) -> None:
    with pytest.raises(verifier.NotVerifiedError) as caught:
        report(ALONE, **{missing: None})
    assert caught.value.got == got


def test_a_nonce_that_the_bundle_does_not_answer_is_refused() -> None:
    with pytest.raises(verifier.NotVerifiedError, match=r"snp\.report_data"):
        verified(bundle(CONTENTS), nonce=bytes(32))


def test_a_wrong_caller_is_told() -> None:
    with pytest.raises(ValueError, match="a nonce has 32 bytes, not 31"):
        verified(bundle(CONTENTS), nonce=bytes(31))
    with pytest.raises(ValueError, match="now has no time zone"):
        verifier.appraise_bundle(
            bundle(CONTENTS),
            policy=verifier.parse_policy(WHOLE),
            roots=(AMD.root,),
            now=NOW.replace(tzinfo=None),
            nonce=None,
        )


def test_policies_by_name_and_by_path(tmp_path: Path) -> None:
    assert verifier.load_policy("hardware-2026-11").name == "hardware-2026-11"
    (tmp_path / "p.toml").write_bytes(WHOLE)
    assert verifier.load_policy(tmp_path / "p.toml").name == "test-policy"
    with pytest.raises(verifier.PolicyError) as unknown:
        verifier.load_policy("hardware")
    assert unknown.value.got == "hardware"
    assert unknown.value.expected.endswith("; a file is given as a Path")
    with pytest.raises(verifier.FetchError) as unread:
        verifier.load_policy(tmp_path / "none.toml")
    assert unread.value.got == "No such file or directory"
    (tmp_path / "large.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(verifier.PolicyError) as large:
        verifier.load_policy(tmp_path / "large.toml")
    assert (large.value.expected, large.value.got) == ("at most 1048576 bytes", "more")


def test_simulated_roots(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(root_document(AMD.vendor))
    assert verifier.load_simulated_root(tmp_path / "root.json") == AMD.root
    (tmp_path / "bad.json").write_bytes(b"{}")
    with pytest.raises(verifier.PolicyError):
        verifier.load_simulated_root(tmp_path / "bad.json")


def test_the_example_runs_as_written(tmp_path: Path) -> None:
    files = {f"bundle/{name}": data for name, data in bundle(CONTENTS).items()}
    files |= {
        "policy.toml": policy(LOG, report_data="nonce"),
        "root.json": root_document(AMD.vendor),
    }
    written(tmp_path, files)
    paths = [str(tmp_path / name) for name in ("bundle", "policy.toml", "root.json")]
    example = [sys.executable, str(ROOT / "examples" / "verify_bundle.py")]

    def ran(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*example, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PYTHONPATH": str(ROOT)},
        )
        assert not done.stderr
        return done.returncode, done.stdout

    code, out = ran(*paths)
    assert (code, out.split(":")[0]) == (0, "VERIFIED on simulated")
    code, out = ran(*paths[:2])
    assert code == 1
    assert out.startswith("snp.vek.issuer: expected ")
    assert ran(paths[0], str(tmp_path / "none.toml"))[0] == 2

"""The whole main job on a genuine, hardware-signed report: log, prove, bundle, judge.

The Milan report and its published launch inputs come from Dstack-TEE/dstack (the vectors' manifest
names commit and licence). Everything else is made here, through the programs.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.dstack import dstack_document, dstack_report
from tests.making import changed, publisher, statement
from tests.running import ROOT, Ran, cvm_audit, cvm_log, served
from verifier.errors import ParseError
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.measurement.sev_snp import launch_digest, parse_launch_inputs
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import parse_entry
from verifier.tlog.proof import TlogProof, encode_tlog_proof, parse_tlog_proof

AT = "2026-11-21T12:00:00Z"
VERDICT_SCHEMA = json.loads((ROOT / "schemas" / "verdict.v1.schema.json").read_text("utf-8"))


@dataclass(frozen=True)
class Spine:
    """Where everything is once the release is logged and fetched back."""

    folder: Path
    url: str
    log_key: str
    publisher_key: str
    report: AttestationReport
    measurement: str

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def spine(tmp_path_factory: pytest.TempPathFactory, vectors: Path) -> Any:
    folder = tmp_path_factory.mktemp("spine")
    report = parse_report(dstack_report(vectors))
    (folder / "report.bin").write_bytes(report.raw)
    vek = vectors / "snp" / "certs" / "milan-v3-vcek-dstack-a20e02.vcek.der"
    shutil.copy(vek, folder / "vek.der")
    inputs = dstack_document(vectors)
    (folder / "launch-inputs.json").write_bytes(inputs)
    measured = cvm_audit("measure", "sev-snp", "--launch-inputs", folder / "launch-inputs.json")
    assert measured.code == 0
    log_key = cvm_log("init", folder / "log", "--origin", "spine.invalid/log").out.strip()
    keygen = ("release", "keygen", "--name", "spine.invalid/publisher")
    publisher_key = cvm_audit(*keygen, "-o", folder / "publisher.key").out.strip()
    with served(folder / "log") as url:
        made = Spine(folder, url, log_key, publisher_key, report, measured.out.strip())
        # An unrelated release first, so that the proof has a hash in it.
        publish(made, "other", release_document(made, inputs, version="0.0.1"))
        publish(made, "published", release_document(made, inputs))
        fetched = cvm_audit(
            "release", "fetch", "--index", 1, "--log", url, "--vkey", log_key,
            "-o", folder / "release",
        )  # fmt: skip
        assert fetched.code == 0, fetched.err
        write_policy(made, "policy.toml")
        capture(made, "bundle")
        yield made


def release_document(spine: Spine, inputs: bytes, **predicate: Any) -> dict[str, Any]:
    """The release whose measurement the hardware signed, with its launch inputs as artifact."""
    document = statement(
        artifacts=[
            {
                "name": "launch-inputs.json",
                "role": "launch-inputs",
                "size": len(inputs),
                "locations": [],
            }
        ],
        measurements=[
            {
                "platform": "sev-snp",
                "vmm": "qemu",
                "vcpus": 2,
                "vcpuSignature": "0x800f12",
                "guestFeatures": "0x1",
                "value": spine.measurement,
            }
        ],
        **predicate,
    )
    subject = [{"name": "launch-inputs.json", "digest": {"sha256": sha256(inputs).hexdigest()}}]
    return document | {"subject": subject}


def publish(spine: Spine, name: str, document: dict[str, Any]) -> None:
    source = spine.path(f"{name}.statement.json")
    source.write_text(json.dumps(document))
    ran = cvm_audit(
        "release", "publish", source, "--key", spine.path("publisher.key"),
        "--log", spine.url, "--vkey", spine.log_key, "-o", spine.path(name),
    )  # fmt: skip
    assert ran.code == 0, ran.err


def write_policy(spine: Spine, name: str, **changes: str) -> Path:
    """A policy fit for this report; ``changes`` replace text in it, and must change something."""
    text = f"""\
schema = "cvm-audit/policy/v1"
name = "spine"
base = "hardware-2026-11"
platform = "hardware"
require = ["evidence", "log", "release"]
[log]
policy = "log {spine.log_key}\\nquorum none\\n"
[release]
role = "summariser"
product = "reference-cvm"
publishers = ["{spine.publisher_key}"]
publisher_threshold = 1
identities = []
minimum_security_version = 3
[sev_snp]
products = ["Milan"]
vmpls = [0]
smt = "allowed"
platform_info_required = ["ALIAS_CHECK_COMPLETE", "ECC_EN"]
minimum_firmware = "1.55.29"
crl = {{ not_checked = "the list of that time is not at hand" }}
measurement = "release"
report_data = ["{spine.report.report_data.hex()}"]
host_data = ["{spine.report.host_data.hex()}"]
family_id = ["{spine.report.family_id.hex()}"]
image_id = ["{spine.report.image_id.hex()}"]
id_key = ["{spine.report.id_key_digest.hex()}"]
chip_ids = ["{spine.report.chip_id.hex()}"]
[sev_snp.advisories]
accepted = ["heracles", "CVE-2024-56161", "CVE-2023-20585"]
undecidable = "allowed"
maximum_age_days = 365
[sev_snp.minimum_reported_tcb.Milan]
bootloader = 4
tee = 0
snp = 23
microcode = 213
[sev_snp.minimum_launch_tcb.Milan]
bootloader = 4
tee = 0
snp = 24
microcode = 213
[sev_snp.minimum_committed_tcb.Milan]
bootloader = 4
tee = 0
snp = 23
microcode = 213
"""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    path = spine.path(name)
    path.write_text(text)
    return path


def capture(spine: Spine, name: str, **replaced: Path) -> Path:
    """A bundle, with some of its inputs replaced by others."""
    given = {
        "report": spine.path("report.bin"),
        "vek": spine.path("vek.der"),
        "entry": spine.path("release/entry.json"),
        "proof": spine.path("release/entry.tlog-proof"),
    } | replaced
    options = [word for role, path in given.items() for word in (f"--{role}", path)]
    ran = cvm_audit("evidence", "capture", *options, "--at", AT, "-o", spine.path(name))
    assert ran.code == 0, ran.err
    return spine.path(name)


def judge(bundle: Path, policy: Path, *more: str) -> Ran:
    return cvm_audit("verify", bundle, "--policy", policy, "--at", AT, "--offline", *more)


def test_the_readme_shows_what_the_program_says(spine: Spine) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    good = judge(spine.path("bundle"), spine.path("policy.toml"))
    assert good.last.split("; re-verify: ")[0] in readme
    for check in ("snp.report.signature", "log.inclusion", "release.measurement"):
        (line,) = [line for line in good.out.splitlines() if line.startswith(f"pass  {check} ")]
        assert line.split("]: ")[0] in readme
    raw = bytearray(spine.report.raw)
    raw[0x50] ^= 1
    spine.path("readme.bin").write_bytes(raw)
    bundle = capture(spine, "readme", report=spine.path("readme.bin"))
    bad = judge(bundle, spine.path("policy.toml"))
    lines = bad.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("fail"))
    assert "\n".join(lines[first : first + 5]) in readme
    assert bad.last.split("evidence.platform, ")[0] in readme


def finding(ran: Ran, check: str) -> dict[str, str]:
    found: list[dict[str, str]] = [
        f for f in json.loads(ran.out)["findings"] if f["check"] == check
    ]
    assert len(found) == 1
    return found[0]


def test_the_measurement_is_what_the_hardware_signed(spine: Spine) -> None:
    assert spine.measurement == spine.report.measurement.hex()


@pytest.mark.usefixtures("offline")
def test_the_genuine_report_is_verified_offline(spine: Spine) -> None:
    ran = judge(spine.path("bundle"), spine.path("policy.toml"))
    assert ran.code == 0, ran.out
    assert ran.last.startswith("VERIFIED; ")
    assert "simulated" not in ran.last
    skipped = [line.split()[1] for line in ran.out.splitlines() if line.startswith("skip")]
    assert skipped == [
        "snp.chain.revocation",
        "snp.mitigations",
        "snp.author_key",
        "snp.id_block.fields",
        "host.enrolled",
    ]


def test_the_json_verdict_is_the_same_from_another_folder(spine: Spine, tmp_path: Path) -> None:
    shutil.copytree(spine.path("bundle"), tmp_path / "elsewhere")
    here = judge(spine.path("bundle"), spine.path("policy.toml"), "--format", "json")
    there = judge(tmp_path / "elsewhere", spine.path("policy.toml"), "--format", "json")
    assert here.out == there.out
    document = json.loads(here.out)
    jsonschema.validate(document, VERDICT_SCHEMA)
    assert document["verdict"] == "VERIFIED"


def test_the_printed_command_judges_again(spine: Spine) -> None:
    ran = judge(spine.path("bundle"), spine.path("policy.toml"))
    command = ran.last.split("re-verify: ", 1)[1].split()
    again = cvm_audit(*command[command.index("verify") :])
    assert (again.code, again.out) == (ran.code, ran.out)


def test_without_the_policy_requiring_evidence_it_is_partial(spine: Spine) -> None:
    whole = write_policy(spine, "whole.toml").read_text()
    head = whole[: whole.index("[sev_snp]")]
    path = spine.path("log-only.toml")
    path.write_text(head.replace('["evidence", "log", "release"]', '["log", "release"]'))
    ran = judge(spine.path("bundle"), path)
    assert ran.code == 4
    assert "not proven: snp.report.signature" in ran.last


# Must show 4: change any one thing, and the verdict is FAILED with check, expected and got.


def other_release(spine: Spine, name: str, path: str, value: object) -> Path:
    """The logged release with one member changed, signed and logged anew; its bundle."""
    source = json.loads(spine.path("published.statement.json").read_text())
    publish(spine, name, changed(source, path, value))
    return capture(
        spine,
        f"{name}-bundle",
        entry=spine.path(f"{name}/entry.json"),
        proof=spine.path(f"{name}/entry.tlog-proof"),
    )


def failing(bundle: Path, policy: Path, check: str) -> dict[str, str]:
    ran = judge(bundle, policy, "--format", "json")
    assert ran.code == 1, ran.out
    document = json.loads(ran.out)
    jsonschema.validate(document, VERDICT_SCHEMA)
    assert document["verdict"] == "FAILED"
    failed = [f["check"] for f in document["findings"] if f["status"] == "fail"]
    assert failed == [check]
    found = finding(ran, check)
    assert found["expected"] != found["got"]
    return found


def test_another_measurement_in_the_release(spine: Spine) -> None:
    bundle = other_release(spine, "m", "predicate/measurements/0/value", "00" * 48)
    found = failing(bundle, spine.path("policy.toml"), "release.measurement")
    assert found["expected"] == "00" * 48
    assert found["got"] == spine.report.measurement.hex()


def test_another_byte_in_the_report(spine: Spine) -> None:
    raw = bytearray(spine.report.raw)
    raw[0x90] ^= 1  # the first byte of MEASUREMENT
    path = spine.path("flipped.bin")
    path.write_bytes(raw)
    bundle = capture(spine, "flipped", report=path)
    found = failing(bundle, spine.path("policy.toml"), "snp.report.signature")
    assert found["class"] == "security"


def edited_proof(spine: Spine, name: str, **members: Any) -> Path:
    proof = parse_tlog_proof(spine.path("release/entry.tlog-proof").read_bytes())
    values: dict[str, Any] = {
        "index": proof.index,
        "hashes": proof.hashes,
        "checkpoint_raw": proof.checkpoint_raw,
        "extra": proof.extra,
    }
    path = spine.path(name)
    path.write_bytes(encode_tlog_proof(TlogProof(**(values | members))))
    return path


def test_another_index_in_the_proof(spine: Spine) -> None:
    proof = edited_proof(spine, "index.proof", index=0)
    bundle = capture(spine, "index", proof=proof)
    found = failing(bundle, spine.path("policy.toml"), "log.inclusion")
    assert len(found["expected"]) >= 64


def test_another_root_in_the_checkpoint(spine: Spine) -> None:
    proof = parse_tlog_proof(spine.path("release/entry.tlog-proof").read_bytes())
    lines = proof.checkpoint_raw.split(b"\n")
    lines[2] = b"A" * 43 + b"="
    edited = edited_proof(spine, "root.proof", checkpoint_raw=b"\n".join(lines))
    bundle = capture(spine, "root", proof=edited)
    found = failing(bundle, spine.path("policy.toml"), "log.checkpoint.signature")
    assert "spine.invalid/log" in found["expected"] + found["got"]


def test_another_key_of_the_log(spine: Spine) -> None:
    other = cvm_log("init", spine.path("other-log"), "--origin", "spine.invalid/log").out.strip()
    policy = write_policy(spine, "key.toml", **{spine.log_key: other})
    found = failing(spine.path("bundle"), policy, "log.checkpoint.signature")
    assert other in found["expected"] or other.split("+")[1] in found["expected"]


def test_another_signature_of_the_release(spine: Spine) -> None:
    # The same statement, signed by somebody else and honestly logged.
    from tests.making import entry as signed_by

    stranger = publisher("spine.invalid/stranger", b"S" * 32)
    document = json.loads(spine.path("published.statement.json").read_text())
    raw = signed_by(document, stranger)
    logged = log_raw(spine, raw, "stranger")
    bundle = capture(spine, "stranger-bundle", entry=logged[0], proof=logged[1])
    found = failing(bundle, spine.path("policy.toml"), "release.signature")
    assert "spine.invalid/publisher+" in found["expected"]
    assert "spine.invalid/stranger+" in found["got"]


def log_raw(spine: Spine, raw: bytes, name: str) -> tuple[Path, Path]:
    from verifier.fetch.log import submit_entry

    logged = submit_entry(spine.url, raw)
    entry, proof = spine.path(f"{name}.entry"), spine.path(f"{name}.proof")
    entry.write_bytes(raw)
    proof.write_bytes(logged.proof)
    return entry, proof


@pytest.mark.parametrize(
    ("old", "new", "check", "expected"),
    [
        ("snp = 23", "snp = 24", "snp.tcb.reported_minimum", "at least bl4 tee0 snp24 uc213"),
        ("snp = 24", "snp = 25", "snp.tcb.launch_minimum", "at least bl4 tee0 snp25 uc213"),
        ('role = "summariser"', 'role = "guard"', "release.role", "guard"),
        ('product = "reference-cvm"', 'product = "other"', "release.product", "other"),
        (
            "minimum_security_version = 3",
            "minimum_security_version = 4",
            "release.security_version",
            "at least 4",
        ),
        ('platform = "hardware"', 'platform = "simulated"', "evidence.platform", "simulated"),
        ("vmpls = [0]", "vmpls = [1]", "snp.vmpl", "1"),
        ('smt = "allowed"', 'smt = "forbidden"', "snp.policy.smt", "SMT 0"),
        ('"ECC_EN"', '"TSME_EN"', "snp.platform_info", "ALIAS_CHECK_COMPLETE, TSME_EN"),
        ('"1.55.29"', '"1.55.30"', "snp.firmware.minimum", "at least 1.55.30"),
    ],
)
def test_another_rule_in_the_policy(
    spine: Spine, old: str, new: str, check: str, expected: str
) -> None:
    policy = write_policy(spine, "rule.toml", **{old: new})
    assert failing(spine.path("bundle"), policy, check)["expected"] == expected


def test_another_report_data_host_data_and_chip(spine: Spine) -> None:
    for check, value in (
        ("snp.report_data", spine.report.report_data),
        ("snp.host_data", spine.report.host_data),
        ("snp.chip.enrolled", spine.report.chip_id),
    ):
        other = bytes(len(value) - 1) + b"\x01"
        policy = write_policy(spine, "value.toml", **{f'["{value.hex()}"]': f'["{other.hex()}"]'})
        found = failing(spine.path("bundle"), policy, check)
        assert (found["expected"], found["got"]) == (other.hex(), value.hex())


def test_an_expired_release(spine: Spine) -> None:
    bundle = other_release(spine, "old", "predicate/notAfter", "2026-11-21T11:59:59Z")
    found = failing(bundle, spine.path("policy.toml"), "release.not_after")
    assert found["expected"] == "2026-11-21T11:59:59Z or earlier"


def test_a_release_that_promises_other_evidence(spine: Spine) -> None:
    floor = {"Milan": {"bootloader": 4, "tee": 0, "snp": 99, "microcode": 0}}
    path = "predicate/expectedEvidence/minimumTcb"
    bundle = other_release(spine, "floor", path, floor)
    found = failing(bundle, spine.path("policy.toml"), "release.expected_evidence")
    assert "TCB bl4 tee0 snp23 uc213 below bl4 tee0 snp99 uc0" in found["got"]


def test_every_changed_byte_of_a_bundle_is_noticed(spine: Spine) -> None:
    """One byte a member, and one in bundle.json: never VERIFIED, never a traceback."""
    source = spine.path("bundle")
    for member in sorted(path for path in source.rglob("*") if path.is_file()):
        target = spine.path("one-byte")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        victim = target / member.relative_to(source)
        raw = bytearray(victim.read_bytes())
        raw[len(raw) // 2] ^= 0x20
        victim.write_bytes(raw)
        ran = judge(target, spine.path("policy.toml"), "--format", "json")
        assert ran.code == 1, member
        failed = [f["check"] for f in json.loads(ran.out)["findings"] if f["status"] == "fail"]
        assert failed[0].startswith("bundle."), member


def test_what_was_logged_is_what_was_signed(spine: Spine) -> None:
    published = spine.path("published/entry.json").read_bytes()
    fetched = spine.path("release/entry.json").read_bytes()
    assert published == fetched
    content = parse_entry(fetched).content
    assert isinstance(content, CvmRelease)
    assert content.measurements[0].value == spine.report.measurement


def test_the_vectors_are_what_the_test_says(vectors: Path) -> None:
    report = parse_report(dstack_report(vectors))
    assert launch_digest(parse_launch_inputs(dstack_document(vectors))) == report.measurement
    raw = (vectors / "snp/certs/milan-v3-vcek-dstack-a20e02.vcek.der").read_bytes()
    assert parse_vek_certificate(raw).hw_id == report.chip_id
    with pytest.raises(ParseError):
        parse_report(report.raw[:-1])

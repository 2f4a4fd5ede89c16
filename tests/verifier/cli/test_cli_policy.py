from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.making import NOW, PUBLISHER, Log, bundle, entry, policy, publisher, statement
from tests.running import cvm_audit
from tests.synthetic_amd import CSP_ID, SyntheticAmd, synthetic_amd
from tests.verifier.tlog.signing import witness
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.policy_lint import lint_policy
from verifier.appraisal.policy_pin import encode_toml
from verifier.appraisal.verdict import Outcome
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.snp_root import SnpRoot

AMD = synthetic_amd()
AT = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
NONCE = bytes(range(32))
MEASUREMENT = b"\x11" * 48


# The built-in policies.


DIGESTS = {
    "hardware-2026-11": "85d0fb501d9404e5a88b71ed234ae5dbe976793a0d485d3d59c119cafbc8310b",
    "simulated-2026-11": "8a58e15c9f37a05d00b7ae0655d46d34d578e8052875f4c801b46c66d4ce128f",
}


def test_the_text_of_a_built_in_policy_never_changes() -> None:
    assert {n: parse_policy(t.encode()).sha256.hex() for n, t in BUILT_IN.items()} == DIGESTS


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_policy_has_the_name_that_it_is_asked_for_by(name: str) -> None:
    parsed = parse_policy(BUILT_IN[name].encode())
    assert (parsed.name, parsed.base, parsed.require) == (name, "", ("evidence",))
    assert name in cvm_audit("policy", "list").out
    assert cvm_audit("policy", "show", name).out == BUILT_IN[name]


def test_a_built_in_policy_outranks_a_file_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hardware-2026-11").write_bytes(policy(require=("evidence",), measurement=["11" * 48]))
    assert "genuine hardware" in cvm_audit("policy", "explain", "hardware-2026-11").out
    assert "SIMULATED" in cvm_audit("policy", "explain", "./hardware-2026-11").out


@pytest.mark.parametrize("name", ["hardware-2026-12", "hardware", "latest"])
def test_no_other_name_is_a_policy(name: str) -> None:
    ran = cvm_audit("policy", "explain", name)
    assert ran.code == 2
    assert f"--policy: {name} (expected a file, or a built-in policy: hardware-2026-11" in ran.err


BASED = """\
schema = "cvm-audit/policy/v1"
name = "based"
base = "hardware-2026-11"
platform = "hardware"
require = ["evidence"]
[sev_snp]
products = ["Turin"]
measurement = ["{measurement}"]
"""


def test_a_base_fills_in_what_is_not_written() -> None:
    based = parse_policy(BASED.format(measurement="11" * 48).encode())
    whole = parse_policy(BUILT_IN["hardware-2026-11"].encode())
    assert based.base == "hardware-2026-11"
    assert based.sev_snp is not None
    assert whole.sev_snp is not None
    assert based.sev_snp.products == (Product.TURIN,)
    assert based.sev_snp.measurement.values == (MEASUREMENT,)
    floor = whole.sev_snp.minimum_reported_tcb[Product.TURIN]
    assert based.sev_snp.minimum_reported_tcb == {Product.TURIN: floor}
    assert (based.sev_snp.crl, based.sev_snp.allow_cxl) == ("fresh", False)


def test_a_base_can_also_give_the_products() -> None:
    text = BASED.format(measurement="11" * 48).replace('products = ["Turin"]\n', "")
    based = parse_policy(text.encode())
    assert based.sev_snp is not None
    assert based.sev_snp.products == (Product.GENOA, Product.TURIN)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('base = "hardware-2026-11"', 'base = "hardware-2026-12"', "policy.base"),
        ('base = "hardware-2026-11"', "base = 1", "policy.base"),
        ('base = "hardware-2026-11"\n', "", "policy.sev_snp."),
        ('["Turin"]', '["Milan"]', "policy.sev_snp.minimum_reported_tcb.Milan"),
        ('["Turin"]', '[["Turin"]]', "policy.sev_snp.products"),
        ("[sev_snp]", "[[sev_snp]]", "policy.sev_snp"),
    ],
)
def test_a_base_that_does_not_fit(tmp_path: Path, old: str, new: str, what: str) -> None:
    text = BASED.format(measurement="11" * 48)
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new))
    ran = cvm_audit("policy", "explain", path)
    assert ran.code == 2
    assert what in ran.err


# Lint.


STRICT: dict[str, Any] = {
    "crl": "fresh",
    "hosts": {"not_checked": "the chip is named instead"},
    "chip_ids": ["11" * 64],
    "host_data": ["00" * 32],
    "report_data": "nonce",
    "products": ["Genoa"],
    "floors": {"Genoa": {"bootloader": 0, "tee": 0, "snp": 23, "microcode": 0}},
    "advisories": {"accepted": [], "undecidable": "allowed", "maximum_age_days": 30},
}


ANY_OF_TWO = [
    str(each.key.vkey) for each in (PUBLISHER, publisher("fixtures.invalid/second", b"2" * 32))
]


def remarks(**rules: Any) -> list[str]:
    options: dict[str, Any] = {"platform": "hardware"} | STRICT | rules
    return [remark.key for remark in lint_policy(parse_policy(policy(**options)))]


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ({"platform": "simulated"}, "platform"),
        ({"require": ("log", "release")}, "require"),
        ({"require": ("evidence",), "measurement": ["11" * 48]}, "require"),
        ({"release": {"minimum_security_version": 0}}, "release.minimum_security_version"),
        ({"release": {"publishers": ANY_OF_TWO}}, "release.publisher_threshold"),
        (
            {"require": ("evidence",), "measurement": {"not_checked": "any"}},
            "sev_snp.measurement",
        ),
        ({"products": ["Milan"], "floors": None}, "sev_snp.products"),
        ({"report_versions": [5, 6]}, "sev_snp.report_versions"),
        ({"unknown_bits": ["POLICY bit 26"]}, "sev_snp.unknown_bits"),
        ({"masked_chip_id": "allowed"}, "sev_snp.masked_chip_id"),
        ({"crl": {"not_checked": "none"}}, "sev_snp.crl"),
        ({"crl": "stale_accepted"}, "sev_snp.crl"),
        ({"vmpls": [0, "host"]}, "sev_snp.vmpls"),
        ({"chip_ids": {"not_checked": "any"}}, "sev_snp.hosts"),
        ({"debug": "allowed"}, "sev_snp.debug"),
        ({"migrate_ma": "allowed"}, "sev_snp.migrate_ma"),
        ({"cxl": "allowed"}, "sev_snp.cxl"),
        ({"provisional_firmware": "allowed"}, "sev_snp.provisional_firmware"),
        ({"platform_info_required": ["ECC_EN"]}, "sev_snp.platform_info_required"),
        (
            {"floors": {"Genoa": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}}},
            "sev_snp.minimum_reported_tcb",
        ),
        ({"report_data": {"not_checked": "no channel"}}, "sev_snp.report_data"),
        ({"report_data": ["22" * 64]}, "sev_snp.report_data"),
        ({"host_data": {"not_checked": "unused"}}, "sev_snp.host_data"),
        (
            {
                "advisories": {
                    "accepted": ["heracles"],
                    "undecidable": "allowed",
                    "maximum_age_days": 1,
                }
            },
            "sev_snp.advisories.accepted",
        ),
    ],
)
def test_what_lets_much_pass_is_named(rules: dict[str, Any], key: str) -> None:
    base = remarks()
    assert base == ["log.policy"]  # the log of the tests has no witness
    assert key in remarks(**rules)


def test_a_quorum_is_nothing_to_remark_on() -> None:
    vouched = policy(platform="hardware", **STRICT).replace(
        b"quorum none", f"witness w {witness('witness.invalid/w').key}\nquorum w".encode()
    )
    assert list(lint_policy(parse_policy(vouched))) == []


def test_lint_says_how_much_it_found(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(policy(platform="hardware", **STRICT))
    ran = cvm_audit("policy", "lint", path)
    assert (ran.code, ran.out.split(": ")[0]) == (1, "log.policy")
    assert ran.err == "cvm-audit: 1 remarks\n"
    assert cvm_audit("policy", "lint", tmp_path / "absent.toml").code == 2


# Explain.


def test_explain_says_every_rule_and_every_reason() -> None:
    text = cvm_audit("policy", "explain", "simulated-2026-11").out
    assert "an SEV-SNP report from a SIMULATED platform" in text
    assert "revocation: anything, not checked: a simulated vendor revokes nothing" in text
    assert "reported TCB of Milan: bl4 tee0 snp24 uc219 or higher, component by component" in text


def test_explain_says_who_may_sign_and_log(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(policy())
    text = cvm_audit("policy", "explain", path).out
    assert "cosigned by the quorum none: the word of the log alone" in text
    assert str(Log(()).key) in text
    assert "MEASUREMENT: one of the measurements of the logged release" in text


# Pin.


def held(amd: SyntheticAmd, **fields: Any) -> dict[str, bytes]:
    raw = entry(statement(MEASUREMENT))
    given: dict[str, Any] = {"report_data": report_data_of_nonce(NONCE)} | fields
    return {
        "snp-report": amd.report(**given),
        "snp-vek": amd.vek(),
        "release-entry": raw,
        "release-proof": Log((raw,)).proof(0),
        "nonce": NONCE,
    }


def write_bundle(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def pinning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def roots(_: object) -> tuple[SnpRoot, ...]:
        return (AMD.root, synthetic_amd(kind=VekKind.VLEK).root)

    # A trust root on disk must be loudly named; these have AMD's names.
    monkeypatch.setattr("verifier.cli.policy.load_roots", roots)
    return tmp_path


def pin(folder: Path, files: dict[str, bytes], rules: bytes) -> Any:
    bundle_path = write_bundle(folder / "bundle", files)
    (folder / "policy.toml").write_bytes(rules)
    return cvm_audit(
        "policy", "pin", bundle_path, "--policy", folder / "policy.toml",
        "-o", folder / "pinned.toml", "--at", AT,
    )  # fmt: skip


SEEN: dict[str, Any] = {"guest_svn": 4, "family_id": b"f" * 16, "mitigations": (3, 7)}


def test_a_pinned_policy_takes_the_same_evidence_and_nothing_weaker(pinning: Path) -> None:
    first = held(AMD, **SEEN)
    ran = pin(pinning, bundle(first), policy(Log((first["release-entry"],)), report_data="nonce"))
    assert ran.code == 0, ran.err
    assert "trust on first use" in ran.err
    text = (pinning / "pinned.toml").read_bytes()
    assert text.startswith(b"# Trust on first use")
    pinned = parse_policy(text)
    assert pinned.name == "test-policy-pinned"

    def judge(contents: dict[str, bytes]) -> tuple[Outcome, list[str]]:
        verdict = appraise_bundle(
            bundle(contents), policy=pinned, roots=(AMD.root,), now=NOW, nonce=None
        )
        failed = [f.check for f in verdict.findings if f.status == "fail"]
        return verdict.outcome, failed

    assert judge(first) == (Outcome.VERIFIED, [])
    weaker: dict[str, dict[str, Any]] = {
        "snp.guest_svn": {"guest_svn": 3},
        "snp.family_id": {"family_id": b"g" * 16},
        "snp.host_data": {"host_data": b"\x01" * 32},
        "snp.mitigations": {"mitigations": (1, 7)},
        "snp.report.version": {"version": 4, "mitigations": (0, 0)},
        "snp.platform_info": {"platform_info": 0x20},
    }
    for check, fields in weaker.items():
        outcome, failed = judge(held(AMD, **(SEEN | fields)))
        assert outcome is Outcome.FAILED
        assert check in failed


def test_a_bundle_that_fails_is_not_pinned(pinning: Path) -> None:
    files = bundle(held(AMD, policy=0xB0000))
    ran = pin(pinning, files, policy(report_data="nonce"))
    assert ran.code == 1
    assert "FAILED (expected VERIFIED or PARTIAL under the policy)" in ran.err
    assert not (pinning / "pinned.toml").exists()


def test_a_policy_without_evidence_pins_nothing(pinning: Path) -> None:
    first = held(AMD)
    rules = policy(Log((first["release-entry"],)), require=("log", "release"))
    ran = pin(pinning, bundle(first), rules)
    assert ran.code == 2
    assert "policy.require: log, release" in ran.err


def test_a_vlek_is_pinned_by_its_provider(pinning: Path) -> None:
    vlek = synthetic_amd(kind=VekKind.VLEK)
    first = held(vlek)
    rules = policy(
        Log((first["release-entry"],)),
        report_data="nonce",
        signing_keys=["VLEK"],
        csp_ids=[CSP_ID.decode(), "CN=other.invalid"],
    )
    assert pin(pinning, bundle(first), rules).code == 0
    document = tomllib.loads((pinning / "pinned.toml").read_text())["sev_snp"]
    assert document["csp_ids"] == [CSP_ID.decode()]
    assert document["chip_ids"] == {"not_checked": "the report names no chip"}


@pytest.mark.parametrize(
    "document",
    [
        {
            "a": 1,
            "b": {"c": ["x", 'q"\\\n'], "d": {"e": {"not_checked": "why"}}},
            "f": "two\nlines",
        },
        {"text": "'''\n", "sign": "\U0001f600\t", "empty": {}},
        tomllib.loads(BUILT_IN["hardware-2026-11"]),
    ],
)
def test_toml_is_written_as_it_is_read(document: dict[str, Any]) -> None:
    assert tomllib.loads(encode_toml(document)) == document

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.making import FLOOR, PUBLISHER, Log, policy
from verifier.appraisal.policy import MAX_POLICY, parse_policy
from verifier.errors import PolicyError
from verifier.evidence.tcb import Product, Tcb

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "policy.v1.schema.json").read_text("utf-8")
)


def test_a_whole_policy() -> None:
    raw = policy()
    parsed = parse_policy(raw)
    assert parsed.sha256 == hashlib.sha256(raw).digest()
    assert parsed.require == ("evidence", "log", "release")
    assert parsed.log is not None
    assert parsed.log.tlog.logs == (Log(()).key,)
    assert parsed.release is not None
    assert parsed.release.publishers == (PUBLISHER.key,)
    assert parsed.sev_snp is not None
    assert parsed.sev_snp.products == (Product.MILAN,)
    assert parsed.sev_snp.measurement.derived == "release"
    assert parsed.sev_snp.minimum_launch_tcb[Product.MILAN] == Tcb(None, 4, 0, 23, 213)
    assert parsed.sev_snp.host_data.not_checked == "not used"


def test_a_policy_for_evidence_alone_pins_values() -> None:
    raw = policy(require=("evidence",), measurement=["11" * 48], report_data=["22" * 64])
    parsed = parse_policy(raw)
    assert parsed.log is None
    assert parsed.release is None
    assert parsed.sev_snp is not None
    assert parsed.sev_snp.measurement.values == (b"\x11" * 48,)


def test_a_floor_for_turin_needs_its_fmc() -> None:
    turin = {"fmc": 1, "bootloader": 1, "tee": 1, "snp": 4, "microcode": 81}
    parsed = parse_policy(policy(products=["Turin"], floors={"Turin": turin}))
    assert parsed.sev_snp is not None
    assert parsed.sev_snp.minimum_reported_tcb[Product.TURIN].fmc == 1
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy(products=["Turin"], floors={"Turin": FLOOR}))
    assert caught.value.what == "policy.sev_snp.minimum_reported_tcb.Turin.fmc"


RULE_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing required": ({"require": ()}, "policy.require"),
    "release without log": ({"require": ("release",)}, "policy.require"),
    "unknown stage": ({"require": ("evidence", "luck")}, "policy.require"),
    "stage twice": ({"require": ("evidence", "evidence")}, "policy.require"),
    "unknown platform": ({"platform": "any"}, "policy.platform"),
    "measurement of a release that is not required": (
        {"require": ("evidence",)},
        "policy.sev_snp.measurement",
    ),
    "measurement not checked beside a release": (
        {"measurement": {"not_checked": "later"}},
        "policy.sev_snp.measurement",
    ),
    "unknown product": ({"products": ["Rome"]}, "policy.sev_snp.products"),
    "no product": ({"products": []}, "policy.sev_snp.products"),
    "product without floor": ({"products": ["Milan", "Genoa"]}, "minimum_reported_tcb.Genoa"),
    "floor without product": (
        {"floors": {"Milan": FLOOR, "Genoa": FLOOR}},
        "policy.sev_snp.minimum_reported_tcb",
    ),
    "floor above 255": ({"floors": {"Milan": FLOOR | {"snp": 256}}}, "Milan.snp"),
    "unknown component": ({"floors": {"Milan": FLOOR | {"spl4": 0}}}, "Milan"),
    "VLEK without provider": ({"signing_keys": ["VLEK"]}, "policy.sev_snp.csp_ids"),
    "provider without VLEK": ({"csp_ids": ["CN=x"]}, "policy.sev_snp.csp_ids"),
    "unknown signing key": ({"signing_keys": ["ARK"]}, "policy.sev_snp.signing_keys"),
    "VMPL 4": ({"vmpls": [4]}, "policy.sev_snp.vmpls"),
    "VMPL true": ({"vmpls": [True]}, "policy.sev_snp.vmpls"),
    "no VMPL": ({"vmpls": []}, "policy.sev_snp.vmpls"),
    "debug as a boolean": ({"debug": False}, "policy.sev_snp.debug"),
    "debug maybe": ({"debug": "maybe"}, "policy.sev_snp.debug"),
    "unknown platform bit": (
        {"platform_info_required": ["ALIAS_CHECK"]},
        "policy.sev_snp.platform_info_required",
    ),
    "platform bit required and forbidden": (
        {"platform_info_forbidden": ["ALIAS_CHECK_COMPLETE"]},
        "policy.sev_snp.platform_info_forbidden",
    ),
    "CRL maybe": ({"crl": "maybe"}, "policy.sev_snp.crl"),
    "report version 1": ({"report_versions": [1]}, "policy.sev_snp.report_versions"),
    "denied chip of the wrong size": ({"denied_chip_ids": ["00"]}, "denied_chip_ids"),
    "container beside a release": (
        {"report_data": "hcl", "hcl": {"quote": "nonce", "pcrs": {}}},
        "policy.sev_snp.measurement",
    ),
    "mask without 0x": ({"mitigations": {"Milan": "7"}}, "policy.sev_snp.mitigations.Milan"),
    "mask of nothing": ({"mitigations": {"Milan": "0x0"}}, "policy.sev_snp.mitigations.Milan"),
    "firmware with two parts": ({"minimum_firmware": "1.55"}, "minimum_firmware"),
    "firmware with a leading zero": ({"minimum_firmware": "1.055.29"}, "minimum_firmware"),
    "firmware above 255": ({"minimum_firmware": "1.55.256"}, "minimum_firmware"),
    "empty list of values": ({"host_data": []}, "policy.sev_snp.host_data"),
    "value of the wrong size": ({"host_data": ["00"]}, "policy.sev_snp.host_data"),
    "value in upper case": ({"host_data": ["AA" * 32]}, "policy.sev_snp.host_data"),
    "bare value": ({"host_data": "00" * 32}, "policy.sev_snp.host_data"),
    "no reason": ({"host_data": {"not_checked": ""}}, "policy.sev_snp.host_data.not_checked"),
    "misspelt reason": ({"host_data": {"unchecked": "x"}}, "host_data.not_checked"),
    "unknown rule": ({"hostdata": ["00" * 32]}, "policy.sev_snp"),
    "unknown release rule": ({"release": {"rolle": "x"}}, "policy.release"),
    "no publisher": ({"release": {"publishers": []}}, "policy.release.publishers"),
    "publisher that is no key": (
        {"release": {"publishers": ["alice"]}},
        "policy.release.publishers",
    ),
    "threshold of zero": ({"release": {"publisher_threshold": 0}}, "publisher_threshold"),
    "threshold above the publishers": (
        {"release": {"publisher_threshold": 2}},
        "publisher_threshold",
    ),
}


@pytest.mark.parametrize("name", RULE_FAULTS)
def test_an_unusable_policy_is_refused(name: str) -> None:
    rules, what = RULE_FAULTS[name]
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy(**rules))
    assert what in caught.value.what
    assert caught.value.expected
    assert caught.value.got


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"policy/v1", b"policy/v2", "policy.schema"),
        (b'name = "test-policy"', b"", "policy.name"),
        (b'name = "test-policy"', b'name = "test-policy"\nnane = "x"', "policy"),
        (b"quorum none", b"quorum nobody", "policy.log.policy, policy line"),
        (b"log fixtures", b"logg fixtures", "policy.log.policy, policy line"),
        (b"[log]", b"[log", "policy"),
        (b"test-policy", b"\xff", "policy"),
    ],
)
def test_a_faulty_file_is_refused(old: bytes, new: bytes, what: str) -> None:
    raw = policy()
    assert old in raw
    with pytest.raises(PolicyError) as caught:
        parse_policy(raw.replace(old, new, 1))
    assert what in caught.value.what


def test_a_section_of_a_stage_that_is_not_required_is_refused() -> None:
    whole = policy(measurement=["11" * 48])
    raw = whole.replace(b'require = ["evidence", "log", "release"]', b'require = ["evidence"]')
    with pytest.raises(PolicyError) as caught:
        parse_policy(raw)
    assert caught.value.expected == "no unknown member"


def test_an_oversized_file_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(b"#" * (MAX_POLICY + 1))
    assert caught.value.expected == f"at most {MAX_POLICY} bytes"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(PolicyError):
        parse_policy(b"a = " + b"[" * 100_000)


def test_the_schema_agrees_with_the_parser() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    accepted = tomllib.loads(policy().decode())
    assert list(validator.iter_errors(accepted)) == []
    beyond_a_schema = {
        "release without log",
        "measurement of a release that is not required",
        "measurement not checked beside a release",
        "product without floor",
        "floor without product",
        "VLEK without provider",
        "provider without VLEK",
        "platform bit required and forbidden",
        "container beside a release",
        "firmware with a leading zero",
        "firmware above 255",
        "publisher that is no key",
        "threshold above the publishers",
    }
    for name, (rules, _) in RULE_FAULTS.items():
        document = tomllib.loads(policy(**rules).decode())
        refused = not validator.is_valid(document)
        assert refused is (name not in beyond_a_schema), name


def test_the_policy_of_the_guide_is_usable() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "auditor-guide.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    parsed = parse_policy(example.encode())
    assert parsed.require == ("evidence", "log", "release")
    keys = set(tomllib.loads(example)["sev_snp"]) | set(tomllib.loads(example)["release"])
    described = "".join(guide.split("| key | meaning |")[1:])
    assert {key for key in keys if f"`{key}`" not in described} <= {
        "role", "product", "publishers", "publisher_threshold", "minimum_security_version",
    }  # fmt: skip

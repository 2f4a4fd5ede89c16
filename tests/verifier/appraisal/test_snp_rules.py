"""Every rule of ``[sev_snp]``: what breaks it, alone, and what demands nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.id_block import encode_id_authentication, encode_id_block, encode_key, owner_key
from tests.making import NOW, policy
from tests.synthetic_amd import CSP_ID, synthetic_amd
from verifier.appraisal.appraise import appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.tcb import Firmware, Tcb
from verifier.evidence.vek_certificate import VekKind

AMD = synthetic_amd()
NONCE = bytes(range(32))
MEASUREMENT = b"\x11" * 48
CHIP = AMD.hw_id.hex()
RULES: dict[str, Any] = {"report_data": "nonce", "measurement": [MEASUREMENT.hex()]}


def judge(
    fields: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    amd: Any = AMD,
    **evidence: Any,
) -> Verdict:
    given = {"report_data": report_data_of_nonce(NONCE), "measurement": MEASUREMENT}
    raw = evidence.pop("report", None) or amd.report(**(given | (fields or {})))
    vek = evidence.pop("vek", None) or amd.vek()
    return appraise_report(
        SnpEvidence(report=raw, vek=vek, **evidence),
        policy=parse_policy(policy(require=("evidence",), **(RULES | (rules or {})))),
        roots=(amd.root,),
        now=NOW,
        nonce=NONCE,
    )


def one(verdict: Verdict, check: str) -> Finding:
    (found,) = (f for f in verdict.findings if f.check == check)
    return found


def only_failure(verdict: Verdict, check: str) -> Finding:
    failures = [f.check for f in verdict.findings if f.status is Status.FAIL]
    assert (verdict.outcome, failures) == (Outcome.FAILED, [check])
    return one(verdict, check)


def test_the_baseline_is_verified() -> None:
    assert judge().outcome is Outcome.VERIFIED


OLD = {"committed_firmware": Firmware(1, 55, 40), "committed_tcb": Tcb(None, 4, 0, 24, 218)}
FLOOR = {"Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}}


@pytest.mark.parametrize(
    ("check", "rules", "fields", "expected", "got"),
    [
        ("snp.report.version", {"report_versions": [2, 3]}, {}, "version 2 or 3", "version 5"),
        ("snp.vmpl", {"vmpls": [1]}, {}, "1", "0"),
        ("snp.vmpl", {}, {"vmpl": 0xFFFFFFFF}, "0", "0xffffffff (requested by the host)"),
        ("snp.vmpl", {"vmpls": ["host"]}, {}, "0xffffffff (requested by the host)", "0"),
        (
            "snp.policy.cxl",
            {},
            {"policy": 0x230000},
            "CXL_ALLOW 0",
            "CXL_ALLOW 1 (POLICY 0x230000)",
        ),
        (
            "snp.policy.restrictions",
            {"restrictions_required": ["SINGLE_SOCKET", "PAGE_SWAP_DISABLE"]},
            {"policy": 0x130000},
            "SINGLE_SOCKET, PAGE_SWAP_DISABLE",
            "without PAGE_SWAP_DISABLE: SINGLE_SOCKET",
        ),
        (
            "snp.policy.restrictions",
            {"restrictions_required": ["RAPL_DIS"]},
            {},
            "RAPL_DIS",
            "without RAPL_DIS: none",
        ),
        (
            "snp.policy.abi",
            {"minimum_abi": "1.55"},
            {"policy": 0x30136},
            "at least 1.55",
            "1.54 (POLICY 0x30136)",
        ),
        ("snp.policy.abi", {"minimum_abi": "1.0"}, {"policy": 0x300FF}, "at least 1.0", "0.255"),
        (
            "snp.platform_info.forbidden",
            {"platform_info_forbidden": ["SMT_EN", "TIO_EN"]},
            {"platform_info": 0x25},
            "without SMT_EN, TIO_EN",
            "SMT_EN of SMT_EN, ECC_EN, ALIAS_CHECK_COMPLETE",
        ),
        (
            "snp.tcb.committed_minimum",
            {"minimum_committed_tcb": FLOOR, "provisional_firmware": "allowed"},
            {"committed_tcb": Tcb(None, 4, 0, 23, 219), "tcb": Tcb(None, 4, 0, 23, 219)},
            "at least bl4 tee0 snp24 uc219",
            "bl4 tee0 snp23 uc219, below in snp",
        ),
        (
            "snp.firmware.provisional",
            {},
            OLD | {"tcb": Tcb(None, 4, 0, 24, 218), "current_tcb": AMD.tcb},
            "committed as it runs",
            "1.55.49, TCB bl4 tee0 snp24 uc219; committed 1.55.40, TCB bl4 tee0 snp24 uc218",
        ),
        (
            "snp.firmware.provisional",
            {},
            {"committed_firmware": Firmware(1, 55, 48)},
            "committed as it runs",
            "committed 1.55.48",
        ),
        (
            "snp.mitigations",
            {"mitigations": {"Milan": "0x6"}},
            {"mitigations": (0x2, 0x6)},
            "every bit of 0x6",
            "at launch 0x2, now 0x6",
        ),
        (
            "snp.mitigations",
            {"mitigations": {"Milan": "0x6"}},
            {"mitigations": (0x6, 0x4)},
            "every bit of 0x6",
            "at launch 0x6, now 0x4",
        ),
        (
            "snp.mitigations",
            {"mitigations": {"Milan": "0x1"}},
            {"version": 3},
            "every bit of 0x1",
            "version 3 has no mitigation vectors",
        ),
        ("snp.guest_svn", {"minimum_guest_svn": 8}, {"guest_svn": 7}, "at least 8", "7"),
        ("snp.family_id", {"family_id": ["22" * 16]}, {}, "22" * 16, "00" * 16),
        ("snp.image_id", {"image_id": ["22" * 16]}, {}, "22" * 16, "00" * 16),
        ("snp.id_key", {"id_key": ["22" * 48]}, {}, "22" * 48, "00" * 48),
        (
            "snp.author_key",
            {"author_key": ["22" * 48]},
            {"author_key_digest": b"\x33" * 48, "key_info": 1},
            "22" * 48,
            "33" * 48,
        ),
        (
            "snp.author_key",
            {"author_key": ["22" * 48]},
            {"author_key_digest": b"\x22" * 48},
            "22" * 48,
            "22" * 48 + ", and AUTHOR_KEY_EN is 0",
        ),
        ("snp.migration_agent", {}, {"report_id_ma": bytes(32)}, "ff" * 32, "00" * 32),
        ("snp.migration_agent", {"migration_agent": ["44" * 32]}, {}, "44" * 32, "ff" * 32),
        ("snp.chip.enrolled", {"chip_ids": ["33" * 64]}, {}, "33" * 64, CHIP),
        ("snp.chip.denied", {"denied_chip_ids": [CHIP]}, {}, "none of 1 refused chips", CHIP),
        ("snp.host_data", {"host_data": ["33" * 32]}, {}, "33" * 32, "00" * 32),
        ("snp.measurement", {"measurement": ["33" * 48]}, {}, "33" * 48, MEASUREMENT.hex()),
        ("snp.report_data", {"report_data": ["33" * 64]}, {}, "33" * 64, ""),
    ],
)
def test_a_broken_rule_fails_alone(
    check: str, rules: dict[str, Any], fields: dict[str, Any], expected: str, got: str
) -> None:
    vek = AMD.vek(tcb=fields["tcb"]) if "tcb" in fields else None
    found = only_failure(judge(fields, rules, vek=vek), check)
    assert found.expected.startswith(expected)
    assert got in found.got


@pytest.mark.parametrize(
    ("check", "rules", "fields"),
    [
        ("snp.report.version", {"report_versions": [3]}, {"version": 3}),
        ("snp.vmpl", {"vmpls": ["host"]}, {"vmpl": 0xFFFFFFFF}),
        ("snp.policy.cxl", {"cxl": "forbidden"}, {}),
        (
            "snp.policy.restrictions",
            {"restrictions_required": ["PAGE_SWAP_DISABLE"]},
            {"policy": 0x2030000},
        ),
        ("snp.policy.abi", {"minimum_abi": "1.55"}, {"policy": 0x30137}),
        ("snp.platform_info.forbidden", {"platform_info_forbidden": ["SMT_EN"]}, {}),
        ("snp.tcb.committed_minimum", {"minimum_committed_tcb": FLOOR}, {}),
        ("snp.mitigations", {"mitigations": {"Milan": "0x6"}}, {"mitigations": (0x7, 0xE)}),
        ("snp.guest_svn", {"minimum_guest_svn": 8}, {"guest_svn": 8}),
        ("snp.family_id", {"family_id": ["22" * 16]}, {"family_id": b"\x22" * 16}),
        ("snp.image_id", {"image_id": ["00" * 16, "22" * 16]}, {}),
        ("snp.id_key", {"id_key": ["22" * 48]}, {"id_key_digest": b"\x22" * 48}),
        (
            "snp.author_key",
            {"author_key": ["22" * 48]},
            {"author_key_digest": b"\x22" * 48, "key_info": 1},
        ),
        ("snp.migration_agent", {"migration_agent": ["44" * 32]}, {"report_id_ma": b"D" * 32}),
        ("snp.chip.enrolled", {"chip_ids": [CHIP]}, {}),
        ("snp.chip.denied", {"denied_chip_ids": ["33" * 64]}, {}),
    ],
)
def test_a_rule_that_holds_passes_and_is_required(
    check: str, rules: dict[str, Any], fields: dict[str, Any]
) -> None:
    verdict = judge(fields, rules)
    assert verdict.outcome is Outcome.VERIFIED
    assert one(verdict, check).status is Status.PASS
    assert check in verdict.required


NOTHING = {"Milan": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}}


@pytest.mark.parametrize(
    ("check", "rules", "got"),
    [
        ("snp.policy.debug", {"debug": "allowed"}, "DEBUG 1 (POLICY 0x2f0000): the policy allows"),
        ("snp.policy.migrate", {"migrate_ma": "allowed"}, "MIGRATE_MA 1"),
        ("snp.policy.smt", {"smt": "allowed"}, "SMT 1"),
        ("snp.policy.cxl", {"cxl": "allowed"}, "CXL_ALLOW 1"),
        ("snp.policy.restrictions", {"restrictions_required": []}, "none: the policy lists none"),
        ("snp.policy.abi", {"minimum_abi": "0.0"}, "0.0 (POLICY 0x2f0000): the policy sets no"),
        ("snp.platform_info", {"platform_info_required": []}, "ALIAS_CHECK_COMPLETE: the policy"),
        ("snp.platform_info.forbidden", {"platform_info_forbidden": []}, "ECC_EN, ALIAS_CHECK"),
        ("snp.firmware.minimum", {"minimum_firmware": "0.0.0"}, "1.55.49: the policy sets no"),
        ("snp.firmware.provisional", {"provisional_firmware": "allowed"}, "is committed: the"),
        ("snp.tcb.reported_minimum", {"minimum_reported_tcb": NOTHING}, "bl4 tee0 snp24 uc219: "),
        ("snp.tcb.launch_minimum", {"minimum_launch_tcb": NOTHING}, "bl4 tee0 snp24 uc219: the"),
        ("snp.tcb.committed_minimum", {"minimum_committed_tcb": NOTHING}, "bl4 tee0 snp24 uc219"),
        ("snp.guest_svn", {"minimum_guest_svn": 0}, "0: the policy sets no floor"),
        ("snp.chip.denied", {"denied_chip_ids": []}, f"{CHIP}: the policy lists none"),
    ],
)
def test_what_a_policy_does_not_demand_is_said_and_is_no_pass(
    check: str, rules: dict[str, Any], got: str
) -> None:
    weak = {"debug": "allowed", "migrate_ma": "allowed", "cxl": "allowed"}
    verdict = judge({"policy": 0x2F0000}, weak | rules)
    found = one(verdict, check)
    assert (found.status, found.cls) == (Status.INFO, FindingClass.POLICY)
    assert got in found.got
    assert check not in verdict.required
    assert verdict.outcome is Outcome.VERIFIED


# What is unknown or hidden, and the override of the policy.


def test_an_unknown_bit_is_named_and_refused() -> None:
    found = only_failure(judge({"policy": 0x4030000}), "snp.report.unknown_bits")
    assert (found.expected, found.got) == ("none", "POLICY bit 26")


def test_an_unknown_bit_that_the_policy_names_is_let_pass_and_stays_unproven() -> None:
    verdict = judge({"policy": 0x4030000}, {"unknown_bits": ["POLICY bit 26"]})
    assert (verdict.outcome, verdict.exit_code) == (Outcome.PARTIAL, 4)
    assert verdict.not_proven == ("snp.report.unknown_bits",)
    found = one(verdict, "snp.report.unknown_bits")
    assert found.expected == "none but POLICY bit 26, as the policy says"
    other = judge({"platform_info": 0x124}, {"unknown_bits": ["POLICY bit 26"]})
    assert only_failure(other, "snp.report.unknown_bits").got == "PLATFORM_INFO bit 8"


def test_an_unknown_version_is_named_and_refused() -> None:
    found = only_failure(judge({"version": 6}), "snp.report.format")
    assert (found.cls, found.got) == (FindingClass.INPUT, "SNP report: version 6")


def test_an_unknown_version_that_the_policy_names_is_read_and_stays_unproven() -> None:
    verdict = judge({"version": 6}, {"report_versions": [5, 6]})
    assert (verdict.outcome, verdict.not_proven) == (Outcome.PARTIAL, ("snp.report.format",))
    assert one(verdict, "snp.report.format").got.startswith("version 6, 1184 bytes; unknown here")
    reserved = AMD.patched(
        0x208,
        b"\x01",
        version=6,
        report_data=report_data_of_nonce(NONCE),
    )
    assert judge(rules={"report_versions": [6]}, report=reserved).outcome is Outcome.PARTIAL
    # A version that is known keeps its layout, whatever the policy names.
    known = AMD.patched(0x208, b"\x01", report_data=report_data_of_nonce(NONCE))
    verdict = judge(rules={"report_versions": [5, 6]}, report=known)
    found = only_failure(verdict, "snp.report.format")
    assert "offset 0x208" in found.got


def test_a_hidden_chip_fails_unless_the_policy_takes_it() -> None:
    hidden = {"chip_id": bytes(64)}
    found = only_failure(judge(hidden), "snp.chip_id.equals_certificate")
    assert (found.expected, found.got) == (CHIP, "all zero (masked)")
    verdict = judge(hidden, {"masked_chip_id": "allowed"})
    assert verdict.outcome is Outcome.VERIFIED
    found = one(verdict, "snp.chip_id.equals_certificate")
    assert found.status is Status.INFO
    assert CHIP in found.expected
    other = judge({"chip_id": b"\x09" * 64}, {"masked_chip_id": "allowed"})
    assert only_failure(other, "snp.chip_id.equals_certificate").got == "09" * 64
    # The certificate names the chip all the same.
    denied = judge(hidden, {"masked_chip_id": "allowed", "denied_chip_ids": [CHIP]})
    assert only_failure(denied, "snp.chip.denied").got == CHIP


def test_a_vlek_names_no_chip() -> None:
    vlek = synthetic_amd(kind=VekKind.VLEK)
    rules = {"signing_keys": ["VLEK"], "csp_ids": [CSP_ID.decode()]}
    verdict = judge(rules=rules, amd=vlek)
    assert verdict.outcome is Outcome.VERIFIED
    found = one(verdict, "snp.chip_id.equals_certificate")
    assert (found.status, found.expected) == (Status.INFO, "nothing: a VLEK names no chip")
    denying = judge(rules=rules | {"denied_chip_ids": [CHIP]}, amd=vlek)
    assert "a VLEK, which names no chip" in only_failure(denying, "snp.chip.denied").got


# The ID block.


OWNER, AUTHOR = owner_key("id"), owner_key("author")
BLOCK = encode_id_block(MEASUREMENT, family_id=b"f" * 16, guest_svn=3)
OWNED = {
    "family_id": b"f" * 16,
    "guest_svn": 3,
    "id_key_digest": hashlib.sha384(encode_key(OWNER)).digest(),
}
AUTHORED = OWNED | {
    "author_key_digest": hashlib.sha384(encode_key(AUTHOR)).digest(),
    "key_info": 1,
}
REQUIRED = {"id_block": "required"}


def owned(block: bytes = BLOCK, **options: Any) -> dict[str, bytes]:
    who = encode_id_authentication(options.pop("over", block), id_key=OWNER, **options)
    return {"id_block": block, "id_authentication": who}


def test_an_id_block_that_agrees() -> None:
    assert judge(OWNED, REQUIRED, **owned()).outcome is Outcome.VERIFIED
    verdict = judge(AUTHORED, REQUIRED, **owned(author_key=AUTHOR))
    assert verdict.outcome is Outcome.VERIFIED
    assert "the author key the ID key" in one(verdict, "snp.id_block.signature").got
    assert "snp.id_block.fields" in verdict.required


@pytest.mark.parametrize("left_out", ["id_block", "id_authentication"])
def test_an_id_block_that_is_missing(left_out: str) -> None:
    evidence = owned()
    del evidence[left_out]
    found = only_failure(judge(OWNED, REQUIRED, **evidence), "snp.id_block.format")
    assert (found.got, found.cls) == ("it is missing", FindingClass.INPUT)
    assert found.expected.endswith(f"snp-{left_out.replace('_', '-')}")


def test_an_id_block_that_is_malformed() -> None:
    evidence = owned() | {"id_block": BLOCK[:-1]}
    found = only_failure(judge(OWNED, REQUIRED, **evidence), "snp.id_block.format")
    assert (found.got, found.cls) == ("ID block: 95 bytes", FindingClass.INPUT)


def test_an_id_block_that_nobody_signed() -> None:
    other = encode_id_block(MEASUREMENT, family_id=b"g" * 16, guest_svn=3)
    found = only_failure(judge(OWNED, REQUIRED, **owned(over=other)), "snp.id_block.signature")
    assert found.got == "ID block: not one"


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"measurement": b"\x12" * 48}, f"launch digest {MEASUREMENT.hex()}, but the report has 1"),
        ({"family_id": bytes(16)}, "FAMILY_ID"),
        ({"image_id": b"i" * 16}, "IMAGE_ID"),
        ({"guest_svn": 4}, "GUEST_SVN 3, but the report has 4"),
        ({"policy": 0x20000}, "POLICY 0x30000, but the report has 0x20000"),
        ({"id_key_digest": bytes(48)}, "ID_KEY_DIGEST"),
        ({"author_key_digest": b"\x01" * 48}, "AUTHOR_KEY_DIGEST"),
        ({"key_info": 1}, "AUTHOR_KEY_EN 0, but the report has 1"),
    ],
)
def test_an_id_block_of_another_guest(fields: dict[str, Any], got: str) -> None:
    rules = REQUIRED | {"measurement": [MEASUREMENT.hex(), "12" * 48]}
    found = only_failure(judge(OWNED | fields, rules, **owned()), "snp.id_block.fields")
    assert found.got.startswith(got)


def test_a_product_that_is_not_allowed_has_no_mask_either() -> None:
    floor = {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}
    rules = {"products": ["Genoa"], "floors": {"Genoa": floor}, "mitigations": {"Genoa": "0x1"}}
    verdict = judge(rules=rules)
    found = one(verdict, "snp.mitigations")
    assert (found.status, found.expected, found.got) == (
        Status.FAIL,
        "a mask for Milan",
        "none is given",
    )
    assert one(verdict, "snp.product.allowed").status is Status.FAIL


def test_what_is_kept_of_one_policy_is_not_said_under_another() -> None:
    strict = {"vmpls": [1]}
    for rules, status in (({}, Status.PASS), (strict, Status.FAIL), ({}, Status.PASS)):
        assert one(judge(rules=rules), "snp.vmpl").status is status


def test_what_is_kept_of_one_posture_is_not_said_of_another() -> None:
    for fields, status in (({}, Status.PASS), ({"vmpl": 1}, Status.FAIL), ({}, Status.PASS)):
        assert one(judge(fields), "snp.vmpl").status is status

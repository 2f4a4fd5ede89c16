"""Authentic reports that break one rule of the policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.keys import ec_key
from tests.fixture_cases.making_cases import MALFORMED, alone, logged
from tests.fixture_cases.vendor import CHIP, MEASUREMENT, NOW, vendor
from tests.id_block import encode_id_authentication, encode_id_block, encode_key
from tests.making import SNP_RULES
from verifier.evidence.tcb import Firmware, Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = ["content_rules", "guest_rules", "id_blocks", "level_rules", "vulnerabilities"]

_OTHER = "33"
_ZERO = {"Genoa": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}}


def guest_rules() -> Iterator[Case]:
    """Who speaks, and under which guest policy on which platform."""
    yield alone(
        "snp.report.version",
        "The policy does not take the version of the report",
        "ATK-012",
        changed={"report_versions": [2, 3]},
    )
    yield alone(
        "snp.product.allowed",
        "The policy does not take the product line",
        "ATK-007",
        changed={"products": ["Genoa"], "floors": _ZERO},
    )
    yield alone(
        "snp.vmpl",
        "The report was requested from VMPL 1",
        "ATK-011",
        what="1",
        fields={"vmpl": 1},
    )
    yield alone(
        "snp.vmpl",
        "The host requested the report",
        "ATK-011",
        what="host",
        fields={"vmpl": 0xFFFFFFFF},
    )
    bits: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
        ("snp.policy.debug", "The host may debug the guest", {"policy": 0xB0000}, {}),
        ("snp.policy.migrate", "A migration agent may move it", {"policy": 0x70000}, {}),
        ("snp.policy.smt", "SMT is allowed", {}, {"smt": "forbidden"}),
        ("snp.policy.cxl", "CXL is allowed", {"policy": 0x230000}, {}),
    )
    for check, title, fields, changed in bits:
        yield alone(check, title, "ATK-009", fields=fields, changed=changed)
    yield alone(
        "snp.policy.restrictions",
        "The guest may swap pages, which the policy wants forbidden",
        "ATK-009",
        changed={"restrictions_required": ["PAGE_SWAP_DISABLE"]},
    )
    yield alone(
        "snp.policy.abi",
        "The guest demands an older firmware ABI than the floor, with a higher minor number",
        "ATK-009",
        fields={"policy": 0x300FF},
        changed={"minimum_abi": "1.0"},
    )
    yield alone(
        "snp.platform_info",
        "The check for aliases of memory was not completed (BadRAM)",
        "ATK-010",
        fields={"platform_info": 0x04},
        # Without the bit the advisory of BadRAM is open as well, and here it is accepted.
    )
    yield alone(
        "snp.platform_info.forbidden",
        "SMT is on, which the policy forbids",
        "ATK-010",
        fields={"platform_info": 0x25},
        changed={"platform_info_forbidden": ["SMT_EN"]},
    )


def level_rules() -> Iterator[Case]:
    """How recent the firmware is."""
    zero = {"minimum_launch_tcb": _floor(), "minimum_committed_tcb": _floor()}
    low = Tcb(None, 255, 255, 22, 255)
    yield alone(
        "snp.tcb.reported_minimum",
        "One component is below the floor, and higher ones would hide it in one integer",
        "ATK-004",
        fields={"tcb": low},
        held={"snp_vek": vendor().vek(tcb=low)},
        changed=zero,
    )
    yield alone(
        "snp.tcb.launch_minimum",
        "The guest was launched under an older TCB",
        "ATK-005",
        fields={"launch_tcb": Tcb(None, 4, 0, 22, 219)},
    )
    old = Tcb(None, 4, 0, 23, 219)
    yield alone(
        "snp.tcb.committed_minimum",
        "The host can go back to a TCB below the floor",
        "ATK-005",
        fields={"tcb": old, "committed_tcb": old},
        held={"snp_vek": vendor().vek(tcb=old)},
        changed={"minimum_committed_tcb": _floor(snp=24)},
    )
    yield alone(
        "snp.firmware.provisional",
        "Newer firmware runs than is committed, so that the host can go back",
        "ATK-005",
        fields={"committed_firmware": Firmware(1, 55, 48)},
    )
    yield alone(
        "snp.firmware.minimum",
        "The firmware is older than the floor",
        "ATK-016",
        fields={
            "current_firmware": Firmware(1, 55, 28),
            "committed_firmware": Firmware(1, 55, 28),
        },
    )
    yield alone(
        "snp.mitigations",
        "A mitigation was not in force when the guest was launched",
        "ATK-016",
        fields={"mitigations": (0x2, 0x6)},
        changed={"mitigations": {"Milan": "0x6"}},
    )


def _floor(**levels: int) -> dict[str, dict[str, int]]:
    return {"Milan": {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0} | levels}


def content_rules() -> Iterator[Case]:
    """What the report was made for."""
    yield alone(
        "snp.measurement",
        "Other code than the policy names",
        "ATK-096",
        changed={"measurement": [_OTHER * 48]},
    )
    yield alone(
        "snp.report_data",
        "The evidence answers the nonce of another session",
        "ATK-038",
        what="replayed",
        nonce=bytes(reversed(range(32))),
        held={"nonce": None},
    )
    yield alone(
        "snp.report_data",
        "The bundle brings the nonce that it answers, and the auditor's own is another",
        "ATK-039",
        what="attester-nonce",
        nonce=bytes(reversed(range(32))),
    )
    values: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
        ("snp.host_data", "HOST_DATA", {}, {"host_data": [_OTHER * 32]}),
        ("snp.family_id", "FAMILY_ID", {}, {"family_id": [_OTHER * 16]}),
        ("snp.image_id", "IMAGE_ID", {}, {"image_id": [_OTHER * 16]}),
        ("snp.id_key", "ID_KEY_DIGEST", {}, {"id_key": [_OTHER * 48]}),
        (
            "snp.author_key",
            "AUTHOR_KEY_DIGEST",
            {"author_key_digest": b"\x44" * 48, "key_info": 1},
            {"author_key": [_OTHER * 48]},
        ),
    )
    for check, field, fields, changed in values:
        title = f"{field} is not what the policy expects"
        yield alone(check, title, "ATK-017", fields=fields, changed=changed)
    yield alone(
        "snp.author_key",
        "AUTHOR_KEY_DIGEST is right, and AUTHOR_KEY_EN says that there is none",
        "ATK-017",
        what="not-enabled",
        fields={"author_key_digest": b"\x33" * 48},
        changed={"author_key": [_OTHER * 48]},
    )
    yield alone(
        "snp.guest_svn",
        "GUEST_SVN is below the floor",
        "ATK-017",
        fields={"guest_svn": 7},
        changed={"minimum_guest_svn": 8},
    )
    yield alone(
        "snp.migration_agent",
        "A migration agent vouches for the guest",
        "ATK-009",
        fields={"report_id_ma": bytes(32)},
    )
    yield alone(
        "snp.chip.enrolled",
        "A chip that the policy does not name",
        "ATK-006",
        changed={"chip_ids": [_OTHER * 64]},
    )
    yield alone(
        "snp.chip.denied",
        "A chip whose key has leaked",
        "ATK-007",
        "ATK-015",
        changed={"denied_chip_ids": [CHIP]},
    )
    yield alone(
        "snp.chip.denied",
        "A chip whose key has leaked, and which the report hides",
        "ATK-007",
        what="masked",
        fields={"chip_id": bytes(64)},
        changed={"denied_chip_ids": [CHIP], "masked_chip_id": "allowed"},
    )
    vlek = vendor(kind=VekKind.VLEK)
    yield alone(
        "snp.chip.denied",
        "A VLEK names no chip, so that none can be refused",
        "ATK-007",
        what="vlek",
        amd=vlek,
        changed={"denied_chip_ids": [CHIP]},
    )
    yield logged(
        "evidence.platform",
        "Simulated evidence under a policy for hardware",
        "ATK-093",
        changed={"platform": "hardware"},
    )


def vulnerabilities() -> Iterator[Case]:
    """Known vulnerabilities."""
    advisories = SNP_RULES["advisories"]
    yield alone(
        "snp.advisories",
        "The platform is open to a known vulnerability that the policy does not accept",
        "ATK-016",
        changed={"advisories": advisories | {"accepted": []}},
    )
    yield alone(
        "snp.advisories.age",
        "The table of vulnerabilities is older than the policy takes",
        "ATK-016",
        "ATK-092",
        changed={"advisories": advisories | {"maximum_age_days": 30}},
        instant=NOW + timedelta(days=60),
    )


def id_blocks() -> Iterator[Case]:
    """The ID block that a guest was launched with."""
    owner, author = ec_key("id"), ec_key("author")
    block = encode_id_block(MEASUREMENT, family_id=b"f" * 16, guest_svn=3)
    owned = {
        "family_id": b"f" * 16,
        "guest_svn": 3,
        "id_key_digest": hashlib.sha384(encode_key(owner)).digest(),
        "author_key_digest": hashlib.sha384(encode_key(author)).digest(),
        "key_info": 1,
    }
    who = encode_id_authentication(block, id_key=owner, author_key=author)
    required = {"id_block": "required"}

    def case(check: str | None, title: str, **changes: Any) -> Case:
        held = {"snp_id_block": block, "snp_id_authentication": who} | changes.pop("held", {})
        fields = owned | changes.pop("fields", {})
        return alone(check, title, "ATK-017", fields=fields, held=held, changed=required, **changes)

    yield case(
        None,
        "An ID block that the owner signed, whose key the author signed",
        what="accepted-id-block",
        spec=("SNP ABI, SNP_LAUNCH_FINISH",),
    )
    yield case(
        "snp.id_block.format",
        "The ID block is a byte too short",
        held={"snp_id_block": block[:-1]},
        **MALFORMED,
    )
    other = encode_id_block(MEASUREMENT, family_id=b"g" * 16, guest_svn=3)
    yield case(
        "snp.id_block.signature",
        "The ID key signed another ID block",
        held={
            "snp_id_authentication": encode_id_authentication(
                other, id_key=owner, author_key=author
            )
        },
    )
    yield case(
        "snp.id_block.fields",
        "The guest was launched with another ID block",
        fields={"family_id": b"g" * 16},
    )

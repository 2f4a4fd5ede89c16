"""Appraises an image by its bytes: a closed list of rules, each with its check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from verifier.appraisal.findings import Finding, FindingClass, Status, failed, finding
from verifier.appraisal.image import boot_rules, content_rules, source_rules, tree_rules
from verifier.appraisal.image.scanned import ImageRule, ScannedImage
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.appraisal.verdict import Target, Verdict
from verifier.errors import ParseError
from verifier.release.newc import parse_newc

__all__ = ["GUEST_POLICY_PATH", "SCANNED_FILES", "SCAN_CHECKS", "appraise_image"]

GUEST_POLICY_PATH = "etc/cvm/guest-policy.json"
"""Where an initrd has the guest's own policy."""

SCANNED_FILES = tuple(BUILT_FILES[role] for role in ("initrd", "command-line", "firmware"))
"""The files that a scan needs, all of which are measured."""

_INITRD, _COMMAND_LINE, _FIRMWARE = SCANNED_FILES
_ARCHIVE, _GUEST_POLICY = "scan.archive", "scan.guest_policy"
_TREE: Mapping[str, ImageRule] = {
    "scan.paths": tree_rules.paths,
    "scan.permissions": tree_rules.permissions,
    "scan.devices": tree_rules.devices,
    "scan.programs": tree_rules.programs,
    "scan.source": source_rules.source,
    "scan.login": content_rules.login,
    "scan.leftovers": content_rules.leftovers,
    "scan.environment": content_rules.environment,
    "scan.host_media": content_rules.host_media,
    "scan.drivers": tree_rules.drivers,
    "scan.acpi": tree_rules.acpi,
    "scan.hooks": content_rules.hooks,
    "scan.pickle": content_rules.pickle,
    "scan.mutable_reference": content_rules.mutable_reference,
    "scan.disk_encryption": content_rules.disk_encryption,
}
_BOOT = {
    "scan.command_line": (_COMMAND_LINE, boot_rules.command_line),
    "scan.mitigations": (_COMMAND_LINE, boot_rules.mitigations),
    "scan.firmware": (_FIRMWARE, boot_rules.firmware),
}
SCAN_CHECKS = (_ARCHIVE, *_TREE, *_BOOT, _GUEST_POLICY)
"""Every check of a scan; all are required."""

_TOLD = 5  # offences of one check that are told by name


def appraise_image(files: Mapping[str, bytes], *, now: datetime) -> Verdict:
    """Judge the ``SCANNED_FILES`` by name; one that is missing fails what looks at it."""
    ledger = Ledger()
    entries = ledger.attempt(
        _ARCHIVE,
        lambda: parse_newc(_initrd(files)),
        expected="one archive, with distinct names, and nothing after its end",
        got=lambda found: f"{len(found)} entries",
        source=_INITRD,
    )
    if entries is None:
        reason = "the initrd cannot be read"
        ledger.skip((*_TREE, _GUEST_POLICY), reason=reason, source=_INITRD)
    else:
        image = ScannedImage.of(entries)
        ledger.record(_ruled(check, rule(image), source=_INITRD) for check, rule in _TREE.items())
    for check, (name, rule) in _BOOT.items():
        missing = [] if name in files else ["the file is missing"]
        ledger.record((_ruled(check, missing or rule(files[name]), source=name),))
    if entries is not None:
        found = next((entry.content for entry in entries if entry.name == GUEST_POLICY_PATH), None)
        offences = ["it is missing"] if found is None else boot_rules.guest_policy(found)
        ledger.record((_ruled(_GUEST_POLICY, offences, source=GUEST_POLICY_PATH),))
    return Verdict(
        target=Target("image", _digest(files)),
        policy_name="no policy",
        policy_sha256=b"",
        stages=("scan",),
        instant=now,
        platform="",
        required=SCAN_CHECKS,
        findings=ledger.findings,
        not_proven=(),
    )


def _initrd(files: Mapping[str, bytes]) -> bytes:
    if _INITRD not in files:
        raise ParseError("initrd", expected=f"the file {_INITRD}", got="the file is missing")
    return files[_INITRD]


def _digest(files: Mapping[str, bytes]) -> bytes:
    """What names the image: SHA-256 of a line a file, as sha256sum writes them."""
    lines = (
        f"{hashlib.sha256(files.get(name, b'')).hexdigest()}  {name}\n" for name in SCANNED_FILES
    )
    return hashlib.sha256("".join(lines).encode("ascii")).digest()


def _ruled(check: str, offences: Iterable[str], *, source: str) -> Finding:
    told = list(islice(offences, 1000))
    if not told:
        return finding(
            check, Status.PASS, expected="nothing of the kind", got="nothing found", source=source
        )
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return failed(
        check,
        expected="nothing of the kind",
        got="; ".join(told[:_TOLD]) + more,
        source=source,
        cls=FindingClass.SECURITY,
        hint=f"cvm-audit explain {check}",
    )

"""What every check proves and does not prove: the pages of ``cvm-audit explain``.

Loaded only where pages are shown or written: texts are long, and a verdict does without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.checks import CHECKS
from verifier.report.explanations.bundle_and_log import BUNDLE, LOG
from verifier.report.explanations.driving import DRIVE
from verifier.report.explanations.driving_path import DRIVE_PATH
from verifier.report.explanations.explanation import Explanation
from verifier.report.explanations.image_scan import SCAN
from verifier.report.explanations.private_path import KEYS
from verifier.report.explanations.rebuilding import REBUILD
from verifier.report.explanations.release_and_host import HOST, PLATFORM, RELEASE
from verifier.report.explanations.session import SESSION
from verifier.report.explanations.snp_advisories import ADVISORIES, INFORMATION
from verifier.report.explanations.snp_certificate import CERTIFICATE
from verifier.report.explanations.snp_container import CONTAINER, ID_BLOCK
from verifier.report.explanations.snp_contents import CHIP, CONTENTS
from verifier.report.explanations.snp_levels import LEVELS
from verifier.report.explanations.snp_policy import GUEST
from verifier.report.explanations.snp_report import REPORT

__all__ = ["EXPLANATIONS", "GROUPS", "Explanation"]

GROUPS: Mapping[str, tuple[Explanation, ...]] = MappingProxyType(
    {
        "the evidence bundle": BUNDLE,
        "the log": LOG,
        "the release": RELEASE,
        "enrolled hosts": HOST,
        "the keys of the private path": KEYS,
        "the TLS session": SESSION,
        "the kind of platform": PLATFORM,
        "SEV-SNP: the certificate and its chain": CERTIFICATE,
        "SEV-SNP: the report": REPORT,
        "SEV-SNP: what the report came in": CONTAINER,
        "SEV-SNP: the ID block": ID_BLOCK,
        "SEV-SNP: who speaks, and under which guest policy": GUEST,
        "SEV-SNP: how recent the firmware is": LEVELS,
        "SEV-SNP: what the guest carries": CONTENTS,
        "SEV-SNP: the chip": CHIP,
        "SEV-SNP: known vulnerabilities": ADVISORIES,
        "the rebuild": REBUILD,
        "the drive": DRIVE,
        "the drive through the private path": DRIVE_PATH,
        "the scan of an image": SCAN,
        "SEV-SNP: for information, never a pass or a failure": INFORMATION,
    }
)
"""Every explanation, by the heading under which it is listed."""

_BY_CHECK = {page.check: page for pages in GROUPS.values() for page in pages}

EXPLANATIONS: Mapping[str, Explanation] = MappingProxyType(
    {check: _BY_CHECK[check] for check in CHECKS if check in _BY_CHECK}
)
"""Every explanation by its check, in the order of the registry."""

"""The judge: parses, authenticates and appraises evidence. Offline but for ``fetch``.

This is its library as well (docs/library.md): the names of ``__all__`` stay as they are within a
major version, everything below may move. They are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.appraisal.findings import Finding, FindingClass, Status
    from verifier.appraisal.policy import Policy, parse_policy
    from verifier.appraisal.verdict import Outcome, Verdict
    from verifier.client.client import AttestedClient
    from verifier.client.deployment import Deployment
    from verifier.client.endpoint import DirectEndpoint
    from verifier.client.feature import Feature, FeatureOffError
    from verifier.client.path import PrivatePath
    from verifier.errors import (
        AuditError,
        FetchError,
        ParseError,
        PolicyError,
        UnsupportedError,
        VerificationError,
    )
    from verifier.library import (
        NotVerifiedError,
        Verified,
        appraise_bundle,
        appraise_report,
        load_policy,
        load_simulated_root,
        verify_bundle,
        verify_report,
    )
    from verifier.roots.amd import AMD_ROOTS

__all__ = [
    "AMD_ROOTS",
    "AttestedClient",
    "AuditError",
    "Deployment",
    "DirectEndpoint",
    "Feature",
    "FeatureOffError",
    "FetchError",
    "Finding",
    "FindingClass",
    "NotVerifiedError",
    "Outcome",
    "ParseError",
    "Policy",
    "PolicyError",
    "PrivatePath",
    "Status",
    "UnsupportedError",
    "Verdict",
    "VerificationError",
    "Verified",
    "__version__",
    "appraise_bundle",
    "appraise_report",
    "load_policy",
    "load_simulated_root",
    "parse_policy",
    "verify_bundle",
    "verify_report",
]

__version__ = "0.1.0"

_PLACES = {
    "verifier.appraisal.findings": ("Finding", "FindingClass", "Status"),
    "verifier.appraisal.policy": ("Policy", "parse_policy"),
    "verifier.appraisal.verdict": ("Outcome", "Verdict"),
    "verifier.client.client": ("AttestedClient",),
    "verifier.client.deployment": ("Deployment",),
    "verifier.client.endpoint": ("DirectEndpoint",),
    "verifier.client.feature": ("Feature", "FeatureOffError"),
    "verifier.client.path": ("PrivatePath",),
    "verifier.errors": (
        "AuditError",
        "FetchError",
        "ParseError",
        "PolicyError",
        "UnsupportedError",
        "VerificationError",
    ),
    "verifier.library": (
        "NotVerifiedError",
        "Verified",
        "appraise_bundle",
        "appraise_report",
        "load_policy",
        "load_simulated_root",
        "verify_bundle",
        "verify_report",
    ),
    "verifier.roots.amd": ("AMD_ROOTS",),
}


# Hidden from type checkers, which would take it for a promise of every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        for module, names in _PLACES.items():
            if name in names:
                value = getattr(importlib.import_module(module), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

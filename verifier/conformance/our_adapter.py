"""Our own verifier as an adapter: a request in, an answer out. It gets nothing that others do not.

``accepted`` is said of VERIFIED alone: who asks for a thing and gets NOT DETERMINED or PARTIAL did
not get it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import FindingClass, Status
from verifier.appraisal.policy import Policy, parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.conformance.fixture import Ruling
from verifier.conformance.protocol import Answer, EvidenceRequest, MeasurementRequest
from verifier.errors import ParseError, PolicyError, UnsupportedError, VerificationError
from verifier.evidence.bundle import open_bundle, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.snp_report import parse_report
from verifier.measurement.sev_snp import launch_digest, launch_inputs_from_binaries
from verifier.roots.amd import AMD_ROOTS

if TYPE_CHECKING:  # loads the library of Sigstore, which only a policy with identities needs
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = ["Judged", "judge_evidence", "judge_measurement", "judge_request"]


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer, and the verdict behind it; None where there is none."""

    answer: Answer
    verdict: Verdict | None


def judge_request(request: EvidenceRequest | MeasurementRequest) -> Judged:
    """Judge what is asked."""
    if isinstance(request, MeasurementRequest):
        return Judged(judge_measurement(request), None)
    return judge_evidence(request)


def judge_evidence(request: EvidenceRequest) -> Judged:
    """Judge a bundle as ``cvm-audit verify`` does."""
    try:
        policy = parse_policy(request.policy)
        roots = (*AMD_ROOTS, *map(parse_simulated_root, request.roots))
        trusted_root = _trusted_root(request, policy)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "sigstore":
            raise
        return Judged(_answer(Ruling.UNSUPPORTED, "the extra sigstore is not installed"), None)
    except (PolicyError, ParseError, UnsupportedError, VerificationError) as error:
        return Judged(_answer(Ruling.MALFORMED, str(error)), None)
    verdict = appraise_bundle(
        request.bundle,
        policy=policy,
        roots=roots,
        now=request.instant,
        nonce=request.nonce,
        trusted_root=trusted_root,
    )
    return Judged(_answer_of(verdict, request.bundle), verdict)


def _trusted_root(request: EvidenceRequest, policy: Policy) -> TrustedRoot | None:
    if policy.release is None or not policy.release.identities or request.sigstore_root is None:
        return None
    # Slow to load, and an extra: only a policy with identities pays for it.
    from verifier.release.sigstore_bundle import parse_trusted_root  # noqa: PLC0415

    return parse_trusted_root(request.sigstore_root)


def _answer_of(verdict: Verdict, bundle: bytes) -> Answer:
    failures = [finding for finding in verdict.findings if finding.status is Status.FAIL]
    ruling = Ruling.REJECTED
    if verdict.outcome is Outcome.VERIFIED:
        ruling = Ruling.ACCEPTED
    elif failures and all(finding.cls is FindingClass.INPUT for finding in failures):
        ruling = Ruling.UNSUPPORTED if _is_of_another_version(bundle) else Ruling.MALFORMED
    failed = tuple(dict.fromkeys(finding.check for finding in failures))
    reason = "; ".join(f"{each.check}: {each.got}" for each in failures) or str(verdict.outcome)
    return Answer(ruling=ruling, failed=failed, reason=_printable(reason))


def _is_of_another_version(bundle: bytes) -> bool:
    # A finding does not say whether the bytes are wrong or only newer than we are.
    try:
        report = open_bundle(parse_bundle(parse_bundle_tar(bundle))).content("snp-report")
        if report is not None:
            parse_report(report, unknown_versions=())
    except UnsupportedError:
        return True
    except (ParseError, VerificationError):
        return False
    return False


def judge_measurement(request: MeasurementRequest) -> Answer:
    """Say whether the launch has the measurement that is claimed for it."""
    launch = request.launch
    try:
        inputs = launch_inputs_from_binaries(
            firmware=request.firmware,
            kernel=request.kernel,
            initrd=request.initrd,
            cmdline=None if launch.cmdline is None else launch.cmdline.encode(),
            vcpus=launch.vcpus,
            vcpu_signature=launch.vcpu_signature,
            guest_features=launch.guest_features,
            vmm=launch.vmm,
        )
    except UnsupportedError as error:
        return _answer(Ruling.UNSUPPORTED, str(error))
    except (ParseError, ValueError) as error:
        return _answer(Ruling.MALFORMED, str(error))
    digest = launch_digest(inputs)
    ruling = Ruling.ACCEPTED if digest == launch.measurement else Ruling.REJECTED
    return _answer(ruling, f"this launch measures {digest.hex()}")


def _answer(ruling: Ruling, reason: str) -> Answer:
    return Answer(ruling=ruling, failed=None, reason=_printable(reason))


def _printable(reason: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in reason)[:2000]

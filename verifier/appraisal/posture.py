"""What authentic evidence says of firmware levels and of the bits of guest and platform.

Nothing here names one chip, one guest or one moment, so that all machines of one build share it:
what a policy or the table of advisories makes of it is judged once and kept. Judges of a posture
are given nothing else, so what is kept cannot depend on anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.snp_report_checks import Tcbs
from verifier.evidence.snp_bits import GuestPolicy
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = ["Posture", "posture_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """The part of authentic evidence that many machines share; equal ones are judged alike.

    ``certified_tcb`` is the certificate's, which is what the key was derived for. ``policy`` is
    the guest's POLICY; the mitigation vectors are None before version 5 of the report.
    """

    product: Product
    key: VekKind
    csp_id: str | None
    version: int
    vmpl: int
    policy: int
    platform_info: int
    certified_tcb: Tcb
    tcbs: Tcbs
    current_firmware: Firmware
    committed_firmware: Firmware
    launch_mitigation_vector: int | None
    current_mitigation_vector: int | None

    @property
    def guest_policy(self) -> GuestPolicy:
        """POLICY, by the names of its bits."""
        return GuestPolicy(self.policy)


def posture_of(authentic: AuthenticReport) -> Posture:
    """The posture that authentic evidence shows."""
    report, certificate = authentic.report, authentic.vek.certificate
    return Posture(
        product=authentic.product,
        key=certificate.kind,
        csp_id=certificate.csp_id,
        version=report.version,
        vmpl=report.vmpl,
        policy=report.policy,
        platform_info=report.platform_info,
        certified_tcb=certificate.tcb,
        tcbs=authentic.tcbs,
        current_firmware=report.current_firmware,
        committed_firmware=report.committed_firmware,
        launch_mitigation_vector=report.launch_mitigation_vector,
        current_mitigation_vector=report.current_mitigation_vector,
    )

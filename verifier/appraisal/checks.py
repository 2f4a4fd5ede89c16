"""The closed registry of checks: their ids, what each one compares, and the clause behind it.

An id is public vocabulary: never renamed, never reused. A finding can only be made of a check
that stands here. ``spec`` names the document and clause; "SNP ABI" is AMD publication 56860,
"KDS" is AMD publication 57230, "design" is the design of this project (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CHECKS", "Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """One registered check: stable ``id``, ``title`` in words, ``spec`` clause.

    An ``informative`` one only says something that the reader should know: it cannot fail, is
    never required, and never makes a verdict better.
    """

    id: str
    title: str
    spec: str
    informative: bool = False


_ALL = (
    # The evidence bundle.
    Check("bundle.format", "the bundle is complete and well formed", "schemas/bundle.v1"),
    Check("bundle.member", "a bundle member has the digest that bundle.json states", "schemas/bundle.v1"),
    # The log.
    Check("log.proof.format", "the .tlog-proof is well formed", "C2SP tlog-proof"),
    Check("log.checkpoint.signature", "the checkpoint is signed by the log of the policy", "C2SP tlog-checkpoint, signed-note"),
    Check("log.witness.quorum", "enough witnesses of the policy cosigned the checkpoint", "C2SP tlog-policy, tlog-cosignature"),
    Check("log.inclusion", "the entry is in the tree that the checkpoint signs", "RFC 6962 section 2.1.1"),
    # The release.
    Check("release.format", "the entry is a canonical envelope of a known statement", "design section 4, RFC 8785"),
    Check("release.signature", "a publisher of the policy signed the release", "DSSE v1, protocol"),
    Check("release.role", "the release is for the role of the policy", "design section 4"),
    Check("release.product", "the release is of the product of the policy", "design section 4"),
    Check("release.security_version", "the security version number is not below the floor", "design section 4"),
    Check("release.not_after", "the release has not expired", "design section 4"),
    Check("release.expected_evidence", "the kind of evidence that the release promises was given", "design section 4"),
    Check("release.identity", "a Sigstore identity of the policy signed the release", "Sigstore bundle v0.3; design section 4"),
    Check("release.measurement", "the launch measurement is one that the release states", "design section 4"),
    # The hosts that an operator enrolled.
    Check("host.format", "the entry is a canonical envelope of a host-identity", "design section 4, RFC 8785"),
    Check("host.signature", "an operator of the policy signed the host identity", "DSSE v1, protocol"),
    Check("host.validity", "the host identity is valid at the instant", "design section 4"),
    Check("host.enrolled", "the chip is one that the operator enrolled", "design section 4; KDS, hwID"),
    # The keys of the private path.
    Check("keys.format", "the key document and its logged configurations are well formed", "docs/spec/private-path.md; RFC 8785"),
    Check("keys.signature", "publishers of the policy signed every key configuration", "DSSE v1, protocol"),
    Check("keys.validity", "every key configuration is valid at the instant", "docs/spec/private-path.md"),
    Check("keys.complete", "there is a gateway's key and an issuer's key of the kinds that are used", "docs/spec/private-path.md; RFC 9458 section 3.1, RFC 9578 section 6.5"),
    # The TLS session that the evidence was given in.
    Check("session.binding", "the session binding holds together and answers the nonce", "docs/spec/attested-tls.md; RFC 8446 section 7.5"),
    Check("session.role", "the CVM at the other end claims the role that the policy wants", "design section 6"),
    # The kind of platform.
    Check("evidence.platform", "the evidence comes from the kind of platform that the policy names", "design section 3"),
    # AMD SEV-SNP: the certificate (VEK = VCEK or VLEK).
    Check("snp.vek.format", "the VEK certificate is well formed and has AMD's extensions", "KDS, VCEK certificate format"),
    Check("snp.chain.root", "CA certificates offered with the evidence are the pinned ones", "KDS, certificate chain"),
    Check("snp.chain.validity", "the pinned CA certificates are valid at the instant", "RFC 5280 section 4.1.2.5"),
    Check("snp.crl.format", "the CRL is well formed", "RFC 5280 section 5.1"),
    Check("snp.crl.signature", "the CRL is signed by the pinned ARK", "RFC 5280 section 5; KDS, CRL"),
    Check("snp.crl.freshness", "the CRL is current at the instant", "RFC 5280 sections 5.1.2.4, 5.1.2.5"),
    Check("snp.chain.revocation", "no certificate of the chain is revoked", "RFC 5280 section 5"),
    Check("snp.vek.issuer", "the VEK names the issuer that is pinned for its product and kind", "KDS, certificate chain"),
    Check("snp.vek.signature", "the VEK is signed by the pinned vendor key", "KDS; RFC 8017 section 8.1.2"),
    Check("snp.vek.validity", "the VEK is valid at the instant", "RFC 5280 section 4.1.2.5"),
    # AMD SEV-SNP: the report.
    Check("snp.report.format", "the report is well formed and of a known version", "SNP ABI, ATTESTATION_REPORT"),
    Check("snp.report.unknown_bits", "no bit is set whose meaning is unknown", "SNP ABI, ATTESTATION_REPORT"),
    Check("snp.report.signing_key", "the report was signed by the kind of key that the VEK certifies", "SNP ABI, KEY_INFO"),
    Check("snp.report.unsigned_tail", "the bytes after the signature, which nobody signs, are zero", "SNP ABI, SIGNATURE"),
    Check("snp.report.signature", "the VEK signed the received bytes of the report", "SNP ABI, SIGNATURE; FIPS 186-5"),
    Check("snp.tcb.reported_equals_certificate", "REPORTED_TCB is the TCB that the VEK was derived for", "SNP ABI, REPORTED_TCB; KDS, SPL extensions"),
    Check("snp.tcb.order", "REPORTED_TCB <= COMMITTED_TCB <= CURRENT_TCB, component by component", "SNP ABI, TCB_VERSION"),
    Check("snp.firmware.order", "the committed firmware is not newer than the running one", "SNP ABI, COMMITTED_MAJOR, _MINOR, _BUILD"),
    Check("snp.chip_id.equals_certificate", "CHIP_ID is the chip that the VCEK was issued for", "SNP ABI, CHIP_ID; KDS, hwID"),
    Check("snp.product.agreement", "report, certificate and vendor key name one product", "SNP ABI, CPUID fields; KDS, productName"),
    # AMD SEV-SNP: what a report came in.
    Check("snp.hcl.format", "the HCL container is well formed", "Azure vTPM evidence, HCL report"),
    Check("snp.hcl.runtime_data", "REPORT_DATA is the digest of the runtime data of the container", "Azure vTPM evidence, HCL report"),
    Check("snp.hcl.quote", "the vTPM's key of the runtime data signed a quote over the nonce", "TPM 2.0 part 2, TPMS_ATTEST"),
    # AMD SEV-SNP: the ID block.
    Check("snp.id_block.format", "ID block and ID authentication are well formed", "SNP ABI, SNP_LAUNCH_FINISH"),
    Check("snp.id_block.signature", "the ID key signed the ID block, the author key the ID key", "SNP ABI, SNP_LAUNCH_FINISH"),
    Check("snp.id_block.fields", "the report repeats what the ID block states", "SNP ABI, SNP_LAUNCH_FINISH"),
    # AMD SEV-SNP: the policy.
    Check("snp.report.version", "the version of the report is one that the policy accepts", "SNP ABI, VERSION"),
    Check("snp.product.allowed", "the product is one that the policy accepts", "policy sev_snp.products"),
    Check("snp.signing_key.allowed", "the kind of signing key is one that the policy accepts", "policy sev_snp.signing_keys"),
    Check("snp.vmpl", "the report was requested from an accepted privilege level", "SNP ABI, VMPL"),
    Check("snp.policy.debug", "the guest cannot be debugged by the host", "SNP ABI, POLICY bit 19"),
    Check("snp.policy.migrate", "the guest cannot be migrated by a migration agent", "SNP ABI, POLICY bit 18"),
    Check("snp.policy.smt", "simultaneous multithreading is as the policy says", "SNP ABI, POLICY bit 16"),
    Check("snp.policy.cxl", "CXL memory and devices are as the policy says", "SNP ABI, POLICY bit 21"),
    Check("snp.policy.restrictions", "the restrictions that the policy requires bind the host", "SNP ABI, POLICY bits 20, 22 to 25"),
    Check("snp.policy.abi", "the guest demands a firmware ABI not below the floor", "SNP ABI, POLICY bits 0 to 15"),
    Check("snp.platform_info", "the platform protections that the policy requires are on", "SNP ABI, PLATFORM_INFO"),
    Check("snp.tcb.reported_minimum", "REPORTED_TCB is not below the floor, component by component", "SNP ABI, TCB_VERSION"),
    Check("snp.tcb.launch_minimum", "LAUNCH_TCB is not below the floor, component by component", "SNP ABI, TCB_VERSION"),
    Check("snp.platform_info.forbidden", "the platform features that the policy forbids are off", "SNP ABI, PLATFORM_INFO"),
    Check("snp.tcb.committed_minimum", "COMMITTED_TCB is not below the floor, component by component", "SNP ABI, TCB_VERSION"),
    Check("snp.firmware.provisional", "the running firmware is committed, so that it cannot be rolled back", "SNP ABI, SNP_COMMIT"),
    Check("snp.mitigations", "the mitigations that the policy requires are in force, now and at launch", "SNP ABI, MITIGATION_VECTOR"),
    Check("snp.firmware.minimum", "the running firmware is not older than the floor", "SNP ABI, CURRENT_MAJOR, _MINOR, _BUILD"),
    Check("snp.measurement", "MEASUREMENT is one that the policy names", "SNP ABI, MEASUREMENT"),
    Check("snp.report_data", "REPORT_DATA is what the policy expects", "SNP ABI, REPORT_DATA"),
    Check("snp.host_data", "HOST_DATA is what the policy expects", "SNP ABI, HOST_DATA"),
    Check("snp.guest_svn", "GUEST_SVN is not below the floor", "SNP ABI, GUEST_SVN"),
    Check("snp.family_id", "FAMILY_ID is what the policy expects", "SNP ABI, FAMILY_ID"),
    Check("snp.image_id", "IMAGE_ID is what the policy expects", "SNP ABI, IMAGE_ID"),
    Check("snp.id_key", "ID_KEY_DIGEST is what the policy expects", "SNP ABI, ID_KEY_DIGEST"),
    Check("snp.author_key", "AUTHOR_KEY_DIGEST is what the policy expects", "SNP ABI, AUTHOR_KEY_DIGEST"),
    Check("snp.migration_agent", "REPORT_ID_MA is none, or an agent that the policy names", "SNP ABI, REPORT_ID_MA"),
    Check("snp.chip.enrolled", "the chip is one that the policy names", "SNP ABI, CHIP_ID"),
    Check("snp.chip.denied", "the chip is none that the policy refuses", "SNP ABI, CHIP_ID"),
    Check("snp.advisories", "no known vulnerability is open that the policy does not accept", "verifier/appraisal/advisories"),
    Check("snp.advisories.age", "the table of vulnerabilities is recent enough", "verifier/appraisal/advisories"),
    # The rebuild.
    Check("rebuild.source", "the source tree is the one that the release names", "design section 4; docs/spec/rebuild.md"),
    Check("rebuild.lock", "the lock of inputs is the one that the release names", "design section 4; docs/spec/rebuild.md"),
    Check("rebuild.inputs", "every input of the lock is at hand, with the locked digest", "docs/spec/rebuild.md"),
    Check("rebuild.sandbox", "the builds had no network and an environment of their own", "docs/spec/rebuild.md"),
    Check("rebuild.build", "each build ended well, within its limits", "docs/spec/rebuild.md"),
    Check("rebuild.recipe", "what was built is of the recipe that the release names", "docs/spec/image.md; docs/spec/rebuild.md"),
    Check("rebuild.released", "a file that is offered as the released one is what is logged", "docs/spec/rebuild.md"),
    Check("rebuild.reproducible", "two builds in different environments give the same bytes", "docs/spec/rebuild.md"),
    Check("rebuild.artifact", "a rebuilt artifact is the released one, byte for byte", "design section 4; docs/spec/rebuild.md"),
    Check("rebuild.coverage", "every artifact of the release is one that a build makes", "docs/spec/rebuild.md"),
    Check("rebuild.measurement", "every measurement of the release follows from the rebuilt bytes", "SNP ABI, SNP_LAUNCH_UPDATE"),
    # The drive.
    Check("drive.artifacts", "what is booted are the artifacts of the release", "design section 4; docs/spec/drive.md"),
    Check("drive.boot", "the release boots, and its guest serves", "docs/spec/drive.md"),
    Check("drive.session", "the guest answers a new nonce with evidence, over TLS 1.3", "docs/spec/attested-tls.md; RFC 8446"),
    Check("drive.release", "the guest serves under the release that was booted", "docs/spec/attested-tls.md"),
    Check("drive.measurement", "the guest's measurement is the one of the booted bytes", "SNP ABI, SNP_LAUNCH_UPDATE; docs/spec/drive.md"),
    Check("drive.answer", "the guest answers random texts as the released code does", "docs/spec/workload.md"),
    Check("drive.tamper.kernel", "the firmware refuses another kernel", "edk2, OvmfPkg/AmdSev; docs/spec/drive.md"),
    Check("drive.tamper.initrd", "the firmware refuses another initrd", "edk2, OvmfPkg/AmdSev; docs/spec/drive.md"),
    Check("drive.tamper.command_line", "the firmware refuses another command line", "edk2, OvmfPkg/AmdSev; docs/spec/drive.md"),
    Check("drive.tamper.no_table", "the firmware refuses a boot without hashes", "edk2, OvmfPkg/AmdSev; docs/spec/drive.md"),
    Check("drive.refuses_unproven", "the guest declines to serve when the proof of its release is corrupted", "docs/spec/attested-tls.md"),
    Check("drive.control", "the untouched release serves beside the boots that must not", "docs/spec/drive.md"),
    Check("drive.record", "what whoever drove the release recorded of it", "schemas/drive-record.v1", informative=True),
    # The drive through the private path.
    Check("drive.path.answer", "the CVM answers random texts, through relay and gateway, as the released code does", "docs/spec/workload.md; docs/spec/drive.md"),
    Check("drive.path.binding", "evidence is bound to its session after the handshake, and the key exchange is hybrid", "docs/spec/attested-tls.md; RFC 8446, section 7.5"),
    Check("drive.path.canary", "a canary in a prompt is at no hop, in no file of a role and on no console of a CVM", "docs/spec/private-path.md; RFC 9458, section 6"),
    Check("drive.path.memory", "a canary in a prompt is in the memory of no role", "docs/spec/private-path.md; docs/spec/drive.md"),
    Check("drive.path.token_replay", "a token is taken once", "RFC 9577, section 2.2; docs/spec/private-path.md"),
    Check("drive.path.token_linkage", "nothing of a spent token was seen where it was issued", "RFC 9578, section 6; RFC 9474"),
    Check("drive.path.key_consistency", "everyone is given the same keys, and they are in the log", "docs/spec/private-path.md; RFC 9458, section 7"),
    Check("drive.path.clients_alike", "two clients look alike to the gateway", "RFC 9458, section 6; docs/spec/private-path.md"),
    Check("drive.path.steering", "no client is led to a CVM of somebody's choice", "docs/spec/private-path.md; docs/spec/drive.md"),
    Check("drive.path.length_buckets", "lengths at every hop tell the bucket of a text and no more", "docs/spec/sealed.md; docs/spec/private-path.md"),
    Check("drive.path.stateless", "a second session knows nothing of the first", "docs/spec/workload.md; docs/spec/attested-tls.md"),
    Check("drive.path.restart", "a restarted CVM knows nothing of the sessions before", "docs/spec/workload.md; docs/spec/attested-tls.md"),
    Check("drive.path.forward_secrecy", "a recorded session stays closed when every long-lived key is known", "RFC 8446, appendix E.1; docs/spec/sealed.md"),
    Check("drive.path.feature_off", "nothing is sent while the feature is off", "docs/library.md; docs/spec/drive.md"),
    Check("drive.path.fail_closed", "a client refuses corrupted proofs before a byte of its prompt has left", "docs/spec/drive.md"),
    # The scan of an image.
    Check("scan.archive", "the initrd is one plain archive that people and kernels read alike", "docs/spec/rebuild.md"),
    Check("scan.paths", "no link of the image leads out of it, or to what the host supplies", "docs/spec/rebuild.md"),
    Check("scan.permissions", "nothing in the image is writable by others, setuid, or not root's", "docs/spec/rebuild.md"),
    Check("scan.devices", "the image has no device nodes but the usual harmless ones", "docs/spec/rebuild.md"),
    Check("scan.programs", "nothing in the image can be executed but its program and interpreter", "docs/spec/rebuild.md"),
    Check("scan.source", "the programs of the image can be read, and byte code has its source beside it", "PEP 3147; PEP 263"),
    Check("scan.login", "the image has no way to log in", "docs/spec/rebuild.md"),
    Check("scan.leftovers", "the image has no shell, console, guest agent, debugger or installer", "docs/spec/rebuild.md"),
    Check("scan.environment", "nothing in the image takes variables or libraries from elsewhere", "docs/spec/rebuild.md"),
    Check("scan.host_media", "nothing in the image reads disks, shares or files of the host", "docs/spec/rebuild.md"),
    Check("scan.drivers", "the image has no kernel modules but those that are known to be needed", "docs/spec/rebuild.md"),
    Check("scan.acpi", "the image carries no ACPI tables for the kernel to replace", "Linux, Documentation/admin-guide/acpi/initrd_table_override.rst"),
    Check("scan.hooks", "nothing is started in the image but its one program", "docs/spec/rebuild.md"),
    Check("scan.pickle", "the image holds nothing that executes when it is loaded as a model", "docs/spec/rebuild.md"),
    Check("scan.mutable_reference", "everything that the image refers to is named by digest", "docs/spec/rebuild.md"),
    Check("scan.disk_encryption", "the image unlocks no encrypted disk that the host keeps", "docs/spec/rebuild.md"),
    Check("scan.command_line", "the kernel command line opens no way into the guest", "docs/spec/rebuild.md"),
    Check("scan.mitigations", "the kernel command line keeps the mitigations on, and ends a guest that panics", "docs/spec/rebuild.md"),
    Check("scan.firmware", "the firmware has a place for the hashes of kernel, initrd and command line", "edk2, OvmfPkg/AmdSev"),
    Check("scan.guest_policy", "the guest demands a signed and logged release of itself", "docs/spec/rebuild.md"),
    # What the reader should know: these cannot fail.
    Check("snp.advisory", "what the evidence says of one known vulnerability", "verifier/appraisal/advisories", informative=True),
    Check("snp.product.warning", "what evidence of this product line cannot prove", "verifier/appraisal/advisories", informative=True),
    Check("snp.physical", "what no evidence can show", "verifier/appraisal/advisories", informative=True),
    Check("snp.measurement.explained", "which inputs would have given the observed measurement", "SNP ABI, SNP_LAUNCH_UPDATE", informative=True),
    Check("snp.fields.unjudged", "the fields that no check looks at, and why", "SNP ABI, ATTESTATION_REPORT", informative=True),
)  # fmt: skip

CHECKS: Mapping[str, Check] = MappingProxyType({check.id: check for check in _ALL})
"""Every check by its id."""

"""Pages of the checks of who speaks in an SEV-SNP report, under which guest policy."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["GUEST"]

GUEST = (
    Explanation(
        check="snp.report.version",
        proves="VERSION of the report is in the policy's `report_versions`.",
        does_not_prove="That the fields of that version were judged. Older versions say less: "
        "without CPUID (2) or mitigation vectors (before 5), what they leave out cannot be shown.",
        fails_when="The platform's firmware is older or newer than the policy foresees.",
        do="Update the platform, or extend the policy once you know what the version says.",
        attacks=("ATK-012",),
    ),
    Explanation(
        check="snp.product.allowed",
        proves="The product line on which report, certificate and vendor key agree is in the "
        "policy's `products`.",
        does_not_prove="That chips of the line keep their secrets.",
        fails_when="The deployment runs on a line that the policy leaves out, as one may leave out "
        "Milan since its root secret can be read out (see `snp.product.warning`).",
        do="Ask for a deployment on an accepted line. A line that is added needs TCB floors too.",
        attacks=("ATK-007",),
    ),
    Explanation(
        check="snp.signing_key.allowed",
        proves="The certificate is of a kind in the policy's `signing_keys`, and a VLEK is of a "
        "cloud provider in `csp_ids`, exactly as the certificate writes it.",
        does_not_prove="With a VLEK, which machine it was: a provider loads one key into many "
        "chips.",
        fails_when="The cloud provider uses VLEKs and the policy names only VCEK, or it is the "
        "VLEK of another provider.",
        do="Decide whether you trust that provider with its key, and name it if so.",
        attacks=("ATK-002",),
    ),
    Explanation(
        check="snp.vmpl",
        proves="The report was requested from a privilege level in the policy's `vmpls`.",
        does_not_prove="Which software ran there. A more privileged level may ask for a report of "
        "a less privileged one, so a 1 may also be asked for by level 0.",
        fails_when="A paravisor in level 0 stands above the guest, which then has a higher number; "
        "or the host requested the report (0xffffffff), in which case REPORT_DATA is the host's "
        "choice.",
        do="Accept the level that the release documents, and never the host's unless you know why.",
        attacks=("ATK-011",),
    ),
    Explanation(
        check="snp.policy.debug",
        proves="POLICY bit 19 is 0: the firmware will not read or write the guest's memory for the "
        "host.",
        does_not_prove="That the guest offers no debugging of its own, such as a console; that is "
        "a matter of the measured image.",
        fails_when="The guest was launched for development. A debuggable guest has the same "
        "measurement, and no secrets.",
        do="Have it launched without DEBUG. There is no good reason to accept it from a service.",
        attacks=("ATK-009",),
    ),
    Explanation(
        check="snp.policy.migrate",
        proves="POLICY bit 18 is 0: no migration agent may take the guest's memory to another "
        "machine.",
        does_not_prove="That the guest was not moved in other ways, such as a restart elsewhere.",
        fails_when="The operator uses live migration.",
        do="If that is meant to be, allow it and pin the agent with `snp.migration_agent`.",
        attacks=("ATK-009",),
    ),
    Explanation(
        check="snp.policy.smt",
        proves="POLICY bit 16 is 0: the guest does not run on a machine with simultaneous "
        "multithreading, so no sibling thread of another guest shares its core.",
        does_not_prove="Freedom from side channels of other kinds.",
        fails_when="The guest permits it, which most do.",
        do="Weigh it: without SMT several known leaks (StackWarp among them) are bounded, at a "
        "cost in speed.",
        attacks=("ATK-009",),
    ),
    Explanation(
        check="snp.policy.cxl",
        proves="POLICY bit 21 is 0: the guest does not run on a machine with CXL memory or "
        "devices.",
        does_not_prove="Anything about memory that is soldered or plugged in the ordinary way.",
        fails_when="The guest permits CXL.",
        do="Have it launched without the permission, unless its memory must be on CXL.",
        attacks=("ATK-009",),
    ),
    Explanation(
        check="snp.policy.restrictions",
        proves="Every restriction that the policy lists is set in POLICY, so the firmware would "
        "not have launched the guest on a machine without it: SINGLE_SOCKET (bit 20), "
        "MEM_AES_256_XTS (22), RAPL_DIS (23), CIPHERTEXT_HIDING_DRAM (24), PAGE_SWAP_DISABLE (25).",
        does_not_prove="That a restriction stops what it is named after. Interposers on the memory "
        "bus work in spite of ciphertext hiding.",
        fails_when="The guest was launched without asking for it. Unlike permissions, a bit set "
        "here makes the guest stronger.",
        do="Have the launch ask for the restriction; older firmware refuses the newer bits.",
        attacks=("ATK-009",),
    ),
    Explanation(
        check="snp.policy.abi",
        proves="The ABI version that the guest demands (POLICY bits 0 to 15, minor and major) is "
        "at least `minimum_abi`, so no machine with older firmware could have launched it.",
        does_not_prove="The version that runs; `snp.firmware.minimum` asks for that.",
        fails_when="The launch left the field at zero, which most do.",
        do="Have the launch demand the version, or leave the floor at 0.0.",
        attacks=("ATK-009", "ATK-016"),
    ),
    Explanation(
        check="snp.platform_info",
        proves="Every bit that the policy lists as required is set in PLATFORM_INFO. "
        "ALIAS_CHECK_COMPLETE says that the firmware looked for aliased memory, which is the "
        "answer to BadRAM.",
        does_not_prove="That the protection holds against whoever opens the machine. The bits are "
        "of the platform now; POLICY is what the guest demanded at launch.",
        fails_when="The BIOS switches the protection off, or the firmware is older than the bit.",
        do="Update firmware and BIOS settings of the host.",
        attacks=("ATK-010",),
    ),
    Explanation(
        check="snp.platform_info.forbidden",
        proves="No bit that the policy forbids, such as SMT_EN, is set in PLATFORM_INFO.",
        does_not_prove="That the feature stays off after the report was made.",
        fails_when="The host has the feature switched on.",
        do="Ask the operator to switch it off, or decide that you can live with it.",
        attacks=("ATK-010",),
    ),
)
"""The guest and its platform; the registry's order is that of ``EXPLANATIONS``."""

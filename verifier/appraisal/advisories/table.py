"""The table of known vulnerabilities, as of ``TABLE_DATE``.

Which products are affected and which release fixes them: AMD's own CVE records
(CVEProject/cvelistV5), unless a row says otherwise. AMD publishes the levels that evidence can
show in its bulletins only, some of them were withdrawn again, and the bulletins themselves were
not read for this table: a number that comes from quotations of a bulletin says whose, and is
unconfirmed unless several agree. Hexadecimal firmware versions of the records are decimal here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from verifier.appraisal.advisories.advisory import NO_KNOWN_LEVEL, Advisory, Exposure
from verifier.appraisal.advisories.criteria import (
    any_of,
    firmware_floor,
    mitigation_bit,
    platform_bit,
    policy_bit,
    tcb_floor,
)
from verifier.evidence.tcb import Firmware, Product

__all__ = ["ADVISORIES", "PHYSICAL", "PRODUCT_WARNINGS", "TABLE_DATE"]

TABLE_DATE = datetime(2026, 11, 21, tzinfo=UTC)
"""The day up to which sources were read."""

_MILAN, _GENOA, _TURIN = Product.MILAN, Product.GENOA, Product.TURIN
_RECORD = "AMD's CVE record"
_OTHERS_ONLY = "AMD's record of the CVE names other product lines only"

_BADRAM = "AMD's record of CVE-2024-21944"
_ENTRYSIGN = "AMD-SB-3019, quoted in microsoft/CCF issue 6812"
_IOMMU = "AMD's record of CVE-2023-20585, which writes it in hexadecimal"
_RMPOCALYPSE_BIT = "AMD-SB-3020, quoted by automata-network/automata-tee-workload-measurement"
_ENTRYSIGN_BUILD = "AMD-SB-3019, quoted by ariofrio/pi-tee"
_RMPOCALYPSE_LEVEL = "AMD-SB-3020, quoted by ariofrio/pi-tee"
_STACKWARP_LEVEL = "AMD-SB-3027, quoted by ariofrio/pi-tee"
_HERACLES = "SNP firmware ABI 1.58, POLICY; PLATFORM_INFO"
_ALIAS_CHECK, _CIPHERTEXT_HIDING, _PAGE_SWAP_DISABLE = 5, 4, 25

_WITHDRAWN = (
    "AMD withdrew the TCB levels from its bulletin on 2026-09-24 (quoted by ariofrio/pi-tee)"
)
_GUEST_KERNEL = "the guest's kernel decides, which only its launch measurement shows"
_SEED = "no field shows whether this chip's seed was taken, and it cannot be changed"
_INTERPOSER = "no field shows it, and the vendor calls it out of scope"


def _affected(fixed_in: dict[Product, str], open_question: str) -> tuple[Exposure, ...]:
    return tuple(
        Exposure(product=product, fixed_in=release, open_question=open_question)
        for product, release in fixed_in.items()
    )


def _everywhere(fixed_in: str, open_question: str) -> tuple[Exposure, ...]:
    return _affected(dict.fromkeys((_MILAN, _GENOA, _TURIN), fixed_in), open_question)


_CACHEWARP = Advisory(
    id="CVE-2023-20592",
    name="CacheWarp",
    bulletin="AMD-SB-3005",
    published="2023-11-14",
    source=_RECORD,
    exposures=_affected({_MILAN: "a microcode update of 2023"}, NO_KNOWN_LEVEL),
    elsewhere=_OTHERS_ONLY,
)
_SB_3007 = Advisory(
    id="CVE-2023-31346",
    name="stale memory of other guests",
    bulletin="AMD-SB-3007",
    published="2024-02-13",
    source=_RECORD,
    exposures=_affected({_MILAN: "not named", _GENOA: "not named"}, NO_KNOWN_LEVEL),
    elsewhere=_OTHERS_ONLY,
)
_HECKLER = Advisory(
    id="CVE-2024-25744",
    name="Heckler, WeSee",
    bulletin="none; also CVE-2024-25742 and 25743, unconfirmed",
    published="2024-02-12",
    source="the CVE record: Linux before 6.6.7",
    exposures=_everywhere("a guest kernel that refuses injected interrupts", _GUEST_KERNEL),
)
_SINKCLOSE = Advisory(
    id="CVE-2023-31315",
    name="Sinkclose",
    bulletin="AMD-SB-7014, unconfirmed",
    published="2024-08-09",
    source=_RECORD,
    exposures=_affected({_MILAN: "MilanPI 1.0.0.D", _GENOA: "GenoaPI 1.0.0.C"}, NO_KNOWN_LEVEL),
    elsewhere=_OTHERS_ONLY,
)
_BADRAM_ROW = Advisory(
    id="CVE-2024-21944",
    name="BadRAM",
    bulletin="AMD-SB-3015",
    published="2026-06-10",
    source=_RECORD,
    exposures=tuple(
        Exposure(
            product=product,
            fixed_in=fixed_in,
            criteria=(
                firmware_floor(firmware, source=_BADRAM),
                platform_bit(_ALIAS_CHECK, source="SNP firmware ABI, PLATFORM_INFO"),
            ),
        )
        for product, fixed_in, firmware in (
            (_MILAN, "MilanPI 1.0.0.D", Firmware(1, 55, 22)),
            (_GENOA, "GenoaPI 1.0.0.D", Firmware(1, 55, 38)),
        )
    ),
    elsewhere=_OTHERS_ONLY,
)
_ENTRYSIGN_ROW = Advisory(
    id="CVE-2024-56161",
    name="EntrySign",
    bulletin="AMD-SB-3019, AMD-SB-7033",
    published="2025-02-03",
    source=f"{_RECORD}; GHSA-4xq7-4mgh-gp6w",
    exposures=(
        Exposure(
            product=_MILAN,
            fixed_in="MilanPI 1.0.0.F",
            criteria=(tcb_floor("snp", 0x18, source=_ENTRYSIGN),),
        ),
        Exposure(
            product=_GENOA,
            fixed_in="GenoaPI 1.0.0.E",
            criteria=(
                tcb_floor("snp", 0x17, source=_ENTRYSIGN),
                # A genuine report has this level with an older build and older microcode.
                firmware_floor(Firmware(1, 55, 40), source=_ENTRYSIGN_BUILD, confirmed=False),
            ),
        ),
        Exposure(
            product=_TURIN,
            fixed_in="not named",
            open_question="AMD's record names Zen 1 to 4, and AMD-SB-7033 is said to reach Zen 5",
        ),
    ),
)
_RMPOCALYPSE = Advisory(
    id="CVE-2025-0033",
    name="RMPocalypse",
    bulletin="AMD-SB-3020",
    published="2025-10-14",
    source=_RECORD,
    exposures=(
        Exposure(
            product=_MILAN,
            fixed_in="MilanPI 1.0.0.H",
            criteria=(mitigation_bit(1, source=_RMPOCALYPSE_BIT, confirmed=False),),
            open_question=NO_KNOWN_LEVEL,
        ),
        Exposure(
            product=_GENOA,
            fixed_in="not named",
            criteria=(tcb_floor("snp", 0x1B, source=_RMPOCALYPSE_LEVEL, confirmed=False),),
            open_question="AMD's record leaves Genoa out, and quotations of the bulletin do not",
        ),
        Exposure(
            product=_TURIN,
            fixed_in="TurinPI 1.0.0.6",
            criteria=(tcb_floor("snp", 0x04, source=_RMPOCALYPSE_LEVEL, confirmed=False),),
        ),
    ),
)
_HERACLES_ROW = Advisory(
    id="heracles",
    name="Heracles",
    bulletin="none known",
    published="2025",
    source="ACM CCS 2025; SNP firmware ABI 1.58",
    exposures=tuple(
        Exposure(
            product=product,
            fixed_in="a guest policy that forbids moving and swapping pages, or hidden ciphertext",
            criteria=(
                any_of(
                    policy_bit(_PAGE_SWAP_DISABLE, source=_HERACLES),
                    platform_bit(_CIPHERTEXT_HIDING, source=_HERACLES),
                ),
            ),
        )
        for product in Product
    ),
)
_STACKWARP = Advisory(
    id="CVE-2025-29943",
    name="StackWarp",
    bulletin="AMD-SB-3027",
    published="2026-01-16",
    source=_RECORD,
    exposures=(
        *_affected(
            {
                _MILAN: "not named; embedded parts: EmbMilanPI-SP3 1.0.0.C",
                _GENOA: "Genoa++ 1.0.0.H",
            },
            "the microcode level differs by stepping, and none is confirmed; it needs SMT",
        ),
        Exposure(
            product=_TURIN,
            fixed_in="TurinPI 1.0.0.6",
            criteria=(tcb_floor("uc", 0x51, source=_STACKWARP_LEVEL, confirmed=False),),
        ),
    ),
)
_IOMMU_ROW = Advisory(
    id="CVE-2023-20585",
    name="IOMMU buffers without RMP check",
    bulletin="AMD-SB-3016",
    published="2026-04-16",
    source=_RECORD,
    exposures=tuple(
        Exposure(
            product=product,
            fixed_in=f"SEV firmware {firmware}, and an update of the host",
            criteria=(
                firmware_floor(firmware, source=_IOMMU),
                mitigation_bit(
                    2,
                    source="AMD-SB-3016, quoted by automata-network and StogasAI/verifier",
                    confirmed=False,
                ),
            ),
            open_question="no confirmed field shows the update of the host",
        )
        for product, firmware in ((_MILAN, Firmware(1, 55, 35)), (_GENOA, Firmware(1, 55, 49)))
    ),
    elsewhere=_OTHERS_ONLY,
)
_ASP_MMIO = Advisory(
    id="CVE-2025-54510",
    name="ASP MMIO routing (Fabricked)",
    bulletin="AMD-SB-3034",
    published="2026-04-16",
    source=_RECORD,
    exposures=_affected(
        {_MILAN: "MilanPI 1.0.0.J", _GENOA: "GenoaPI 1.0.0.H", _TURIN: "TurinPI 1.0.0.8"},
        _WITHDRAWN,
    ),
)
_SHARED_RESOURCE = Advisory(
    id="CVE-2025-54502",
    name="shared resource exposure",
    bulletin="not found",
    published="2026-04-16",
    source=_RECORD,
    exposures=_affected(
        {_MILAN: "MilanPI 1.0.0.J", _GENOA: "GenoaPI 1.0.0.H", _TURIN: "TurinPI 1.0.0.9"},
        NO_KNOWN_LEVEL,
    ),
)
_KVM_RACE = Advisory(
    id="CVE-2026-31591",
    name="KVM: save areas changed while a launch is finished",
    bulletin="none; Linux kernel",
    published="2026-04-24",
    source="the Linux kernel's CVE record",
    exposures=_everywhere("Linux 6.18.24, 6.19.14, 7.0.1", "the host's kernel decides, unseen"),
)
_BADFUSE = Advisory(
    id="milanlaunchy",
    name="BadFuse, MilanLaunchy",
    bulletin="AMD-SB-3045, second hand",
    published="2026-05-13",
    source="arXiv 2605.12990, abstract",
    exposures=_affected({_MILAN: "MilanPI 1.0.0.3, says the bulletin"}, _SEED),
    elsewhere="the paper is about EPYC Milan",
)
_BREAKFAST = Advisory(
    id="CVE-2025-61971",
    name="NBIO registers without lock (BreakFAST)",
    bulletin="AMD-SB-3030",
    published="2026-05-13",
    source=_RECORD,
    exposures=_affected(
        {_MILAN: "MilanPI 1.0.0.J", _GENOA: "GenoaPI 1.0.0.H", _TURIN: "TurinPI 1.0.0.8"},
        NO_KNOWN_LEVEL,
    ),
)
_STALEUS = Advisory(
    id="CVE-2025-54509",
    name="IOMMU registers: non-coherent ASP (Staleus)",
    bulletin="AMD-SB-3039",
    published="2026-06-09",
    source=_RECORD,
    exposures=_affected({_GENOA: "GenoaPI 1.0.0.H", _TURIN: "TurinPI 1.0.0.8"}, NO_KNOWN_LEVEL),
    elsewhere=_OTHERS_ONLY,
)
_ONE_GLITCH = Advisory(
    id="one-glitch",
    name="One Glitch",
    bulletin="none",
    published="2021",
    source="PSPReverse/amd-sp-glitch",
    exposures=_affected({_MILAN: "nothing known"}, _SEED),
    elsewhere="shown on Zen 1 to Zen 3",
)
_INTERPOSERS = Advisory(
    id="memory-interposers",
    name="Battering RAM, WireTap, TEE.fail",
    bulletin="AMD-SB-3040: out of scope",
    published="2025",
    source="batteringram.eu, wiretap.fail, tee.fail",
    exposures=_everywhere("nothing: not even hidden ciphertext helps", _INTERPOSER),
)

ADVISORIES = (
    _ONE_GLITCH,
    _CACHEWARP,
    _SB_3007,
    _HECKLER,
    _SINKCLOSE,
    _BADRAM_ROW,
    _ENTRYSIGN_ROW,
    _INTERPOSERS,
    _HERACLES_ROW,
    _RMPOCALYPSE,
    _STACKWARP,
    _IOMMU_ROW,
    _ASP_MMIO,
    _SHARED_RESOURCE,
    _KVM_RACE,
    _BADFUSE,
    _BREAKFAST,
    _STALEUS,
)
"""Every advisory, by when the attack became known."""

PRODUCT_WARNINGS = {
    _MILAN: (
        "a Milan chip's root seed can be taken by software (BadFuse, arXiv 2605.12990) or by a "
        "voltage glitch (One Glitch): whoever has it signs reports of any content and any TCB, so "
        "this evidence proves neither the firmware level nor the guest against such an owner"
    ),
}
"""What evidence of a product line cannot prove, whatever its fields say."""

PHYSICAL = (
    "whoever can reach the memory bus can read and forge what the chip protects (Battering RAM, "
    "WireTap, TEE.fail): no field shows it; where the machine stands, and that its chip is "
    "enrolled, has to be known otherwise"
)
"""What no evidence of any product line can show."""

"""AMD's SEV-SNP roots: six, for three products and two kinds of VEK, from nine pinned keys.

The ARKs are self-signed; each signs its product's ASK (issuer of VCEKs) and ASVK (issuer of
VLEKs). Tests check those signatures once, on the certificates themselves, so no verification
repeats them.
"""

from __future__ import annotations

from verifier.roots.amd_genoa import ARK_GENOA, ASK_GENOA, ASVK_GENOA
from verifier.roots.amd_milan import ARK_MILAN, ASK_MILAN, ASVK_MILAN
from verifier.roots.amd_name import amd_name
from verifier.roots.amd_turin import ARK_TURIN, ASK_TURIN, ASVK_TURIN
from verifier.roots.snp_root import CaFacts, Platform, Product, SnpRoot, VekKind

__all__ = ["AMD_CERTIFICATES", "AMD_ROOTS"]

AMD_CERTIFICATES: tuple[CaFacts, ...] = (
    ARK_MILAN,
    ASK_MILAN,
    ASVK_MILAN,
    ARK_GENOA,
    ASK_GENOA,
    ASVK_GENOA,
    ARK_TURIN,
    ASK_TURIN,
    ASVK_TURIN,
)
"""The nine pinned CA certificates."""


def _root(product: Product, kind: VekKind, ark: CaFacts, signer: CaFacts) -> SnpRoot:
    return SnpRoot(
        product=product,
        kind=kind,
        platform=Platform.HARDWARE,
        ark=ark,
        signer=signer,
        vek_subject=amd_name(f"SEV-{kind}"),
    )


AMD_ROOTS: tuple[SnpRoot, ...] = (
    _root(Product.MILAN, VekKind.VCEK, ARK_MILAN, ASK_MILAN),
    _root(Product.MILAN, VekKind.VLEK, ARK_MILAN, ASVK_MILAN),
    _root(Product.GENOA, VekKind.VCEK, ARK_GENOA, ASK_GENOA),
    _root(Product.GENOA, VekKind.VLEK, ARK_GENOA, ASVK_GENOA),
    _root(Product.TURIN, VekKind.VCEK, ARK_TURIN, ASK_TURIN),
    _root(Product.TURIN, VekKind.VLEK, ARK_TURIN, ASVK_TURIN),
)
"""The roots that stand for AMD's hardware."""

"""Pages of the checks of the certificate of an SEV-SNP report, its chain and its CRL."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["CERTIFICATE"]

CERTIFICATE = (
    Explanation(
        check="snp.vek.format",
        proves="The certificate is strict DER of the VCEK or VLEK profile: RSASSA-PSS with SHA-384 "
        "and salt 48, a P-384 key, each of AMD's extensions that its kind needs exactly once and "
        "none that it may not have, security patch levels from 0 to 255.",
        does_not_prove="That AMD issued it; that is `snp.vek.signature`.",
        fails_when="The file is PEM and not DER, is a CA certificate, is of a product line that is "
        "not known, or is missing. Missing is not the claimant's lie but a gap (status error), "
        "because the vendor gives VCEKs to anyone who asks.",
        do="Convert PEM with `openssl x509 -outform der`. A VCEK is at AMD's key distribution "
        "service under CHIP_ID and REPORTED_TCB; a VLEK only the cloud provider can give.",
        attacks=("ATK-047", "ATK-048"),
    ),
    Explanation(
        check="snp.chain.root",
        proves="Every CA certificate that came with the evidence is, byte for byte by SHA-256, one "
        "that is pinned in this program. With none offered there is nothing to compare, and it "
        "passes.",
        does_not_prove="More than that, and nothing depends on it: offered certificates are never "
        "used. Signatures are verified under the pinned keys, whatever was offered.",
        fails_when="A host's certificate table holds malformed or foreign CA certificates, or "
        "somebody made a whole chain of their own with AMD's names. Such a chain is consistent in "
        "itself, and verifiers that took the root from the evidence accepted it.",
        do="Leave CA certificates out of the bundle; they are not needed. If a chain with AMD's "
        "names and other keys was offered on purpose, keep it: it is an attack.",
        attacks=("ATK-001",),
    ),
    Explanation(
        check="snp.chain.validity",
        proves="The instant of judgement lies in the validity of the pinned ARK and of the pinned "
        "ASK or ASVK of the product.",
        does_not_prove="That they were not revoked; that is `snp.chain.revocation`.",
        fails_when="The clock of this machine or `--at` is far off: these certificates live for 25 "
        "years, the oldest since October 2020.",
        do="Check the instant in the first lines of the report.",
        attacks=("ATK-036", "ATK-092"),
    ),
    Explanation(
        check="snp.crl.format",
        proves="The CRL is strict DER, version 2, complete (no delta, no indirect list, no part of "
        "one), with both its dates, and within the limits of size and count.",
        does_not_prove="That it is AMD's, or current.",
        fails_when="An error page was stored in its place, or it is PEM. Without a CRL this check "
        "is a skip, and `snp.chain.revocation` says that revocation is unknown.",
        do="Fetch it as DER from the vendor's key distribution service.",
        attacks=("ATK-008", "ATK-048"),
    ),
    Explanation(
        check="snp.crl.signature",
        proves="The issuer's Name in the CRL is that of the pinned ARK of the product, and that "
        "key signed the CRL (RSASSA-PSS, SHA-384).",
        does_not_prove="That it is the newest list.",
        fails_when="It is the CRL of another product line, or somebody made one that lists "
        "nothing.",
        do="Take the CRL of the product that the VEK was issued for.",
        attacks=("ATK-008",),
    ),
    Explanation(
        check="snp.crl.freshness",
        proves="The instant of judgement lies between thisUpdate and nextUpdate of the CRL; the "
        "finding says how old it is.",
        does_not_prove="That nothing was revoked since: between two lists nobody knows.",
        fails_when="The list was kept too long. AMD's live for about a year. A list that is not "
        "yet valid at the instant always fails; a stale one is only reported, status info, under a "
        "policy that says `stale_accepted`.",
        do="Fetch the current list. To judge evidence of the past, give the instant with `--at` "
        "and the list of that time.",
        attacks=("ATK-008", "ATK-092"),
    ),
    Explanation(
        check="snp.chain.revocation",
        proves="The vendor's authentic CRL lists the serial numbers of neither the ARK nor the ASK "
        "or ASVK. Any listing counts, whatever its date, because whoever holds a revoked key "
        "chooses the dates of what it signs.",
        does_not_prove="That the VEK itself is good: all VEKs have serial number 0, so no CRL can "
        "name one. A leaked VCEK is refused by chip, with `snp.chip.denied` or `host.enrolled`.",
        fails_when="The chain runs over a revoked intermediate, as the first ASK of Genoa (serial "
        "0x20001) is. Without a CRL the status is error or skip: revocation unknown.",
        do="Never accept a chain over a revoked certificate. For unknown, put the CRL into the "
        "bundle.",
        attacks=("ATK-008",),
    ),
    Explanation(
        check="snp.vek.issuer",
        proves="The issuer's Name in the certificate is, byte for byte, that of a pinned ASK or "
        "ASVK, and its kind and subject are those that this issuer issues.",
        does_not_prove="That this issuer signed it; Names can be written by anyone.",
        fails_when="The evidence is simulated and its root was not given, or it is of a product "
        "line without pinned keys. A VLEK under an ASK, or a VCEK under an ASVK, also ends here.",
        do="Give the simulated root with `--trust-root` if the evidence is meant to be simulated. "
        "For a new product line, use a newer release of this program.",
        attacks=("ATK-001", "ATK-002"),
    ),
    Explanation(
        check="snp.vek.signature",
        proves="The pinned vendor key signed the certificate, over its bytes as received. With the "
        "pin, this makes public key, TCB and chip of the certificate AMD's word.",
        does_not_prove="That the private key is still only in the chip. On Milan, published work "
        "takes it out by software.",
        fails_when="A byte of the certificate was changed, or it was signed by a key with the same "
        "name.",
        do="Take the certificate from AMD again and compare. If it differs, somebody changed the "
        "one in the evidence.",
        attacks=("ATK-001",),
    ),
    Explanation(
        check="snp.vek.validity",
        proves="The instant of judgement lies in the certificate's validity.",
        does_not_prove="When the report was made: it carries no time. An old report under a "
        "long-lived certificate passes, which is what a nonce is for.",
        fails_when="A VLEK, which lives for a year, has expired; VCEKs live for seven.",
        do="Ask for evidence under a current certificate, or judge the past with `--at`.",
        attacks=("ATK-036", "ATK-092"),
    ),
)
"""The certificate, in the order of the registry."""

"""Pages of the checks of what an SEV-SNP report came in, and of the ID block."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["CONTAINER", "ID_BLOCK"]

CONTAINER = (
    Explanation(
        check="snp.hcl.format",
        proves="The container that Azure's host compatibility layer (HCL) leaves in the vTPM has "
        "its header, a report of type SEV-SNP and runtime data of the length that it states.",
        does_not_prove="Anything about the report in it, which is judged like any other.",
        fails_when="The blob was cut off, is of a TDX machine, or uses another hash than SHA-256. "
        "Or another report lies beside the container.",
        do="Read the whole NV index 0x01400001 again.",
        attacks=("ATK-048",),
    ),
    Explanation(
        check="snp.hcl.runtime_data",
        proves="The first 32 bytes of REPORT_DATA are the SHA-256 of the runtime data as received, "
        "and the other 32 are zero. So the keys that the runtime data names, such as the vTPM's "
        "attestation key, are the word of the measured paravisor.",
        does_not_prove="Freshness: the paravisor asks for the report at boot, before any nonce of "
        "yours. Nor what runs in the guest: the measurement is the paravisor's, not the guest's.",
        fails_when="The JSON was reformatted, or report and runtime data are of two boots or two "
        "machines.",
        do="Keep the container whole and do not rewrite its JSON.",
        attacks=("ATK-034", "ATK-042"),
    ),
    Explanation(
        check="snp.hcl.quote",
        proves="The vTPM's attestation key, as the runtime data names it, signed a quote whose "
        "extra data is the auditor's nonce and whose digest is that of the registers in the "
        "evidence; registers for which values are expected hold them.",
        does_not_prove="Anything without an authentic report and `snp.hcl.runtime_data`, which say "
        "whose key it is. What the other registers mean is not judged. The vTPM is software in the "
        "paravisor, and as trustworthy as that.",
        fails_when="The quote answers another nonce, was made by another key, covers other "
        "registers, or is missing. Without any nonce it is skipped.",
        do="Ask for a quote over a nonce that you chose, and judge with `--nonce`.",
        attacks=("ATK-038", "ATK-039"),
    ),
)
"""Containers, in the order of the registry."""

ID_BLOCK = (
    Explanation(
        check="snp.id_block.format",
        proves="The ID block (96 bytes, version 1) and the ID authentication have their layout, "
        "P-384 keys and zero in every reserved byte.",
        does_not_prove="That this guest was launched with them.",
        fails_when="The policy demands an ID block and the bundle has none, or one made for "
        "another version.",
        do="Ask the operator for the two structures that were given to the launch.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.id_block.signature",
        proves="The ID key signed the ID block, and the author key, where there is one, signed the "
        "ID key.",
        does_not_prove="Whose keys these are. `snp.id_key` and `snp.author_key` compare their "
        "digests with those of the policy.",
        fails_when="Block and keys do not belong together, or a byte was changed.",
        do="Take both structures from the build that made the launch.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.id_block.fields",
        proves="The launch digest, FAMILY_ID, IMAGE_ID, GUEST_SVN, POLICY, both key digests and "
        "AUTHOR_KEY_EN of the report are those of the ID block and the ID authentication.",
        does_not_prove="That the values are good ones: the firmware enforced at launch that they "
        "match, and the policy says which it wants.",
        fails_when="The ID block is of another build than the guest, or the guest was launched "
        "without one, which leaves zeros in the report.",
        do="The finding names each field that differs. Look for the ID block of this launch.",
        attacks=("ATK-017",),
    ),
)
"""The ID block, in the order of the registry."""

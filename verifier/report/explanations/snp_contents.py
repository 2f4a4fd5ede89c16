"""Pages of the checks of what an SEV-SNP report was made for, and on which chip."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["CHIP", "CONTENTS"]

CONTENTS = (
    Explanation(
        check="snp.measurement",
        proves="MEASUREMENT, the digest of what was in the guest's memory at launch, is one of the "
        "values in the policy. Where the policy says `release` instead, `release.measurement` "
        "compares.",
        does_not_prove="That the value belongs to a public source or a logged release, unless you "
        "computed it yourself with `measure sev-snp`.",
        fails_when="Another firmware, kernel, initrd, command line, number or kind of vCPU was "
        "launched. The kind of vCPU is the most common honest difference.",
        do="Recompute for the parameters that the operator states. If the policy leaves the "
        "measurement out, nobody knows which code ran, and the verdict is at best PARTIAL.",
        attacks=("ATK-033",),
    ),
    Explanation(
        check="snp.report_data",
        proves="The 64 bytes of REPORT_DATA are those that the policy lists, or the digest of the "
        "auditor's nonce under this program's own prefix. All 64 are compared. With a nonce of "
        "yours, the report was made after you chose it.",
        does_not_prove="That your connection ends in that machine: an attacker can have a genuine "
        "one answer your nonce. A nonce recorded in a bundle shows freshness to whoever captured "
        "it and to nobody else; the finding then says so.",
        fails_when="The report answers another nonce, the guest hashes it in another way, or an "
        "old report is replayed. Without any nonce the check is not made.",
        do="Send 32 fresh random bytes, and judge with `--nonce`.",
        attacks=("ATK-038", "ATK-039"),
    ),
    Explanation(
        check="snp.host_data",
        proves="The 32 bytes of HOST_DATA, fixed by the host at launch, are those that the policy "
        "lists, such as the digest of a configuration that the measured code enforces.",
        does_not_prove="That the measured code reads it. HOST_DATA is not part of the measurement.",
        fails_when="Another configuration was given, or none, which is all zero.",
        do="Compute the digest of the configuration that you accept, and compare.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.guest_svn",
        proves="GUEST_SVN, the security version number of the ID block, is at least "
        "`minimum_guest_svn`.",
        does_not_prove="Anything, without an ID block whose key you know: whoever signs it chooses "
        "the number. Without an ID block it is 0.",
        fails_when="An older image was launched, or one without an ID block.",
        do="Have the current image launched.",
        attacks=("ATK-017", "ATK-060"),
    ),
    Explanation(
        check="snp.family_id",
        proves="FAMILY_ID of the ID block is what the policy lists.",
        does_not_prove="Which code ran. It is a label, as good as the key that signed the ID "
        "block.",
        fails_when="Another family of images was launched, or none was named (all zero).",
        do="Compare with what the publisher documents.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.image_id",
        proves="IMAGE_ID of the ID block is what the policy lists.",
        does_not_prove="Which code ran. It is a label, as good as the key that signed the ID "
        "block.",
        fails_when="Another image was launched, or none was named (all zero).",
        do="Compare with what the publisher documents.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.id_key",
        proves="ID_KEY_DIGEST, the SHA-384 of the key that signed the ID block at launch, is what "
        "the policy lists. The firmware verified that signature.",
        does_not_prove="Which code ran: whoever has the key can sign for other code as well. The "
        "measurement says which it was.",
        fails_when="Another key signed, or there was no ID block (all zero).",
        do="Compare with the digest that the publisher gives out.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.author_key",
        proves="AUTHOR_KEY_EN is set and AUTHOR_KEY_DIGEST is what the policy lists: that author "
        "key vouched for the ID key.",
        does_not_prove="Which code ran.",
        fails_when="The launch used no author key, or another one. Without the bit the field is no "
        "digest of a key, whatever it holds.",
        do="Compare with the digest that the publisher gives out.",
        attacks=("ATK-017",),
    ),
    Explanation(
        check="snp.migration_agent",
        proves="REPORT_ID_MA is 32 bytes of 0xff, which means that the guest has no migration "
        "agent; or it is the report id of an agent that the policy lists.",
        does_not_prove="What a listed agent does: it is another guest, with evidence of its own.",
        fails_when="The guest was launched with an agent that the policy does not know.",
        do="Judge the agent's own evidence first, and list it then.",
        attacks=("ATK-009",),
    ),
)
"""What the guest carries; the registry's order is that of ``EXPLANATIONS``."""

CHIP = (
    Explanation(
        check="snp.chip.enrolled",
        proves="CHIP_ID of the report is one that the policy lists.",
        does_not_prove="That nobody opened that machine. It says whose machine it was, which is "
        "the one answer that evidence has to physical attacks.",
        fails_when="Another genuine chip answers, the chip is masked (all zero), or the key is a "
        "VLEK.",
        do="Ask the operator for a list of chips; better, demand a logged one (`host.enrolled`).",
        attacks=("ATK-006", "ATK-015"),
    ),
    Explanation(
        check="snp.chip.denied",
        proves="The hwID of the certificate is none of those that the policy refuses. It is the "
        "certificate's, so a masked CHIP_ID hides nothing.",
        does_not_prove="That the chip's key did not leak: only leaks that are known can be listed.",
        fails_when="The key of this chip is known to have leaked. A VLEK also fails, because it "
        "cannot be told which chip it was used on.",
        do="Do not use that machine again; what it signs, anybody may have signed.",
        attacks=("ATK-007",),
    ),
)
"""The chip; the registry's order is that of ``EXPLANATIONS``."""

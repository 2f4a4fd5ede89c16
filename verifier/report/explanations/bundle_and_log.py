"""Pages of the checks of the bundle and of the log."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["BUNDLE", "LOG"]

BUNDLE = (
    Explanation(
        check="bundle.format",
        proves="bundle.json could be read strictly: every member and field is known, no key is "
        "there twice, sizes and counts are within their limits, every file that it lists is there, "
        "and nothing else is (no further file, no symbolic link, no special file).",
        does_not_prove="That anything in the bundle is true. The capture time is the word of "
        "whoever made the bundle, and so is the policy that may lie in it for the record; neither "
        "is used to judge.",
        fails_when="A file was lost or added in transport, an editor changed bundle.json, or "
        "another version of the format wrote it. In a tar, an entry that is no plain file is "
        "enough.",
        do="Ask for the bundle again, as one file (`evidence capture -o NAME.tar`), whose bytes "
        "follow from its content. Do not repair it by hand: it is what others will judge too.",
        attacks=("ATK-048", "ATK-067", "ATK-069"),
    ),
    Explanation(
        check="bundle.member",
        proves="Every member has exactly the size and the SHA-256 that bundle.json states, so the "
        "digest of bundle.json, which the verdict gives as its target, names all that was judged.",
        does_not_prove="Who made the bundle. bundle.json is not signed: whoever changes a member "
        "can change its digest too. What protects the members are their own signatures, which the "
        "other checks verify.",
        fails_when="A transfer converted line ends, or a member was replaced after the capture.",
        do="Compare the bundle with its source; capture the evidence again if that is possible.",
        attacks=("ATK-067",),
    ),
)
"""The bundle, in the order of the registry."""

LOG = (
    Explanation(
        check="log.proof.format",
        proves="The .tlog-proof is a header, an index, at most 63 hashes and a checkpoint, each in "
        "its one canonical spelling.",
        does_not_prove="Anything about the log: a well-formed proof may be of another entry, of "
        "another log, or invented. The three checks after this one decide that.",
        fails_when="The proof is missing in the bundle, was made by a program of an older draft "
        "without the header line, or has been edited. Hostile proofs carry extra or missing "
        "hashes, numbers with leading zeros, or base64 with stray bits.",
        do="Fetch it again with `release fetch`. If the log itself serves such proofs, report that "
        "to its operator and keep the bytes.",
        attacks=("ATK-048", "ATK-065"),
    ),
    Explanation(
        check="log.checkpoint.signature",
        proves="A key that the policy lists as a log signed this checkpoint, and the checkpoint's "
        "origin is the name of that key. Size and root of the tree are taken from it and from "
        "nowhere else.",
        does_not_prove="That the log shows everybody the same tree; that takes witnesses. Nor that "
        "the checkpoint is recent: a log may sign, and a claimant may show, an old one.",
        fails_when="The policy names another log, or a key that the log has replaced; a key is "
        "never learned from the log itself. Hostile cases are proofs from a test log or a staging "
        "log, and changed checkpoints.",
        do="Compare the `log` line of the policy with the key that the log's operator publishes "
        "elsewhere. Change the policy only for a rotation that was announced.",
        attacks=("ATK-059", "ATK-071"),
    ),
    Explanation(
        check="log.witness.quorum",
        proves="As many witnesses as the quorum of the policy demands have cosigned this very "
        "checkpoint. A witness cosigns only what extends all it has cosigned before, so those "
        "witnesses and this auditor are on one branch of the log.",
        does_not_prove="Anything, if the policy says `quorum none`: the check then passes and the "
        "finding says that a split view would not show. It never proves that the entries are "
        "right; a witness does not read them.",
        fails_when="The proof was made before the witnesses answered, a witness was replaced, or "
        "the cosignatures are of another checkpoint.",
        do="Fetch the proof again after a few minutes. If a quorum is never reached, ask the "
        "witnesses which checkpoint of this origin they saw last: a different root at the same "
        "size is proof of a fork, and worth publishing.",
        attacks=("ATK-062", "ATK-063"),
    ),
    Explanation(
        check="log.inclusion",
        proves="The bytes of the entry, as received, hash to a leaf from which the proof leads to "
        "the root that the checkpoint signs, at the index that the proof states. Every hash of the "
        "proof is used, and the sizes alone fix their order.",
        does_not_prove="That the entry is the newest of its kind, or was not withdrawn by a later "
        "one: inclusion is not currency. A signature by the log over an entry alone would prove "
        "nothing of this, and is not accepted instead.",
        fails_when="Entry and proof are of different releases, or one byte of the entry was "
        "changed, as by a program that rewrites JSON.",
        do="Fetch entry and proof together with `release fetch`, and do not let anything reformat "
        "the entry.",
        attacks=("ATK-064", "ATK-065"),
    ),
)
"""The log, in the order of the registry."""

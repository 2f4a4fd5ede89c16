"""Pages of the checks of the release, of enrolled hosts, and of the kind of platform."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["HOST", "PLATFORM", "RELEASE"]

RELEASE = (
    Explanation(
        check="release.format",
        proves="The logged entry is the canonical form (RFC 8785) of a DSSE envelope around an "
        "in-toto statement with a `cvm-release/v1` predicate, in which every member is known, "
        "every subject has a name of its own and a SHA-256, and every value is within its limits.",
        does_not_prove="That anybody named signed it, or that the artifacts exist. Locations in it "
        "are hints that nothing here follows.",
        fails_when="The entry is of another kind (a revocation, a key configuration), was made for "
        "another version of the format, or is not canonical.",
        do="Look at it with `release show`. If the index is of another kind of entry, fetch the "
        "one of the release.",
        attacks=("ATK-048", "ATK-069"),
    ),
    Explanation(
        check="release.signature",
        proves="At least `publisher_threshold` different keys that the policy names signed the "
        "payload of the entry. A bad signature under a named key refuses the whole entry, even "
        "where others suffice; signatures by unknown keys count for nothing.",
        does_not_prove="That the source builds to the stated measurements, or that the code is "
        "harmless: a publisher says so, in public, and can be held to it.",
        fails_when="The publisher changed keys and the policy did not, the threshold asks for "
        "signers that have not signed, or somebody else logged a release in the publisher's name.",
        do="Compare the key ids of the finding with those that the publisher gives out elsewhere. "
        "A logged release that its publisher does not know is an incident: tell the publisher.",
        attacks=("ATK-073",),
    ),
    Explanation(
        check="release.role",
        proves="The release was published for the role that the policy asks for, letter by letter.",
        does_not_prove="That this machine plays only that role, or that its code does what the "
        "role's name says.",
        fails_when="The policy is for another service, or a machine answers for another one: a "
        "release of the guard is genuine, logged and signed, and is still not the summariser.",
        do="Correct the policy if it was meant for the other role. Otherwise treat it as an "
        "attempt to pass one machine off as another.",
        attacks=("ATK-049",),
    ),
    Explanation(
        check="release.product",
        proves="The release is of the product that the policy names, letter by letter.",
        does_not_prove="Anything about its version; `release.security_version` bounds that.",
        fails_when="The publisher renamed the product, or a key signs several products and a "
        "release of another one is presented.",
        do="Correct the policy if the product was renamed. Give different products different "
        "policies.",
        attacks=("ATK-049",),
    ),
    Explanation(
        check="release.security_version",
        proves="The security version number that the publisher gave the release is at least "
        "`minimum_security_version` of the policy.",
        does_not_prove="That no later release exists, or that the number was raised for every "
        "hole: the publisher chooses it.",
        fails_when="The deployment was not updated, or an old release with a known hole is "
        "replayed; it is as well signed and as truly logged as on its first day.",
        do="Have the deployment updated. Raise the floor of the policy whenever the publisher "
        "raises the number for a reason of security.",
        attacks=("ATK-060",),
    ),
    Explanation(
        check="release.not_after",
        proves="The instant of judgement is not after the date up to which the publisher stands by "
        "the release.",
        does_not_prove="That the release was not withdrawn before that date: revocations are "
        "logged, and this check does not read them.",
        fails_when="The release has expired, or the auditor's clock or `--at` is wrong.",
        do="Ask for a deployment of a current release. To judge evidence of the past, give the "
        "instant of that time with `--at`; the verdict then speaks of that instant only.",
        attacks=("ATK-060",),
    ),
    Explanation(
        check="release.expected_evidence",
        proves="The evidence is what the release promises: a report of a TEE that it names, from "
        "one of its privilege levels, without a debug or migration permission that it rules out, "
        "at or above its own TCB floor for the product.",
        does_not_prove="That these promises are strict enough. They are the publisher's; the "
        "auditor's stand in the policy and are checked besides.",
        fails_when="The release runs on a product line or with a guest policy that its publisher "
        "did not foresee, or the platform is below the floor that the release demands.",
        do="The finding lists each promise that was not kept. Update the platform, or have the "
        "release logged anew with evidence that its publisher stands by.",
        attacks=("ATK-053", "ATK-054"),
    ),
    Explanation(
        check="release.identity",
        proves="A Sigstore bundle shows that an identity which the policy names, confirmed by the "
        "issuer that the policy names, signed this release, judged offline under the trusted root "
        "that the auditor gives.",
        does_not_prove="That the person or workflow behind the identity was not taken over. It "
        "also says nothing of the witnesses of the log of this policy: Sigstore's log is another "
        "one.",
        fails_when="The release was signed by another workflow, branch or account, the bundle is "
        "missing or of another statement, or it was made under a root that is not the auditor's, "
        "such as a staging instance. Without a trusted root of the auditor the check is skipped, "
        "and nothing that requires it is VERIFIED.",
        do="Compare the identity in the finding with that of the policy, character by character, "
        "and give the root as trusted_root.json in the folder of `--trust-root`. Never loosen an "
        "identity to make a release pass.",
        attacks=("ATK-059", "ATK-073"),
    ),
    Explanation(
        check="release.measurement",
        proves="MEASUREMENT of the authentic report equals one of the launch measurements that the "
        "logged release states for SEV-SNP. The finding says which row, that is for which virtual "
        "machine monitor, number of vCPUs and kind of vCPU.",
        does_not_prove="That the measured code is what its source says, or that nothing runs "
        "besides: the measurement covers what was in memory at launch, and SEV-SNP has no register "
        "for what is loaded later.",
        fails_when="The machine was started with another firmware, kernel, initrd, command line, "
        "number or kind of vCPU than any row, or it runs something else.",
        do="Recompute with `measure sev-snp` for the launch parameters that the operator states; a "
        "missing row is the publisher's to log. If nothing gives the observed value, the machine "
        "does not run the release.",
        attacks=("ATK-024", "ATK-033"),
    ),
)
"""The release, in the order of the registry."""

HOST = (
    Explanation(
        check="host.format",
        proves="The logged entry is the canonical form of an envelope around a `host-identity/v1` "
        "statement, in which every member is known and no host is listed twice.",
        does_not_prove="That anybody named signed it; the next check decides that.",
        fails_when="The policy demands enrolled hosts and the bundle brings no such entry or no "
        "proof of it, or an entry of another kind lies in its place.",
        do="Ask the operator for the host-identity entry and its proof, or fetch them from the "
        "log.",
        attacks=("ATK-006", "ATK-069"),
    ),
    Explanation(
        check="host.signature",
        proves="As many of the keys that the policy lists for the operator signed the entry as the "
        "policy demands.",
        does_not_prove="That the operator holds these machines in a safe place. Whoever signs can "
        "enrol any chip; that the entry is logged makes it visible.",
        fails_when="The operator changed keys, or somebody else signed a list of hosts.",
        do="Compare the key ids with those that the operator publishes.",
        attacks=("ATK-072",),
    ),
    Explanation(
        check="host.validity",
        proves="The entry is of the operator that the policy names, and the instant of judgement "
        "lies in the period for which the operator vouches for the hosts.",
        does_not_prove="That no host was withdrawn since: a revocation is an entry of its own, "
        "which this check does not read.",
        fails_when="The list has expired and was not renewed, or it is another operator's.",
        do="Ask the operator for a current entry.",
        attacks=("ATK-072",),
    ),
    Explanation(
        check="host.enrolled",
        proves="The hwID of the authentic VCEK certificate, digested with its product line, is one "
        "that the operator's logged entry lists. The hwID is the vendor's word; CHIP_ID in the "
        "report, which a host can mask, is not used.",
        does_not_prove="Where the machine stands, or that nobody opened it. A VLEK names no chip, "
        "so evidence under one can never pass.",
        fails_when="A genuine machine that the operator never enrolled answers: one bought for an "
        "attack, or simply a new one that is not on the list yet.",
        do="Ask the operator about the digest in the finding. Until the chip is enrolled and "
        "logged, treat it as somebody else's.",
        attacks=("ATK-006", "ATK-072"),
    ),
)
"""Enrolled hosts, in the order of the registry."""

PLATFORM = (
    Explanation(
        check="evidence.platform",
        proves="The root under which the evidence is authentic is of the kind that the policy "
        "names: `hardware`, a vendor key pinned in this program, or `simulated`, a root that was "
        "handed in with `--trust-root`.",
        does_not_prove="For simulated evidence, anything about hardware: its keys can be made by "
        "anyone, and every format of the verdict says so.",
        fails_when="Evidence of a simulated platform meets a policy for hardware, or the reverse.",
        do="Use a simulated policy for tests only. If evidence that should be hardware's is "
        "simulated, the deployment is not what it is said to be.",
        attacks=("ATK-093",),
    ),
)
"""The kind of platform."""

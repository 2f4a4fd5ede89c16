"""Pages of the checks of known vulnerabilities, and of what is only said for information."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["ADVISORIES", "INFORMATION"]

ADVISORIES = (
    Explanation(
        check="snp.advisories",
        proves="For no vulnerability in this program's table does the evidence show that its fix "
        "is missing, but for those that the policy accepts by id. Unless the policy lets "
        "undecidable ones stand, the evidence also shows every fix to be there.",
        does_not_prove="That there are no others. For most vulnerabilities the vendor publishes no "
        "number that evidence could show; those are undecidable, and are never counted as fixed.",
        fails_when="Firmware or a platform setting is older than a fix, or the policy refuses what "
        "cannot be decided.",
        do="Read the `snp.advisory` findings, update the platform, or accept single ids for a "
        "reason that you write down.",
        attacks=("ATK-016",),
    ),
    Explanation(
        check="snp.advisories.age",
        proves="At the instant of judgement the table of vulnerabilities is at most "
        "`maximum_age_days` old.",
        does_not_prove="That it is complete up to its date.",
        fails_when="This program was not updated for long.",
        do="Install a newer release, whose table is newer.",
        attacks=("ATK-016", "ATK-092"),
    ),
)
"""Known vulnerabilities, in the order of the registry."""

INFORMATION = (
    Explanation(
        check="snp.advisory",
        proves="For one known vulnerability, named by its id, whether this platform is not "
        "affected, mitigated, vulnerable or undecidable, with the numbers that were compared and "
        "where they are published.",
        does_not_prove="Anything by itself: `snp.advisories` judges. A number that is known from "
        "quotations only is called unconfirmed: it can raise a doubt, and never settle one.",
        fails_when="The report is authentic and the policy judges vulnerabilities: one finding for "
        "each row of the table.",
        do="Look for `vulnerable`, then for `undecidable` on what you care about.",
        attacks=("ATK-016",),
    ),
    Explanation(
        check="snp.product.warning",
        proves="What evidence of this product line cannot prove. For Milan: published work "
        "(BadFuse, arXiv 2605.12990, known from its abstract) takes the fused root secret by "
        "software, and whoever has it makes keys for any TCB of that chip.",
        does_not_prove="That this chip was attacked, or that it was not.",
        fails_when="The product line has such a known weakness.",
        do="Leave the line out of the policy's `products` where TCB claims must hold.",
        attacks=("ATK-007",),
    ),
    Explanation(
        check="snp.physical",
        proves="What no evidence of any product can show: interposers on the memory bus (Battering "
        "RAM, WireTap, TEE.fail) read and forge at little cost, and the vendor calls them out of "
        "scope.",
        does_not_prove="That somebody did so here.",
        fails_when="Always with an authentic report.",
        do="Demand enrolled hosts (`host.enrolled`), and ask who can touch them.",
        attacks=("ATK-015",),
    ),
    Explanation(
        check="snp.measurement.explained",
        proves="Which launch, near the launch inputs that came with the evidence, gives the "
        "observed measurement (number and kind of vCPU, guest features, virtual machine monitor), "
        "or that none of those tried does; and whether the release states a launch of that "
        "firmware and kernel.",
        does_not_prove="That those inputs are what was launched: they are the word of whoever sent "
        "the evidence. A measurement that can be explained still fails if the release does not "
        "state it.",
        fails_when="`release.measurement` failed. Without launch inputs in the evidence nothing is "
        "searched.",
        do="If a parameter explains it, have the machine launched as released, or the row logged. "
        "If none does, other code was launched.",
        attacks=("ATK-024",),
    ),
    Explanation(
        check="snp.fields.unjudged",
        proves="Which fields of report and certificate no check of this program looks at, and why: "
        "REPORT_ID, the serial number of the VEK, the stepping in productName.",
        does_not_prove="That the other fields were judged under this policy: what a policy leaves "
        "out is a skip with its reason, or said for information.",
        fails_when="The report is authentic.",
        do="Read it together with the skips: both lists are what nobody vouches for here.",
        attacks=("ATK-013",),
    ),
)
"""What is only said, in the order of the registry."""

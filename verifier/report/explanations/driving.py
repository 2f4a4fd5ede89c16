"""Pages of the checks of a drive."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["DRIVE"]


def _tamper(check: str, what: str, change: str, attacks: tuple[str, ...]) -> Explanation:
    return Explanation(
        check=check,
        proves=f"A machine with {what} did not start: {change}, and nothing came from it for three "
        "times as long as the good boot took, while the untouched release served beside it. A "
        "machine that does not check would have started, because the change means nothing to a "
        "kernel.",
        does_not_prove="That the firmware refuses every other byte: one change was tried; or that "
        "it was the firmware, where a guest that was let in says nothing on purpose. In emulation "
        "it says nothing about a processor.",
        fails_when="The machine starts, answers TLS, crashes or declines: its firmware let the "
        "kernel in. Without the untouched boot beside it silence proves nothing, and is not "
        "determined.",
        do="Rebuild the firmware of the release and look at what verifies the hashes in it. Do not "
        "rely on measurements of this firmware.",
        attacks=attacks,
    )


DRIVE = (
    Explanation(
        check="drive.artifacts",
        proves="Firmware, kernel, initrd and command line that were to be booted are those of the "
        "release, by SHA-256. Else nothing is booted.",
        does_not_prove="That the release is in the log; `log.inclusion` and `release.signature` "
        "do, for the entry that the guest serves under.",
        fails_when="A file was damaged or built from something else, the release names no such "
        "artifact or two of them, or the entry is no release.",
        do="Fetch the artifacts again, or rebuild the release.",
        attacks=("ATK-066", "ATK-067"),
    ),
    Explanation(
        check="drive.boot",
        proves="The artifacts of the release booted here, and the guest said that it serves. That "
        "word only ends the waiting; everything after it is checked.",
        does_not_prove="Anything about a machine of somebody else.",
        fails_when="The guest itself declines, or the artifacts are none that a machine can boot. "
        "Without QEMU, or without any sign of life, the verdict is not determined instead.",
        do="Read what the guest says. Install what the hint names, or give a slow machine more "
        "time with `--seconds`.",
        attacks=("ATK-075",),
    ),
    Explanation(
        check="drive.session",
        proves="The guest spoke TLS 1.3, and answered a nonce that nobody had seen before with "
        "evidence in the form that the specification asks for.",
        does_not_prove="That the evidence is good; `snp.report_data` and the others judge it.",
        fails_when="The guest speaks an older TLS or no HTTP, sends something else than evidence, "
        "or more than is allowed. Silence is not determined instead.",
        do="Look at the guest's console, and at what else might have taken the port.",
        attacks=("ATK-040", "ATK-048"),
    ),
    Explanation(
        check="drive.release",
        proves="The entry that the guest serves under is, byte for byte, the one that was handed "
        "to it for this boot.",
        does_not_prove="That the entry is in the log: the checks of the log do that.",
        fails_when="The guest shows another release than the one that it was booted from.",
        do="Find out where the guest has that entry from.",
        attacks=("ATK-060",),
    ),
    Explanation(
        check="drive.measurement",
        proves="The launch measurement in the guest's report is the one predicted from the very "
        "bytes and the number and type of vCPUs that were booted. The simulated processor, whose "
        "measuring is not ours, came to the same.",
        does_not_prove="That a processor measured it, unless the level says `snp-hardware`.",
        fails_when="The report is of another launch, or prediction and measuring disagree.",
        do="Compare the inputs of the launch with `measure sev-snp`.",
        attacks=("ATK-023", "ATK-067"),
    ),
    Explanation(
        check="drive.answer",
        proves="Random texts, sent as any user sends them, were answered exactly as the released "
        "code answers them, in the session whose evidence was verified.",
        does_not_prove="That other code could not give the same answers to these texts, or what "
        "happens to the texts besides.",
        fails_when="What answers is not the released workload. Silence is not determined instead. "
        "It is skipped unless the evidence is VERIFIED, because nothing is asked before.",
        do="Compare the answer with what docs/spec/workload.md says of the text.",
        attacks=("ATK-050",),
    ),
    _tamper(
        "drive.tamper.kernel",
        "another kernel",
        "one bit of a field that no kernel reads was changed",
        ("ATK-023",),
    ),
    _tamper(
        "drive.tamper.initrd",
        "another initrd",
        "one byte of padding was added",
        ("ATK-023",),
    ),
    _tamper(
        "drive.tamper.command_line",
        "another command line",
        "one space was added",
        ("ATK-018", "ATK-023"),
    ),
    _tamper(
        "drive.tamper.no_table",
        "no table of hashes",
        "the artifacts were the released ones and the table was left out",
        ("ATK-023",),
    ),
    Explanation(
        check="drive.refuses_unproven",
        proves="The same release with a corrupted proof did not serve: the guest said that it "
        "declines, and nothing answered TLS. One bit of every signature was changed and nothing "
        "else, so that only a guest which verifies the log's signature had a reason.",
        does_not_prove="That it refuses every other wrong proof.",
        fails_when="The guest serves without a valid proof of its own release. A guest that says "
        "nothing at all is not determined instead.",
        do="Do not use the release: its guest serves whatever its host hands to it.",
        attacks=("ATK-061", "ATK-064"),
    ),
    Explanation(
        check="drive.control",
        proves="The untouched release, started once more together with the boots that must be "
        "refused and within the same time, served: so they were not merely slow.",
        does_not_prove="Anything else about the release.",
        fails_when="The guest declines the second time. If it only does not get ready in time, the "
        "machine is too slow or too busy: that is not determined, nor are the silent ones.",
        do="Run again with less else to do on this machine.",
        attacks=("ATK-013",),
    ),
    Explanation(
        check="drive.record",
        proves="What whoever drove the release wrote into the bundle: level, what ran the guest, "
        "and what came of each check of the drive.",
        does_not_prove="Any of it. Nobody signed it, and it cannot be repeated from the bundle; "
        "the evidence beside it is judged as ever.",
        fails_when="Never. But what the record itself says was not shown is not proven, so that "
        "the bundle is at best PARTIAL; so is one whose record cannot be read, or is of another "
        "release or report.",
        do="Drive the release yourself.",
        attacks=("ATK-091",),
    ),
)
"""The drive, in the order of the registry."""

"""Pages of the checks of a rebuild."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["REBUILD"]

REBUILD = (
    Explanation(
        check="rebuild.source",
        proves="The source digest that the release names is that of the tree which was built: "
        "every path, mode, size and byte below `pipeline/` and `verifier/`.",
        does_not_prove="That the source is harmless, or that somebody has read it. Files outside "
        "of these folders do not count, and cannot get into the image.",
        fails_when="Another commit is checked out, a file was edited or added, or the publisher "
        "built from something else than was published.",
        do="Check out the commit of the release into a fresh folder. If it still differs, the "
        "artifacts that differ show which file changed, as far as it is in the image.",
        attacks=("ATK-068", "ATK-074"),
    ),
    Explanation(
        check="rebuild.lock",
        proves="The lock of inputs in the source tree is the one that the release names, and could "
        "be read: one version of each input, with its size and digest.",
        does_not_prove="That the packages which it names are good, or still offered anywhere.",
        fails_when="The lock was made anew after the release, a line was changed, or it is "
        "malformed.",
        do="Take the lock of the commit of the release; `release diff` shows which packages "
        "changed.",
        attacks=("ATK-074", "ATK-095"),
    ),
    Explanation(
        check="rebuild.inputs",
        proves="Every input of the lock was at hand before a build began, and had the locked "
        "SHA-256. This program checked it, and not only the builder, which is under audit itself.",
        does_not_prove="Where the inputs came from: it does not matter, as only their bytes count.",
        fails_when="A file of the store or the bundle was damaged or replaced. An input that is "
        "missing is no failure: the verdict is NOT DETERMINED, because nobody can say what it "
        "would have built.",
        do="Remove what is damaged and fetch it again. For a missing input use the bundle that was "
        "published with the release: mirrors drop old packages within weeks.",
        attacks=("ATK-066", "ATK-067"),
    ),
    Explanation(
        check="rebuild.sandbox",
        proves="Both builds ran in bwrap: without network, with a closed environment, under a time "
        "limit, and with nothing of the machine in sight but a read-only system and their own "
        "folder.",
        does_not_prove="That the kernel or the sandbox has no hole.",
        fails_when="Never: without a sandbox nothing is built. It is skipped, and the verdict at "
        "best PARTIAL, where the auditor said `--no-sandbox`, and where bwrap does not work and "
        "unshare does: then a build can change every file that its user can, what the other build "
        "has left and this program among them.",
        do="Install bubblewrap. Use `--no-sandbox` only on a machine that you can throw away.",
        attacks=("ATK-074",),
    ),
    Explanation(
        check="rebuild.build",
        proves="The builder of the source ended by itself, without an error, within the limits of "
        "time and size, and left nothing but files.",
        does_not_prove="That the files are the released ones; `rebuild.artifact` compares them.",
        fails_when="The source does not build, or leaves links, folders or too much. A build that "
        "does not end in time, or is killed, is not determined instead.",
        do="Read the log of the build in the folder of `--work`. Give a slow machine more time "
        "with `--timeout`.",
        attacks=("ATK-074",),
    ),
    Explanation(
        check="rebuild.recipe",
        proves="What was built is of the recipe that the release names: so says the manifest of "
        "the first build, `manifest.json`.",
        does_not_prove="That the builder does what the name of a recipe promises, such as to "
        "compile the kernel: the builder belongs to the source, and can be read there.",
        fails_when="The release claims another recipe than its bytes are of, such as one from "
        "source for pinned binaries; the recipe is one that this version of the program does not "
        "know, so that nothing was compiled for it; or the build made no manifest, or one that "
        "cannot be read.",
        do="Rebuild with the version of this program that belongs to the release. If it still "
        "fails, do not believe what the name of the recipe says, and ask the publisher.",
        attacks=("ATK-074",),
    ),
    Explanation(
        check="rebuild.released",
        proves="A file that is offered as an artifact of the release has the size and SHA-256 that "
        "is logged.",
        does_not_prove="That it can be rebuilt. Files that nobody offered are not looked at.",
        fails_when="The download is incomplete, or somebody hands out other binaries than those "
        "that are logged. Where the rebuilt artifact is the logged one, the finding says where the "
        "offered file differs from it.",
        do="Get the file from another place. If it differs there too, tell the publisher: what is "
        "offered is not what was released.",
        attacks=("ATK-066", "ATK-067"),
    ),
    Explanation(
        check="rebuild.reproducible",
        proves="Two builds in environments that differ in folder, umask, user, time zone, locale, "
        "host name, hash seed, order of files and clock gave the same bytes.",
        does_not_prove="That a third environment would: processor, kernel and the version of "
        "Python were those of one machine.",
        fails_when="Something of the surroundings gets into an artifact, such as a path, a time "
        "or the order of a directory. The finding names the first place where the two differ.",
        do="Report it to the publisher with the first difference. Nobody can hold such a release "
        "to its source.",
        attacks=("ATK-074",),
    ),
    Explanation(
        check="rebuild.artifact",
        proves="An artifact that was built from the source has exactly the size and SHA-256 that "
        "the log has for the released one. There is a finding for each artifact.",
        does_not_prove="That the source does what its authors say: it is now known which source "
        "it is, and that can be read.",
        fails_when="The release was built from other source, inputs or tools. With `--artifacts` "
        "the finding says what differs first: the path in the initrd, the header field, the line "
        "or the byte.",
        do="Start with the first artifact that failed, as the manifest and the SBOM only repeat "
        "it. The folder of `--work` has all differences, and the output of diffoscope where it is "
        "installed.",
        attacks=("ATK-023", "ATK-067", "ATK-074"),
    ),
    Explanation(
        check="rebuild.coverage",
        proves="Every artifact that the release lists is one that a build makes, so that none was "
        "left without comparison.",
        does_not_prove="That the artifacts are all that a machine runs.",
        fails_when="Never: an artifact that no build makes, such as the command of a virtual "
        "machine monitor, is named as skipped, and the verdict is at best PARTIAL.",
        do="Read what is named. Nobody but the publisher stands by it.",
        attacks=("ATK-074", "ATK-091"),
    ),
    Explanation(
        check="rebuild.measurement",
        proves="Each measurement that the release states, for every launch configuration, follows "
        "from the bytes that were built here.",
        does_not_prove="That a machine runs it; `release.measurement` compares that with a report.",
        fails_when="An artifact that is measured differs, or the publisher measured other files, "
        "or with another tool that has a fault. The finding names the first row that differs.",
        do="If all artifacts are the released ones, the matrix of the release is wrong: compare "
        "with `measure matrix`.",
        attacks=("ATK-024", "ATK-074"),
    ),
)

"""Pages of the checks of a scan of an image."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["SCAN"]


def _page(
    check: str, *, proves: str, open_: str, fails: str, do: str, attacks: tuple[str, ...]
) -> Explanation:
    return Explanation(
        check=check, proves=proves, does_not_prove=open_, fails_when=fails, do=do, attacks=attacks
    )


SCAN = (
    _page(
        "scan.archive",
        proves="The initrd is one uncompressed archive with distinct, printable names that stay in "
        "its tree, and nothing follows it: what is listed is what the kernel unpacks.",
        open_="Anything about its contents.",
        fails="It is compressed, has a second archive behind its end, a name twice, or a name "
        "with a control character or with two dots.",
        do="Have the image built with a plain archive. What is hidden in a second one would not "
        "be seen by any other check.",
        attacks=("ATK-019", "ATK-069"),
    ),
    _page(
        "scan.paths",
        proves="No symbolic link of the image leads out of it, or into a folder that is filled "
        "only when the guest runs, also not by way of other links.",
        open_="That no program makes such a link later.",
        fails="A link goes to /proc, /sys, /dev, /run, /tmp, /mnt or /media, or climbs above the "
        "root.",
        do="Remove the link. What is read through it is not in the measurement.",
        attacks=("ATK-018", "ATK-019"),
    ),
    _page(
        "scan.permissions",
        proves="Everything in the image belongs to root, nothing in it can be written by others "
        "(except folders with the sticky bit), and nothing is setuid or setgid.",
        open_="That the program keeps to it when it runs.",
        fails="The builder copied owners or modes from its machine, or a package brought a setuid "
        "program.",
        do="Have modes and owners set by the recipe.",
        attacks=("ATK-028", "ATK-068"),
    ),
    _page(
        "scan.devices",
        proves="The device nodes of the image are among console, null, zero, full, random, urandom "
        "and ttyS0, each with its own numbers.",
        open_="That the kernel makes no others when it runs: devtmpfs does.",
        fails="There is a node for memory, I/O ports, a disk or a terminal, or a harmless name has "
        "the numbers of something else.",
        do="Remove the node.",
        attacks=("ATK-021",),
    ),
    _page(
        "scan.programs",
        proves="No file can be executed but /init, the interpreter that its first line names, "
        "libraries, and modules of Python. Programs are found by mode and by their ELF header, "
        "whatever they are called.",
        open_="That the interpreter is what its name says, or that no module of it starts a "
        "program. A static program in the name of a library is not recognised.",
        fails="The image keeps a shell or a tool, also under another name.",
        do="Remove it. A guest that has no second program cannot be made to start one.",
        attacks=("ATK-029",),
    ),
    _page(
        "scan.source",
        proves="Byte code of Python has the file that it is made from beside it, no module is in "
        "an archive, and every module and script is plain text: the other checks, and a person, "
        "see all of it.",
        open_="That the byte code was made from that file, because Python runs it without looking: "
        "`release rebuild` makes it again. Libraries are compiled, and not read at all.",
        fails="Modules were added as byte code or zip file alone, or in an encoding in which a "
        "word looks like another.",
        do="Demand the source, and rebuild the image from it.",
        attacks=("ATK-029", "ATK-074"),
    ),
    _page(
        "scan.login",
        proves="There is no program to log in with, no list of keys of people, no usable password, "
        "no cloud-init, and no mark of a development image.",
        open_="That the one program has no back door: it can be read.",
        fails="An image for development was released, or a package brought a login stack.",
        do="Do not run it. Ask how it came to be released.",
        attacks=("ATK-028",),
    ),
    _page(
        "scan.leftovers",
        proves="There is no shell, console, guest agent, debugger, network tool, compiler or "
        "installer by its usual name, and no program that holds the words of a well-known shell.",
        open_="That none is there under a name and with words that nobody knows; `scan.programs` "
        "looks at what can be executed at all.",
        fails="Something from building or from debugging was left in the image.",
        do="Remove it: an operator needs none of it, and an intruder does.",
        attacks=("ATK-021", "ATK-029"),
    ),
    _page(
        "scan.environment",
        proves="No file of the image brings variables, preloaded libraries or start-up modules "
        "into its programs, no text of it names such a mechanism, and the interpreter of /init is "
        "isolated from the environment.",
        open_="That the program does not set variables itself from what it receives.",
        fails="There is an EnvironmentFile, an ld.so.preload, a sitecustomize module or a .pth "
        "file, or /init begins without -I.",
        do="Put configuration into the measured image, or treat it as input that nobody believes.",
        attacks=("ATK-018",),
    ),
    _page(
        "scan.host_media",
        proves="No text in the image, program or configuration, names a disk, a shared folder, a "
        "CD, fw_cfg or SMBIOS, which the host fills with what it likes.",
        open_="That a name is not put together when the program runs. `scan.drivers` shows whether "
        "the kernel could use such a thing at all.",
        fails="The guest reads configuration or state from the host, such as from a config drive.",
        do="Find out what is read and what it decides. It is not measured, and can be rolled back.",
        attacks=("ATK-018", "ATK-019", "ATK-037"),
    ),
    _page(
        "scan.drivers",
        proves="The kernel modules in the image, by the names of their files and by those that "
        "they say themselves, are among those that a guest needs which has one network card, "
        "random numbers and attestation reports.",
        open_="Which drivers are built into the kernel: its configuration is not in these bytes.",
        fails="There is a driver for disks, shares, fw_cfg, hot-plug or anything else, or one that "
        "is compressed, so that nobody sees what it is.",
        do="Remove the module: each is code that the host can talk to.",
        attacks=("ATK-021",),
    ),
    _page(
        "scan.acpi",
        proves="The image holds no ACPI tables at the place where the kernel would take them "
        "instead of the firmware's.",
        open_="That the tables which the host builds are harmless: on SEV-SNP they are not in the "
        "launch measurement.",
        fails="Somebody added tables for debugging, or code that runs in the kernel's interpreter.",
        do="Remove them.",
        attacks=("ATK-020",),
    ),
    _page(
        "scan.hooks",
        proves="There are no start scripts, units, timers, udev rules, cron tables or mount "
        "tables, so that nothing runs before or beside /init.",
        open_="What /init itself starts: it can be read.",
        fails="The image was made from a distribution with an init system, or a package brought "
        "one of its scripts.",
        do="Read what is named: it would run with everything that the program may do, and before "
        "it has checked anything.",
        attacks=("ATK-030",),
    ),
    _page(
        "scan.pickle",
        proves="No file is a pickle by its name, by its first and last byte, or as a part of an "
        "archive, so that no model or table executes code when it is loaded.",
        open_="That loaders of other formats have no hole.",
        fails="Weights were saved in the way of older frameworks.",
        do="Have them converted to safetensors.",
        attacks=("ATK-025",),
    ),
    _page(
        "scan.mutable_reference",
        proves="Wherever a configuration in the image refers to a container image, it does so by "
        "its SHA-256.",
        open_="That programs fetch nothing else while they run.",
        fails="A tag such as latest is named: whoever owns the registry decides what it is.",
        do="Write the digest into the reference.",
        attacks=("ATK-027",),
    ),
    _page(
        "scan.disk_encryption",
        proves="The image has nothing to unlock an encrypted disk, and no header of one.",
        open_="That the program does not encrypt and store by itself.",
        fails="It keeps state on a disk of the host. Several systems believed a header there that "
        "said: no cipher (CVE-2025-59054, CVE-2025-58356).",
        do="Keep no state, or have the header authenticated by a measured key.",
        attacks=("ATK-031", "ATK-037"),
    ),
    _page(
        "scan.command_line",
        proves="The kernel command line is one line without quotes, names no other first program, "
        "root disk, debugger, early console or rescue mode, and gives no parameter twice.",
        open_="That the kernel was built without what the line does not mention.",
        fails="It was left as it was for debugging.",
        do="Remove the parameter. The line is measured: changing it is another release.",
        attacks=("ATK-021", "ATK-022"),
    ),
    _page(
        "scan.mitigations",
        proves="The command line asks for the kernel's mitigations, switches none of them off, and "
        "has a kernel that panics end the guest.",
        open_="That processor and microcode do their part, or that the mitigations suffice.",
        fails="Something was switched off for speed, or left to a default that can change.",
        do="Write mitigations=auto,nosmt and panic=-1.",
        attacks=("ATK-022",),
    ),
    _page(
        "scan.firmware",
        proves="The firmware has SEV metadata with a page for the hashes of kernel, initrd and "
        "command line, so that the measurement covers them.",
        open_="That it refuses what has another hash: there are builds of OVMF with such a page "
        "that start anything. Only a boot with a changed byte shows it.",
        fails="It is a build without SEV, or one that boots from a disk.",
        do="Use the AmdSev build of OVMF, and try a tampered boot.",
        attacks=("ATK-023",),
    ),
    _page(
        "scan.guest_policy",
        proves="The policy in the image names a log, at least one publisher and how many must "
        "sign, in the form that the guest reads.",
        open_="That the program follows it: rebuild it, read it, and give it a wrong proof.",
        fails="It is missing or malformed, or asks for nobody's signature. Such a guest would "
        "serve although no release of it is logged.",
        do="Build the image with a policy that names your log and publishers.",
        attacks=("ATK-033", "ATK-061"),
    ),
)

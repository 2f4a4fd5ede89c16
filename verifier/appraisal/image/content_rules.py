"""Rules about what the files of an image are, and what its texts say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.appraisal.image.scanned import ScannedImage, program_name

__all__ = [
    "disk_encryption",
    "environment",
    "hooks",
    "host_media",
    "leftovers",
    "login",
    "mutable_reference",
    "pickle",
]

_LOGIN = re.compile(r"chsh|dropbear|doas|login|newgrp|passwd|runuser|sshd|su|sudo|sulogin|telnetd")
_LOGIN_PATHS = re.compile(
    r"(?:.*/)?authorized_keys2?|etc/(?:ssh|pam\.d|cloud|ignition)(?:/.*)?|usr/lib/cloud-init(?:/.*)?"
)
_DEVELOPMENT = re.compile(r"""["']?\bis_dev["']?\s*[:=]\s*(?:true|1|yes)\b""", re.IGNORECASE)
_PASSWORDS = re.compile(r"etc/(?:shadow|passwd)-?")
_USABLE_PASSWORD = re.compile(rb"(?m)^[^:\n]+:(?!x:|[*!])[^:\n]*:")
_LEFTOVERS = re.compile(
    r"(?:a|ba|c|da|fi|k|tc|z)?sh|busybox|toybox|(?:a|m)?getty|qemu-ga|spice-vdagentd|systemd|kexec"
    r"|apt|apt-get|dpkg|rpm|yum|npm|pip3?|perl|as|cc|gcc|ld|make|gdb|gdbserver|ltrace|perf|strace"
    r"|curl|ip|nc|ncat|netcat|rsync|screen|socat|tcpdump|telnet|tmux|wget"
)
_LEFTOVER_UNITS = re.compile(
    r".*(?:getty|debug-shell|rescue|emergency|qemu-guest-agent)[^/]*\.service"
)
_LEFTOVER_WORDS = (b"BusyBox v1.", b"GNU bash, version", b"toybox 0.", b"QEMU Guest Agent")
_VARIABLES = re.compile(r"\bEnvironmentFile\s*=|\bLD_PRELOAD\b|\bLD_AUDIT\b")
_VARIABLE_PATHS = re.compile(
    r"etc/(?:ld\.so\.preload|environment|default/.*)|(?:.*/)?(?:site|user)customize(?:[./].*)?"
    r"|(?:.*/)?pyvenv\.cfg|.*\._?pth"
)
_HOST_MEDIA = re.compile(
    r"/dev/(?:[vsh]d[a-z]|xvd[a-z]|sr[0-9]|fd[0-9]|nvme[0-9]|pmem[0-9]|disk/|cdrom|mapper/)"
    r"|\bvirtiofs\b|\b9p2000|trans=virtio|[\"']9p[\"']|\biso9660\b|\bqemu_fw_cfg\b|\bvboxsf\b"
    r"|/sys/(?:class/)?block\b|/sys/firmware/(?:qemu|dmi|acpi)|(?:config-2|cidata)\b"
)
_HOOKS = re.compile(
    r"etc/(?:init\.d|rc[0-9S]?\.d|systemd|profile\.d|udev|cron[^/]*|network/if-[^/]*)/.+"
    r"|etc/(?:inittab|rc\.local|crontab|fstab|profile)|(?:usr/)?lib/(?:systemd|udev)/.+"
    r"|scripts/.+|conf/conf\.d/.+|.*\.(?:service|socket|timer|mount)"
)
_PICKLES = (".pkl", ".pickle", ".joblib", ".ckpt", ".pt", ".dill")
_REFERENCES = re.compile(
    r"(?i)(?:.*/)?(?:[^/]*dockerfile[^/]*|containerfile|[^/]*\.(?:ya?ml|json|toml))"
)
_REFERENCE = re.compile(
    r"""(?m)^\s*(?:FROM\s+|[-{,\s]*["']?image["']?\s*[:=]\s*["']?)"""
    r"(?P<name>[\w.-]+[/:@][\w./:@-]+|[\w.-]+(?=\s*$))"
)
_BY_DIGEST = re.compile(r".*@sha256:[0-9a-f]{64}")
_ENCRYPTION = re.compile(r"(?:.*/)?(?:libcryptsetup\.so.*|crypttab|cryptsetup|dm[-_]crypt\.ko.*)")
_LUKS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
_ISOLATED = re.compile(rb"#![^\n]*python[0-9.]* -(?=\w*I)\w+\n")


def login(image: ScannedImage) -> Iterator[str]:
    """ATK-028: programs and files with which somebody gets in."""
    for entry in image.entries:
        if _LOGIN.fullmatch(program_name(entry.name)):
            yield f"{entry.name}: a program to log in"
        elif _LOGIN_PATHS.fullmatch(entry.name):
            yield f"{entry.name}: configures who gets in"
        elif _PASSWORDS.fullmatch(entry.name) and _USABLE_PASSWORD.search(entry.content):
            yield f"{entry.name}: a password that can be used"
    for name, text in image.texts:
        if _DEVELOPMENT.search(text) and not name.endswith(".py"):
            yield f"{name}: says that this is a development image"


def leftovers(image: ScannedImage) -> Iterator[str]:
    """ATK-029: shells, consoles, agents, debuggers and installers, by name or by their words."""
    for entry in image.entries:
        named = _LEFTOVERS.fullmatch(program_name(entry.name))
        if named or _LEFTOVER_UNITS.fullmatch(entry.name):
            yield f"{entry.name}: a shell, console, agent or tool"
            continue
        word = next((word for word in _LEFTOVER_WORDS if word in entry.content), None)
        if word is not None and entry.content.startswith(b"\x7fELF"):
            yield f"{entry.name}: holds the words {word.decode()!r}"


def environment(image: ScannedImage) -> Iterator[str]:
    """ATK-018: variables and libraries that come from elsewhere, or a program that takes them."""
    for entry in image.entries:
        if _VARIABLE_PATHS.fullmatch(entry.name):
            yield f"{entry.name}: brings variables, libraries or modules into every program"
        if (
            entry.name == "init"
            and entry.content.startswith(b"#!")
            and (_ISOLATED.match(entry.content) is None)
        ):
            yield "init: its interpreter is not isolated from the environment (-I)"
    yield from _said(image, _VARIABLES)


def host_media(image: ScannedImage) -> Iterator[str]:
    """ATK-018, ATK-019, ATK-037: names of what the host can put before the guest."""
    yield from _said(image, _HOST_MEDIA)


def _said(image: ScannedImage, pattern: re.Pattern[str]) -> Iterator[str]:
    for name, text in image.texts:
        found = pattern.search(text)
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            yield f"{name}: line {line} says {found[0]!r}"


def hooks(image: ScannedImage) -> Iterator[str]:
    """ATK-030: what other programs would start, before or beside the one program."""
    for entry in image.entries:
        if entry.is_file and _HOOKS.fullmatch(entry.name):
            yield f"{entry.name}: is started, mounted or sourced by others"


def pickle(image: ScannedImage) -> Iterator[str]:
    """ATK-025: serialised objects, which execute when they are loaded."""
    for entry in image.entries:
        raw = entry.content
        if entry.name.endswith(_PICKLES):
            yield f"{entry.name}: a pickle by its name"
        elif raw[:1] == b"\x80" and raw[1:2] in (b"\2", b"\3", b"\4", b"\5") and raw[-1:] == b".":
            yield f"{entry.name}: a pickle by its first and last byte"
        elif raw.startswith(b"PK\x03\x04") and b"data.pkl" in raw:
            yield f"{entry.name}: an archive with a pickle"


def mutable_reference(image: ScannedImage) -> Iterator[str]:
    """ATK-027: a container image by a tag, which somebody can point elsewhere."""
    for name, text in image.texts:
        if not _REFERENCES.fullmatch(name):
            continue
        for found in _REFERENCE.finditer(text):
            if _BY_DIGEST.fullmatch(found["name"]) is None:
                yield f"{name}: refers to {found['name']!r}"


def disk_encryption(image: ScannedImage) -> Iterator[str]:
    """ATK-031: what unlocks a disk whose header the host can write."""
    for entry in image.entries:
        if _ENCRYPTION.fullmatch(entry.name):
            yield f"{entry.name}: unlocks encrypted disks"
        elif entry.content.startswith(_LUKS):
            yield f"{entry.name}: a LUKS header"

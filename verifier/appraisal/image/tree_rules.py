"""Rules about the tree of an image: links, permissions, device nodes, programs, drivers."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator, Mapping

from verifier.appraisal.image.scanned import ScannedImage, base_name
from verifier.release.newc import CpioEntry

__all__ = ["acpi", "devices", "drivers", "paths", "permissions", "programs"]

_HOST_TREES = ("proc", "sys", "dev", "run", "mnt", "media", "tmp")
# Source: Linux, Documentation/admin-guide/devices.txt.
_DEVICES = {
    "dev/console": (5, 1),
    "dev/full": (1, 7),
    "dev/null": (1, 3),
    "dev/random": (1, 8),
    "dev/ttyS0": (4, 64),
    "dev/urandom": (1, 9),
    "dev/zero": (1, 5),
}
_MODULE = re.compile(r"(?:[0-9]+-)?(?P<name>[^/]+?)\.ko(?P<packed>\.[^/]+)?")
_SAID_NAME = re.compile(rb"\0name=([\w-]+)\0")  # Linux, include/linux/module.h: .modinfo
_DRIVERS = re.compile(
    r"configfs|failover|net_failover|rng_core|sev_guest|tdx_guest|tsm|tsm_report"
    r"|virtio(?:_(?:console|net|pci|ring|rng))?"
)
_LIBRARY = re.compile(r"(?:lib[^/]+\.so(?:\.[0-9.]+)?|ld-linux[^/]*\.so\.[0-9]+)")
_ELF_HEADER = struct.Struct("<16xHHIQQ")
_ET_REL, _ET_EXEC, _ET_DYN, _PT_INTERP = 1, 2, 3, 3
_MAX_LINKS = 40  # path_resolution(7): the kernel follows no more
_MAX_PARTS = 256  # of the path of a link: nobody needs more


def paths(image: ScannedImage) -> Iterator[str]:
    """ATK-019: a link out of the tree, or to a place that is filled when the guest runs."""
    links = {entry.name: entry.content.decode("utf-8") for entry in image.entries if entry.is_link}
    for name, target in links.items():
        where = _leads(name, links)
        if where:
            yield f"{name}: the link {target!r} leads {where}"


def _leads(name: str, links: Mapping[str, str]) -> str:
    """Where a link must not lead, followed as the kernel does; empty if it stays in the image."""
    place: list[str] = []
    left = name.split("/")
    followed = 0
    while left:
        part = left.pop(0)
        if part == "..":
            if not place:
                return "out of the tree"
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            target = links.get("/".join(place))
            if target is not None:
                followed += 1
                if followed > _MAX_LINKS:
                    return "in a circle"
                place = [] if target.startswith("/") else place[:-1]
                left = target.split("/") + left
                if len(left) > _MAX_PARTS:
                    return f"through more than {_MAX_PARTS} folders"
            elif followed and place[0] in _HOST_TREES:
                return "to what is not in the image"
    return ""


def permissions(image: ScannedImage) -> Iterator[str]:
    """ATK-028: what others than root may write, or what gives away root's rights."""
    for entry in image.entries:
        if entry.uid or entry.gid:
            yield f"{entry.name}: belongs to {entry.uid}:{entry.gid}"
        if entry.permissions & (stat.S_ISUID | stat.S_ISGID):
            yield f"{entry.name}: setuid or setgid, mode {entry.permissions:04o}"
        sticky_folder = stat.S_ISDIR(entry.mode) and entry.permissions & stat.S_ISVTX
        if entry.permissions & stat.S_IWOTH and not (
            entry.is_link or entry.is_device or sticky_folder
        ):
            yield f"{entry.name}: everybody may write it, mode {entry.permissions:04o}"


def devices(image: ScannedImage) -> Iterator[str]:
    """ATK-021: a node of memory, ports, disks, or of something else in a harmless name."""
    for entry in image.entries:
        if not entry.is_device:
            continue
        known = stat.S_ISCHR(entry.mode) and _DEVICES.get(entry.name) == entry.device
        if not known:
            major, minor = entry.device
            kind = "character" if stat.S_ISCHR(entry.mode) else "block"
            yield f"{entry.name}: {kind} device {major}:{minor}"


def programs(image: ScannedImage) -> Iterator[str]:
    """ATK-029: anything that can be executed but ``/init``, its interpreter and libraries."""
    by_name = {entry.name: entry for entry in image.entries}
    init = by_name.get("init")
    if init is None or not init.is_file or not init.permissions & stat.S_IXUSR:
        yield "init: no program of this name"
        return
    allowed = {"init", _interpreter(init.content)}
    for entry in image.entries:
        if entry.is_file and entry.name not in allowed and _is_program(entry):
            yield f"{entry.name}: can be executed"


def _interpreter(program: bytes) -> str:
    if not program.startswith(b"#!"):
        return "init"
    line = program[2:].split(b"\n", 1)[0].decode("utf-8", "backslashreplace").strip()
    return line.split(" ", 1)[0].lstrip("/")


def _is_program(entry: CpioEntry) -> bool:
    name = base_name(entry.name)
    if _LIBRARY.fullmatch(name):
        # libc and the loader can be started, and that tells nobody anything new.
        return not name.startswith(("libc.so.", "ld-linux")) and _starts(entry)
    if name.endswith(".py") and not entry.content.startswith(b"\x7fELF"):
        return False  # a module, whatever its mode: the interpreter decides what it runs
    return bool(entry.permissions & 0o111) or _starts(entry)


def _starts(entry: CpioEntry) -> bool:
    """Whether it is an ELF file that is made to be started, whatever its mode says now."""
    raw = entry.content
    if not raw.startswith(b"\x7fELF\x02\x01") or len(raw) < 64:
        return raw.startswith(b"\x7fELF") and len(raw) >= 52  # 32 bits: none is needed
    kind, _, _, start, table = _ELF_HEADER.unpack_from(raw)
    size, count = struct.unpack_from("<HH", raw, 54)
    places = (table + number * size for number in range(count))
    kinds = {int.from_bytes(raw[place : place + 4], "little") for place in places}
    if kind == _ET_DYN and _PT_INTERP not in kinds:
        return bool(start) and ".so" not in base_name(entry.name)
    return kind in (_ET_EXEC, _ET_DYN)


def drivers(image: ScannedImage) -> Iterator[str]:
    """ATK-021: a kernel module that is not among those that such a guest needs."""
    for entry in image.entries:
        named = _MODULE.fullmatch(base_name(entry.name))
        if named is None and not _is_object(entry.content):
            continue
        said = sorted({name.decode() for name in _SAID_NAME.findall(entry.content)})
        names = said if named is None else [named["name"], *said]
        unknown = [name for name in names if not _DRIVERS.fullmatch(name.replace("-", "_"))]
        if named is None or unknown:
            words = f", {', '.join(said)}" if said else ""
            yield f"{entry.name}: a driver that is not known to be needed{words}"
        elif named["packed"]:
            yield f"{entry.name}: a driver that is compressed, so that nobody sees which"


def _is_object(raw: bytes) -> bool:
    """Whether it is an ELF file of the kind that the kernel loads as a driver."""
    return raw.startswith(b"\x7fELF") and int.from_bytes(raw[16:18], "little") == _ET_REL


def acpi(image: ScannedImage) -> Iterator[str]:
    """ATK-020: tables that the kernel takes instead of the firmware's."""
    for entry in image.entries:
        if entry.name.startswith("kernel/firmware/acpi") or entry.name.endswith((".aml", ".dsdt")):
            yield f"{entry.name}: an ACPI table"

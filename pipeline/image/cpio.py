"""Writes the ``newc`` cpio that the kernel unpacks as its first file system.

Nothing of the machine goes in: inode numbers count up, owner and times are zero. Source: the
kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping

from pipeline.image.tree import Directory, File, Node, Symlink

__all__ = ["encode_cpio"]

_TRAILER = "TRAILER!!!"
_ALIGNMENT = 512  # what cpio pads an archive to, and QEMU's loader does not mind


def encode_cpio(nodes: Mapping[str, Node]) -> bytes:
    """The archive of ``nodes`` by path, in the order given; parents must come before children."""
    parts: list[bytes] = []
    for inode, (path, node) in enumerate(nodes.items(), start=1):
        parts += _entry(path, node, inode)
    parts += _record(_TRAILER, inode=0, mode=0, links=1, content=b"", device=(0, 0))
    size = sum(map(len, parts))
    return b"".join([*parts, bytes(-size % _ALIGNMENT)])


def _entry(path: str, node: Node, inode: int) -> list[bytes]:
    device, content, links = (0, 0), b"", 1
    if isinstance(node, File):
        mode, content = stat.S_IFREG | (0o755 if node.executable else 0o644), node.content
    elif isinstance(node, Symlink):
        mode, content = stat.S_IFLNK | 0o777, node.target.encode("ascii")
    elif isinstance(node, Directory):
        mode, links = stat.S_IFDIR | 0o755, 2
    else:
        mode = stat.S_IFCHR | (0o600 if node.mode == "0600" else 0o666)
        device = (node.major, node.minor)
    return _record(path, inode=inode, mode=mode, links=links, content=content, device=device)


def _record(
    name: str, *, inode: int, mode: int, links: int, content: bytes, device: tuple[int, int]
) -> list[bytes]:
    stored = name.encode("ascii") + b"\0"
    owner, group, time, checksum = 0, 0, 0, 0
    numbers = (
        *(inode, mode, owner, group, links, time, len(content)),
        *(0, 0, *device, len(stored), checksum),
    )
    header = b"070701" + b"".join(b"%08x" % number for number in numbers)
    return [header, stored, _padding(len(header) + len(stored)), content, _padding(len(content))]


def _padding(size: int) -> bytes:
    return bytes(-size % 4)

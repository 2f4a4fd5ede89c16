"""A reader of newc archives of its own, so that the writer is not its own witness."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = (
    *("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "devmajor", "devminor"),
    *("rdevmajor", "rdevminor", "namesize", "check"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    fields: dict[str, int]
    content: bytes


def read_newc(raw: bytes) -> list[Entry]:
    entries: list[Entry] = []
    place = 0
    while True:
        header = raw[place : place + 110]
        assert header[:6] == b"070701", place
        fields = {
            name: int(header[6 + 8 * number : 14 + 8 * number], 16)
            for number, name in enumerate(FIELDS)
        }
        start = place + 110
        name = raw[start : start + fields["namesize"]]
        assert name.endswith(b"\0")
        start += fields["namesize"] + -(110 + fields["namesize"]) % 4
        content = raw[start : start + fields["filesize"]]
        assert len(content) == fields["filesize"]
        place = start + fields["filesize"] + -fields["filesize"] % 4
        text = name[:-1].decode("ascii")
        if text == "TRAILER!!!":
            assert not any(raw[place:])
            return entries
        entries.append(Entry(text, fields, content))

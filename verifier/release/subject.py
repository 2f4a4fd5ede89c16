"""What an in-toto subject is of when a statement speaks of something that is no file.

in-toto identifies subjects by digest alone, so everything that is spoken of needs one:

=====================  ==============================================================
thing                  SHA-256 of
=====================  ==============================================================
an artifact, a key     its very bytes
an entry of the log    the bytes of the entry (not its leaf hash)
a host                 ``cvm-audit:host:<product line>:`` and the bytes of its hwID
something with a name  the UTF-8 text ``cvm-audit:<sort>:<name>``
=====================  ==============================================================

Source: docs/spec/entry-kinds.md, "Subjects".
"""

from __future__ import annotations

from hashlib import sha256

from verifier.errors import ParseError
from verifier.release.statement import Statement, Subject
from verifier.tlog.json_object import JsonObject

__all__ = ["host_digest", "named_digest", "require_subjects", "take_subject"]


def named_digest(sort: str, name: str) -> bytes:
    """SHA-256 (32 bytes) that stands for something that only has a name.

    ``sort`` says of what sort it is (``log``, ``processor``, ``product``, ``role``), so that a
    role and a product of one name are two things.
    """
    return sha256(f"cvm-audit:{sort}:{name}".encode()).digest()


def host_digest(*, product: str, hw_id: bytes) -> bytes:
    """SHA-256 (32 bytes) that stands for a chip: the hwID of its VCEK on its product line.

    ``hw_id`` is 64 bytes, or 8 on Turin (AMD publication 57230, VCEK certificate extensions).
    """
    return sha256(f"cvm-audit:host:{product}:".encode() + hw_id).digest()


def require_subjects(statement: Statement, expected: dict[str, bytes]) -> None:
    """Raise ParseError unless the subjects are exactly ``expected``, name to SHA-256."""
    for subject in statement.subjects:
        digest = expected.get(subject.name)
        if digest is None:
            names = " and ".join(expected)
            raise ParseError("statement.subject", expected=names, got=subject.name)
        if subject.sha256 != digest:
            what = f"statement.subject {subject.name}"
            raise ParseError(what, expected=digest.hex(), got=subject.sha256.hex())
    missing = expected.keys() - {subject.name for subject in statement.subjects}
    if missing:
        raise ParseError("statement.subject", expected=min(missing), got="it is missing")


def take_subject(item: JsonObject, subjects: dict[str, bytes], *, pattern: str) -> Subject:
    """Read ``item``'s member ``name`` and take the subject of that name out of ``subjects``.

    Raises ParseError if there is none, or if it was taken before.
    """
    name = item.text("name", pattern=pattern)
    if name not in subjects:
        raise item.refuse("name", expected="a subject, named once", got=name)
    return Subject(name, subjects.pop(name))

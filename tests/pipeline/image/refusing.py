"""Shows that something is refused, and how: the class, what was looked at, expected, got."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from verifier.errors import AuditError


@contextlib.contextmanager
def refused(kind: type[AuditError], what: str, *, expected: str, got: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    assert (caught.value.what, caught.value.expected, caught.value.got) == (what, expected, got)

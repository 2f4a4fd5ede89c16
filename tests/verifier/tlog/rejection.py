"""Asserts that a door stays shut and says what it looked at, expected and got."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from verifier.errors import AuditError


@contextmanager
def rejects(error: type[AuditError], what: str, *, expected: str, got: str) -> Iterator[None]:
    """The exact class, the exact ``what``, and ``expected`` and ``got`` as regular expressions."""
    with pytest.raises(AuditError) as caught:
        yield
    assert type(caught.value) is error, caught.value
    assert caught.value.what == what
    assert re.search(expected, caught.value.expected), caught.value.expected
    assert re.search(got, caught.value.got), caught.value.got

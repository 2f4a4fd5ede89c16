"""Who may have tokens, and how many a day: a bearer secret for each account.

A file has one line for each: ``NAME PER_DAY SHA256``, the last being that of the secret, in hex. A
secret is random, so its plain hash tells nobody what it is.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from pipeline.role.problem import RefusalError
from pipeline.role.store import open_store
from verifier.errors import ParseError
from verifier.tlog.strict import parse_decimal, parse_hex, parse_utf8

__all__ = [
    "MAX_ACCOUNTS",
    "MAX_ACCOUNTS_FILE",
    "MAX_PER_DAY",
    "Account",
    "AccountCheck",
    "BearerAccounts",
    "parse_accounts",
]

MAX_ACCOUNTS = 10_000
MAX_ACCOUNTS_FILE = 256 * MAX_ACCOUNTS
"""Most bytes of a file of accounts."""

MAX_PER_DAY = 1_000_000

_LINE = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}) ([1-9][0-9]{0,6}) ([0-9a-f]{64})", re.ASCII)
_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9._~+/-]{16,256}=*)", re.ASCII)  # RFC 6750 section 2.1
_TABLE = """
CREATE TABLE IF NOT EXISTS issued (
    account TEXT NOT NULL, day TEXT NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (account, day)
) WITHOUT ROWID
"""
# One statement, so that two requests at a time cannot both take the last token.
_TAKE = """
INSERT INTO issued VALUES (?, ?, 1)
ON CONFLICT (account, day) DO UPDATE SET tokens = tokens + 1 WHERE tokens < ?
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account, and how many tokens it may have a day (UTC), 1 or more."""

    name: str
    per_day: int


class AccountCheck(Protocol):
    """Decides who gets a token; another kind of account would be another class."""

    def take(self, authorization: str) -> None:
        """Count one token for whom an ``Authorization`` field names. Raises RefusalError."""


def parse_accounts(raw: bytes) -> dict[bytes, Account]:
    """Read a file of accounts: the SHA-256 of each secret, and whose it is.

    Raises ParseError, which quotes nothing: a secret may stand there in place of its SHA-256.
    """
    what = "accounts"
    lines = parse_utf8(raw, what=what).removesuffix("\n").split("\n") if raw else []
    if len(lines) > MAX_ACCOUNTS:
        raise ParseError(what, expected=f"at most {MAX_ACCOUNTS} lines", got=f"{len(lines)}")
    accounts: dict[bytes, Account] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            expected = "lines of name, tokens a day and SHA-256"
            raise ParseError(what, expected=expected, got=f"something else in line {number}")
        per_day = parse_decimal(match[2], what=f"tokens a day of {match[1]}", maximum=MAX_PER_DAY)
        accounts[parse_hex(match[3], what=what)] = Account(match[1], per_day)
    names = {account.name for account in accounts.values()}
    if not len(lines) == len(accounts) == len(names):
        raise ParseError(what, expected="each name and each secret once", got="one of them twice")
    return accounts


class BearerAccounts:
    """Accounts by bearer secret; what each had today outlives the process in ``issued``.

    Of today it keeps only a number, and of a day before nothing from the first token of today on.
    Raises FetchError.
    """

    def __init__(
        self,
        accounts: dict[bytes, Account],
        issued: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._accounts = accounts
        self._now = now
        self._lock = threading.Lock()
        self._store = open_store(issued, table=_TABLE)

    def take(self, authorization: str) -> None:
        """Count one token. Raises RefusalError for no or an unknown secret, and past the limit."""
        bearer = _BEARER.fullmatch(authorization)
        secret = bearer[1].encode("ascii") if bearer else b""
        account = self._accounts.get(hashlib.sha256(secret).digest())
        if bearer is None or account is None:
            raise RefusalError(
                HTTPStatus.UNAUTHORIZED,
                "account",
                "Authorization",
                expected="Bearer and the secret of an account",
                got="an unknown secret" if bearer else "no such field",
                fields=(("WWW-Authenticate", "Bearer"),),
            )
        today = self._now().strftime("%Y-%m-%d")
        with self._lock:
            if self._store.execute("DELETE FROM issued WHERE day < ?", (today,)).rowcount:
                # Else the write-ahead log would keep the pages as they were.
                self._store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            taken = self._store.execute(_TAKE, (account.name, today, account.per_day)).rowcount
        if not taken:
            raise RefusalError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "account-limit",
                "tokens of this account today",
                expected=f"at most {account.per_day}",
                got="one more",
            )

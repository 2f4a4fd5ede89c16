"""Which tokens were spent: a nonce is in the database before its tunnel opens, or it is refused.

Nothing else is written down: no time, no client, no CVM. Nonces are never forgotten by the program;
a database may be deleted with the issuer's key whose tokens it has (RFC 9577 section 2.1.1 asks to
remember as long as a token could be valid).
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from pipeline.role.store import open_store
from verifier.errors import VerificationError
from verifier.wire.token import AuthenticToken

__all__ = ["SpentTokens"]

_TABLE = "CREATE TABLE IF NOT EXISTS spent (nonce BLOB PRIMARY KEY) WITHOUT ROWID"


class SpentTokens:
    """The durable list of nonces in ``path``; safe under threads. Raises FetchError."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._store = open_store(path, table=_TABLE)

    def spend(self, authentic: AuthenticToken) -> None:
        """Spend a token; on disk when this returns. Raises VerificationError if it was spent."""
        try:
            with self._lock:
                self._store.execute("INSERT INTO spent VALUES (?)", (authentic.token.nonce,))
        except sqlite3.IntegrityError:
            what, expected = "nonce of the token", "one that was not spent"
            raise VerificationError(what, expected=expected, got="it was spent before") from None

"""The address of a PostgreSQL database, as an operator writes it. It never holds a password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from log_server.durable import read_file, storage_errors
from log_server.errors import ConfigurationError
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_utf8

__all__ = ["MAX_URL", "DatabaseUrl", "parse_database_url", "read_database_url"]

MAX_URL = 1000
"""Characters of a URL."""

_SCHEME = "postgresql+psycopg"
_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A parsed URL, and its text."""

    url: URL
    text: str

    def __str__(self) -> str:
        return self.text


def parse_database_url(text: str) -> DatabaseUrl:
    """Read ``postgresql+psycopg://[user@]host[:port]/database[?libpq parameters]``.

    Raises ConfigurationError, and never shows a text that may hold a password.
    """
    expected = f"{_SCHEME}://[USER@]HOST[:PORT]/NAME"
    if not text.isprintable() or len(text) > MAX_URL:
        got = f"{len(text)} characters, or an unprintable one"
        raise ConfigurationError("database URL", expected=expected, got=got)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not even an excerpt: what does not parse as a URL may hold a password anywhere.
        raise ConfigurationError("database URL", expected=expected, got="no URL") from None
    if url.password is not None or _SECRETS.intersection(url.query):
        raise ConfigurationError(
            "database URL",
            expected="no password",
            got="one with a password",
            hint="a password belongs in ~/.pgpass or the file that PGPASSFILE names, mode 0600",
        )
    if url.drivername != _SCHEME:
        got = excerpt(url.drivername)
        raise ConfigurationError("database URL", expected=expected, got=got)
    return DatabaseUrl(url, text)


def read_database_url(path: Path) -> DatabaseUrl | None:
    """The URL in the one line of a file; None if there is no file.

    Raises ConfigurationError, StorageError.
    """
    with storage_errors(path.name):
        raw = read_file(path)
    if raw is None:
        return None
    try:
        text = parse_utf8(raw, what=path.name)
    except ParseError as error:
        raise ConfigurationError(path.name, expected=error.expected, got="other bytes") from None
    return parse_database_url(text.removesuffix("\n"))

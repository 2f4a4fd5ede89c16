from __future__ import annotations

from pathlib import Path

import pytest

from log_server.errors import ConfigurationError
from log_server.store.database_url import MAX_URL, parse_database_url, read_database_url

EXPECTED = "postgresql+psycopg://[USER@]HOST[:PORT]/NAME"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://log@db.example.org/log",
        "postgresql+psycopg://log@db.example.org:5433/log?sslmode=verify-full",
        "postgresql+psycopg://log@/log?host=/run/postgresql",
        "postgresql+psycopg:///?service=log",
    ],
)
def test_a_url_is_kept_as_it_is_written(tmp_path: Path, text: str) -> None:
    assert str(parse_database_url(text)) == text
    (tmp_path / "database").write_text(f"{text}\n")
    read = read_database_url(tmp_path / "database")
    assert read is not None
    assert (read.text, read) == (text, parse_database_url(text))


def test_no_file_is_no_url(tmp_path: Path) -> None:
    assert read_database_url(tmp_path / "database") is None


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://log:hunter2@db.example.org/log",
        "postgresql+psycopg://log:@db.example.org/log",
        "postgresql+psycopg://log@db.example.org/log?password=hunter2",
        "postgresql+psycopg://log@db.example.org/log?sslpassword=hunter2",
        "postgresql://log:hunter2@db.example.org/log",
    ],
)
def test_a_password_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url(text)
    assert (caught.value.expected, caught.value.got) == ("no password", "one with a password")
    assert "PGPASSFILE" in caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("postgresql://log@db.example.org/log", "'postgresql'"),
        ("sqlite+pysqlite:///log.db", "'sqlite+pysqlite'"),
        ("log:hunter2", "no URL"),
        ("postgresql+psycopg://log:hunter2@db.example.org:port/log", "no URL"),
        ("", "no URL"),
        ("postgresql+psycopg://log@/log\n\n", "31 characters, or an unprintable one"),
        ("postgresql+psycopg://" + "x" * MAX_URL, "1021 characters, or an unprintable one"),
    ],
)
def test_what_is_no_url_of_postgresql(text: str, got: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url(text)
    assert (caught.value.what, caught.value.expected) == ("database URL", EXPECTED)
    assert caught.value.got == got
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_file_of_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "database").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        read_database_url(tmp_path / "database")
    assert (caught.value.what, caught.value.got) == ("database", "other bytes")

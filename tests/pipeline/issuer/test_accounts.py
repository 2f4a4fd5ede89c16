"""Accounts of the issuer: who may have tokens, and how many a day."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.issuer import accounts as module
from pipeline.issuer.accounts import Account, BearerAccounts, parse_accounts
from pipeline.role.problem import RefusalError
from verifier.errors import FetchError, ParseError

ALICE, BOB = "alice-secret-0123456789", "bob-secret-0123456789"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


KNOWN = {digest(ALICE): Account("alice", 3), digest(BOB): Account("bob", 1)}


def take(accounts: BearerAccounts, secret: str, times: int = 1) -> None:
    for _ in range(times):
        accounts.take(f"Bearer {secret}")


def refusal(accounts: BearerAccounts, authorization: str) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        accounts.take(authorization)
    return caught.value


def test_a_file_of_accounts_is_read() -> None:
    raw = f"alice 3 {digest(ALICE).hex()}\nbob 1 {digest(BOB).hex()}\n".encode()
    assert parse_accounts(raw) == KNOWN
    assert parse_accounts(b"") == {}


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        ("alice 3\n", "something else in line 1"),
        (f"alice 0 {'0' * 64}\n", "something else in line 1"),
        (f"Alice 3 {'0' * 64}\n", "something else in line 1"),
        (f"a 1 {'0' * 64}\nalice 3 {'A' * 64}\n", "something else in line 2"),
        (f"alice 3 {ALICE}\n", "something else in line 1"),
        ("\n\n", "something else in line 1"),
        (f"a 1 {'0' * 64}\na 1 {'1' * 64}\n", "one of them twice"),
        (f"a 1 {'0' * 64}\nb 1 {'0' * 64}\n", "one of them twice"),
        (f"a 1000001 {'0' * 64}\n", "1000001"),
        ("\xff", "byte 0 is not"),
    ],
)
def test_a_malformed_file_is_refused(raw: str, got: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_accounts(raw.encode("latin-1"))
    assert caught.value.got == got


def test_too_many_accounts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 1)
    with pytest.raises(ParseError) as caught:
        parse_accounts(f"a 1 {'0' * 64}\nb 1 {'1' * 64}\n".encode())
    assert (caught.value.expected, caught.value.got) == ("at most 1 lines", "2")


def test_each_account_has_its_own_limit(tmp_path: Path) -> None:
    accounts = BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: NOON)
    take(accounts, ALICE, 3)
    take(accounts, BOB)
    refused = refusal(accounts, f"Bearer {ALICE}")
    assert (refused.status, refused.kind) == (429, "account-limit")
    assert (refused.expected, refused.got) == ("at most 3", "one more")
    assert refusal(accounts, f"bearer {BOB}").expected == "at most 1"


def test_a_new_day_gives_new_tokens_and_forgets_the_old_one(tmp_path: Path) -> None:
    days = [NOON, NOON, NOON + timedelta(days=1), NOON + timedelta(days=1)]
    accounts = BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: days.pop(0))
    take(accounts, BOB)
    assert refusal(accounts, f"Bearer {BOB}").status == 429
    take(accounts, BOB)
    kept = accounts._store.execute("SELECT account, day, tokens FROM issued").fetchall()
    assert kept == [("bob", "2026-11-22", 1)]
    assert refusal(accounts, f"Bearer {BOB}").status == 429


def test_what_is_forgotten_is_in_no_file(tmp_path: Path) -> None:
    days = [*[NOON] * 4, NOON + timedelta(days=1)]
    accounts = BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: days.pop(0))
    take(accounts, ALICE, 3)
    take(accounts, BOB)
    assert b"2026-11-21" in written(tmp_path)
    take(accounts, BOB)
    assert b"2026-11-22" in written(tmp_path)
    for absent in (b"2026-11-21", b"alice"):
        assert absent not in written(tmp_path)


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize(
    ("authorization", "got"),
    [
        ("", "no such field"),
        ("Basic YWxpY2U6eA==", "no such field"),
        (f"Bearer  {ALICE}", "no such field"),
        (f"Bearer {ALICE}, Bearer {BOB}", "no such field"),
        ("Bearer short", "no such field"),
        (f"Bearer {ALICE}x", "an unknown secret"),
        ("Bearer " + digest(ALICE).hex(), "an unknown secret"),
    ],
)
def test_who_has_no_account_gets_nothing(tmp_path: Path, authorization: str, got: str) -> None:
    accounts = BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: NOON)
    refused = refusal(accounts, authorization)
    assert (refused.status, refused.kind, refused.what) == (401, "account", "Authorization")
    assert (refused.expected, refused.got) == ("Bearer and the secret of an account", got)
    assert refused.fields == (("WWW-Authenticate", "Bearer"),)


def test_two_requests_at_a_time_do_not_share_the_last_token(tmp_path: Path) -> None:
    accounts = BearerAccounts({digest(ALICE): Account("alice", 20)}, tmp_path / "issued")
    taken: list[int] = []

    def ask() -> None:
        for _ in range(10):
            try:
                take(accounts, ALICE)
                taken.append(1)
            except RefusalError:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20


def test_a_second_issuer_cannot_have_the_same_file(tmp_path: Path) -> None:
    first = BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: NOON)
    with pytest.raises(FetchError) as caught:
        BearerAccounts(KNOWN, tmp_path / "issued", now=lambda: NOON)
    assert caught.value.got == "database is locked"
    take(first, BOB)

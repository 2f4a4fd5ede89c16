"""Keys and the statements that publish them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from pipeline.issuer.accounts import Account, parse_accounts
from tests.pipeline.roles import AUTHORITY, ISSUER_NAME, PathKeys, run_keys
from verifier.release.key_configuration import parse_key_configuration
from verifier.release.statement import canonical_statement, parse_statement
from verifier.wire.key_set import open_key_set


def test_private_keys_are_for_their_owner_only(path_keys: PathKeys) -> None:
    modes = {
        str(path.relative_to(path_keys.folder)): f"{path.stat().st_mode & 0o777:o}"
        for path in path_keys.folder.rglob("*")
    }
    assert modes == {
        "gateway": "700",
        "gateway/ohttp-key.json": "600",
        "issuer": "700",
        "issuer/accounts": "600",
        "issuer/token-key.pem": "600",
        "key-configuration": "755",
        "key-configuration/gateway.json": "644",
        "key-configuration/issuer-key.der": "644",
        "key-configuration/issuer.json": "644",
        "path.json": "644",
    }


def test_the_statements_say_the_public_keys(path_keys: PathKeys) -> None:
    for role, use, encoded in (
        ("issuer", "token", path_keys.token.raw),
        ("gateway", "ohttp", path_keys.ohttp.raw),
    ):
        raw = (path_keys.folder / "key-configuration" / f"{role}.json").read_bytes()
        configuration = parse_key_configuration(parse_statement(canonical_statement(raw)))
        (key,) = configuration.keys
        assert (configuration.role, key.use, key.encoded) == (role, use, encoded)
        period = configuration.not_after - configuration.not_before
        assert period.days == 30
        opened = open_key_set(
            [(key.use, key.encoded)],
            not_before=configuration.not_before,
            not_after=configuration.not_after,
            now=configuration.not_before,
        )
        assert len(opened.ohttp) + len(opened.token) == 1


def test_names_are_kept_for_whoever_starts_the_path(path_keys: PathKeys, tmp_path: Path) -> None:
    names = json.loads((path_keys.folder / "path.json").read_bytes())
    assert names == {"authority": AUTHORITY, "issuerName": ISSUER_NAME}
    assert run_keys("init", tmp_path / "k", "--origin", "a.example").returncode == 0
    names = json.loads((tmp_path / "k" / "path.json").read_bytes())
    assert names == {"authority": "a.example", "issuerName": "issuer.a.example"}


def test_keys_are_not_overwritten(path_keys: PathKeys) -> None:
    before = {path: path.read_bytes() for path in path_keys.folder.rglob("*") if path.is_file()}
    done = run_keys("init", path_keys.folder, "--origin", "gateway.example")
    assert done.returncode == 1
    assert "token-key.pem exists: keys are not overwritten" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_name_that_is_no_host_makes_no_keys(tmp_path: Path) -> None:
    done = run_keys("init", tmp_path / "k", "--origin", "Not A Host")
    assert done.returncode == 1
    assert "Error: not a token challenge" in done.stderr
    assert not (tmp_path / "k").exists()


def test_where_no_folder_can_be_made_there_are_no_keys(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("a file")
    done = run_keys("init", tmp_path / "k" / "deeper", "--origin", "gateway.example")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: [Errno 20] Not a directory")
    assert done.stderr.count("\n") == 1


def test_accounts_are_added(path_keys: PathKeys, tmp_path: Path) -> None:
    (tmp_path / "issuer").mkdir()
    accounts = tmp_path / "issuer" / "accounts"
    accounts.touch(mode=0o600)
    secrets = [
        run_keys("account", tmp_path, name, "--per-day", number).stdout.strip()
        for name, number in (("alice", 5), ("bob", 7))
    ]
    assert parse_accounts(accounts.read_bytes()) == {
        sha256(secret.encode()).digest(): Account(name, number)
        for secret, name, number in zip(secrets, ("alice", "bob"), (5, 7), strict=True)
    }
    assert all(len(secret) == 48 for secret in {*secrets, path_keys.bearer})
    done = run_keys("account", tmp_path, "alice")
    assert (done.returncode, done.stdout) == (1, "")
    assert "alice has an account" in done.stderr
    accounts.write_text(accounts.read_text("ascii").removesuffix("\n"))
    assert run_keys("account", tmp_path, "carol").returncode == 0
    named = [account.name for account in parse_accounts(accounts.read_bytes()).values()]
    assert named == ["alice", "bob", "carol"]
    done = run_keys("account", tmp_path, "Al Ice")
    assert (done.returncode, done.stdout) == (2, "")


def test_without_a_file_of_accounts_there_is_no_account(tmp_path: Path) -> None:
    path = tmp_path / "issuer" / "accounts"
    path.parent.mkdir()
    done = run_keys("account", tmp_path, "alice")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: [Errno 2] No such file or directory: '{path}'\n"
    path.write_bytes(b"\xff")
    done = run_keys("account", tmp_path, "alice")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: {path} is no text\n"
    assert path.read_bytes() == b"\xff"

"""``cvm-audit log admission``: does a log keep the rules that it logged?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from log_server.signer import Ed25519Signer
from tests.log_server.foreign import publish_foreign
from tests.making import statement
from tests.running import Ran, cvm_audit, cvm_log, served
from tests.verifier.release.stating import (
    ADMINS,
    ORIGIN,
    SUBMITTERS,
    announcement,
    log_policy,
    rebuild,
    signed,
)
from verifier.cli import progress
from verifier.tlog.merkle import leaf_hash, root_hash

A, B, C = ADMINS
X, Y, Z = SUBMITTERS
SIGNER = Ed25519Signer(name=ORIGIN, seed=bytes(range(32)))
FIRST = signed(log_policy(), (A, B))
GOOD = (signed(statement(), (X, Y)), signed(announcement(), (X,)), signed(rebuild(), (Z,)))
STRANGE = signed(announcement(text="by a stranger"), (Z,))
NEXT_BY = f"next by 2 of {' '.join(one.key.keyid for one in ADMINS)}"


def audited(folder: Path, entries: Sequence[bytes]) -> Ran:
    publish_foreign(folder, entries, SIGNER)
    return cvm_audit("log", "admission", folder, "--vkey", SIGNER.key)


def test_a_log_that_kept_its_rules(tmp_path: Path) -> None:
    second = signed(log_policy(sequence=2), (B, C))
    entries = [b"raw, from before", FIRST, *GOOD, second]
    ran = audited(tmp_path, entries)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"origin {ORIGIN}",
        "size 6",
        f"root {root_hash(map(leaf_hash, entries)).hex()}",
        f"policy 1 in entry 1, {NEXT_BY}",
        f"policy 2 in entry 5, {NEXT_BY}",
        "admitted: every entry since entry 1",
    ]


def test_each_entry_that_was_not_to_be_admitted_is_named(tmp_path: Path) -> None:
    usurper = signed(log_policy(sequence=2), (X, Y))
    ran = audited(tmp_path, [*GOOD, FIRST, b"raw", *GOOD, usurper, STRANGE])
    assert (ran.code, ran.err, ran.last) == (1, "", "refused 3")
    lines = ran.out.splitlines()
    assert lines[3] == f"policy 1 in entry 3, {NEXT_BY}"
    raw, policy, stranger = lines[4:7]
    assert raw.startswith("refused entry 4: log-policy.entry: ")
    assert raw.endswith(" (expected an entry of a known kind)")
    assert policy.startswith("refused entry 8: log-policy.administrators: 0; the envelope names ")
    assert policy.endswith(f" (expected 2 by {', '.join(sorted(one.key.keyid for one in ADMINS))})")
    assert stranger.startswith("refused entry 9: log-policy.submitters: 0; the envelope names ")
    assert stranger.endswith(f"{Z.key.keyid} (expected 1 by {X.key.keyid})")


def test_a_log_without_a_policy_says_nothing_about_itself(tmp_path: Path) -> None:
    for entries in ([], [b"raw"], [signed(log_policy(origin="log.test/two"), (A, B))]):
        ran = audited(tmp_path, entries)
        assert ran.code == 3
        assert ran.last.startswith("not determined: no entry is a log policy")


def test_entries_that_the_log_did_not_sign(tmp_path: Path) -> None:
    audited(tmp_path, [FIRST, *GOOD])
    bundle = tmp_path / "tile/entries/000.p/4"
    bundle.write_bytes(bundle.read_bytes().replace(b"eyJ", b"eyK", 1))
    ran = cvm_audit("log", "admission", tmp_path, "--vkey", SIGNER.key)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("cvm-audit: root of the entries: ")
    bundle.write_bytes(bundle.read_bytes()[:-1])
    short = cvm_audit("log", "admission", tmp_path, "--vkey", SIGNER.key)
    assert (short.code, short.out) == (1, "")
    assert short.err.startswith("cvm-audit: entry bundle: ")
    bundle.unlink()
    gone = cvm_audit("log", "admission", tmp_path, "--vkey", SIGNER.key)
    assert (gone.code, gone.out) == (3, "")
    assert gone.err.startswith(f"cvm-audit: {bundle}: No such file or directory (expected ")


def test_a_checkpoint_of_another_key(tmp_path: Path) -> None:
    audited(tmp_path, [FIRST])
    other = Ed25519Signer(name=ORIGIN, seed=bytes(32)).key
    ran = cvm_audit("log", "admission", tmp_path, "--vkey", other)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("cvm-audit: log signature: ")
    nonsense = cvm_audit("log", "admission", tmp_path, "--vkey", "nonsense")
    assert (nonsense.code, nonsense.out) == (2, "")
    assert "--vkey" in nonsense.err


def test_a_served_log_and_its_folder_say_the_same(tmp_path: Path) -> None:
    vkey = cvm_log("init", tmp_path / "log", "--origin", ORIGIN).out.strip()
    paths = [tmp_path / str(number) for number in range(300)]
    for number, path in enumerate(paths):
        path.write_bytes(b"raw-%d" % number)
    (tmp_path / "policy").write_bytes(FIRST)
    published = cvm_log("publish", tmp_path / "log", *paths, tmp_path / "policy")
    assert published.code == 0, published.err
    with served(tmp_path / "log") as url:
        ran = cvm_audit("log", "admission", url, "--vkey", vkey)
    assert (ran.code, ran.last) == (0, "admitted: every entry since entry 300")
    assert cvm_audit("log", "admission", tmp_path / "log", "--vkey", vkey) == ran


def test_a_long_replay_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_HEARTBEAT_SECONDS", 0.0)
    ran = audited(tmp_path, [FIRST, *(b"raw-%d" % number for number in range(299))])
    said = [f"cvm-audit: {done} of 300 entries" for done in (256, 300)]
    assert (ran.code, ran.err.splitlines()) == (1, said)
    assert ran.last == "refused 299"


@pytest.mark.parametrize("location", ["http://127.0.0.1:9", "nowhere"])
def test_a_log_that_is_not_there(location: str) -> None:
    ran = cvm_audit("log", "admission", location, "--vkey", SIGNER.key)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"cvm-audit: {location}/checkpoint: ")

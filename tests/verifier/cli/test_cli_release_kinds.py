"""Every kind of entry through the program: signed, logged under a policy, fetched, shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.making import statement
from tests.running import Ran, cvm_audit, cvm_log, served
from tests.verifier.release import stating
from verifier.release.admission import replay_admission
from verifier.release.entry import parse_entry
from verifier.release.log_policy import DATED_KINDS, GOVERNED_KINDS

ORIGIN = stating.ORIGIN
STATEMENTS = {**stating.GOOD, "cvm-release": statement()}
del STATEMENTS["log-policy"]

SHOWN = {
    "announcement": ["will change               cvm-release/v1", "role                      summ"],
    "cvm-release": ["measurement sev-snp       qemu, 2 vCPUs of 0x800f12", "TCB floor Milan  "],
    "host-identity": [
        "operator                  example.invalid/cloud",
        "host Turin       rack-1/2",
    ],
    "key-configuration": [
        "ohttp key                 gateway/7, key ID 07, DHKEM",
        "encoded   0711",
    ],
    "rebuild": ["outcome                   differs", "first difference          initrd: member"],
    "revocation": [
        "reason                    vulnerable: the",
        "withdrawn host            rack-1/1",
    ],
    "tcb-floor": [
        "TCB floor Turin           fmc 1 boot",
        "source                    AMD-SB-3020 of",
    ],
    "log-policy": [
        "admits cvm-release/v1     2 to sign, at most 65535 bytes, not after 2028-01-01T",
        "administrators to sign    2",
        "  releases                role gateway of reference-cvm",
    ],
}


@pytest.mark.parametrize("kind", SHOWN)
def test_every_kind_is_shown(kind: str, tmp_path: Path) -> None:
    document = stating.good(kind) if kind in stating.GOOD else statement()
    (tmp_path / "entry.json").write_bytes(stating.signed(document))
    ran = cvm_audit("release", "show", tmp_path / "entry.json")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("nothing here is verified")
    assert lines[1].startswith(f"entry                     urn:cvm-audit:{kind}:v1, ")
    for start in SHOWN[kind]:
        squeezed = " ".join(start.split())
        assert any(" ".join(line.split()).startswith(squeezed) for line in lines), start
    same = cvm_audit("evidence", "inspect", tmp_path / "entry.json")
    assert same.out.splitlines()[-len(lines) + 1 :] == lines[1:]


@dataclass(frozen=True, slots=True)
class Served:
    """A log with a policy, and the keys of those who may write to it."""

    folder: Path
    url: str
    vkey: str
    keys: dict[str, str]

    def path(self, name: str, document: dict[str, Any] | None = None) -> Path:
        path = self.folder / name
        if document is not None:
            path.write_text(json.dumps(document), "utf-8")
        return path

    def publish(self, name: str, document: Path, *keys: str) -> Ran:
        signing = [part for key in keys for part in ("--key", self.path(f"{key}.key"))]
        log = ("--log", self.url, "--vkey", self.vkey)
        return cvm_audit("release", "publish", document, *signing, *log, "-o", self.path(name))


def policy_statement(keys: dict[str, str], **predicate: Any) -> dict[str, Any]:
    rules = {
        kind: stating.DATED if kind in DATED_KINDS else stating.RULE for kind in GOVERNED_KINDS
    }
    submitter = {
        "key": keys["submitter"],
        "kinds": list(GOVERNED_KINDS),
        "releases": [{"role": "summariser", "product": "reference-cvm"}],
    }
    administrators = {"keys": [keys["alice"], keys["bob"]], "threshold": 2}
    return stating.log_policy(
        **{
            "administrators": administrators,
            "kinds": rules,
            "submitters": [submitter],
            **predicate,
        }
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("kinds")
    keys = {}
    for name in ("alice", "bob", "submitter", "stranger"):
        ran = cvm_audit(
            "release", "keygen", "--name", f"{name}.invalid", "-o", folder / f"{name}.key"
        )
        keys[name] = ran.out.strip()
    vkey = cvm_log("init", folder / "log", "--origin", ORIGIN).out.strip()
    (folder / "policy.json").write_text(json.dumps(policy_statement(keys)), "utf-8")
    for name, source in (("alice", "policy.json"), ("bob", "policy.alice")):
        key = ("--key", folder / f"{name}.key")
        ran = cvm_audit("release", "sign", folder / source, *key, "-o", folder / f"policy.{name}")
        assert (ran.code, ran.err) == (0, "")
    half = cvm_log("publish", folder / "log", folder / "policy.alice")
    assert half.code == 1
    assert "log-policy.administrators: 1; the envelope names alice.invalid+" in half.err
    done = cvm_log("publish", folder / "log", folder / "policy.bob")
    assert (done.code, done.out) == (0, f"0 {folder}/policy.bob\n")
    with served(folder / "log") as url:
        yield Served(folder, url, vkey, keys)


@pytest.mark.parametrize("kind", STATEMENTS)
def test_every_kind_is_published_and_fetched(kind: str, log: Served) -> None:
    document = log.path(f"{kind}.json", STATEMENTS[kind])
    ran = log.publish(f"{kind}-published", document, "submitter")
    assert (ran.code, ran.err) == (0, "")
    index = ran.out.strip()
    again = log.publish(f"{kind}-again", document, "submitter")
    assert again.out.strip() == index
    where = ("--log", log.url, "--vkey", log.vkey, "-o", log.path(f"{kind}-fetched"))
    assert cvm_audit("release", "fetch", "--index", index, *where).code == 0
    raw = log.path(f"{kind}-fetched/entry.json").read_bytes()
    assert raw == log.path(f"{kind}-published/entry.json").read_bytes()
    assert parse_entry(raw).kind == f"urn:cvm-audit:{kind}:v1"


def test_a_stranger_gets_the_rule_that_refused(log: Served) -> None:
    document = log.path("announcement.json", STATEMENTS["announcement"])
    ran = log.publish("stranger", document, "stranger")
    assert ran.code == 3
    assert "status 403" in ran.err
    assert "log-policy.submitters" in ran.err
    assert not log.path("stranger").exists()
    raw = requests.post(f"{log.url}/add", data=b"raw", timeout=10)
    assert raw.status_code == 403
    assert raw.headers["Content-Type"] == "application/problem+json"
    problem = raw.json()
    assert problem["field"] == "log-policy.entry"
    assert problem["expected"] == "an entry of a known kind"
    assert problem["got"].startswith("envelope")


def test_a_batch_is_refused_as_a_whole(log: Served) -> None:
    good = log.path("announcement-published/entry.json")
    if not good.exists():
        document = log.path("announcement.json", STATEMENTS["announcement"])
        assert log.publish("announcement-published", document, "submitter").code == 0
    size = requests.get(f"{log.url}/checkpoint", timeout=10).text.splitlines()[1]
    entries = (good.read_bytes(), b"raw")
    body = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    answer = requests.post(f"{log.url}/v1/batch", data=body, timeout=10)
    assert (answer.status_code, answer.json()["field"]) == (403, "log-policy.entry")
    assert answer.json()["got"].startswith("entry 1 of the batch: envelope")
    assert requests.get(f"{log.url}/checkpoint", timeout=10).text.splitlines()[1] == size


def test_signing_twice_with_one_key_is_refused(log: Served) -> None:
    twice = ("--key", log.path("alice.key")) * 2
    document = log.path("announcement.json", STATEMENTS["announcement"])
    ran = cvm_audit("release", "sign", document, *twice, "-o", log.path("twice"))
    assert ran.code == 1
    assert "one for each key" in ran.err
    assert not log.path("twice").exists()


def test_the_administrators_change_the_policy_through_the_log(log: Served) -> None:
    nothing = policy_statement(log.keys, sequence=2, kinds={}, submitters=[])
    document = log.path("second.json", nothing)
    assert log.publish("second-refused", document, "submitter").code == 3
    changed = log.publish("second", document, "bob", "alice")
    assert (changed.code, changed.err) == (0, "")
    late = log.path("late.json", stating.announcement(text="too late"))
    assert log.publish("late", late, "submitter").code == 3
    entries = []
    for index in range(int(changed.out) + 1):
        where = ("--log", log.url, "--vkey", log.vkey, "-o", log.path(f"all-{index}"))
        assert cvm_audit("release", "fetch", "--index", index, *where).code == 0
        entries.append(log.path(f"all-{index}/entry.json").read_bytes())
    assert len(entries) >= 2
    assert replay_admission(entries, origin=ORIGIN) == ()


def test_a_log_without_a_policy_gets_none_from_a_submitter(tmp_path: Path) -> None:
    vkey = cvm_log("init", tmp_path / "log", "--origin", ORIGIN).out.strip()
    first = stating.signed(stating.log_policy(), stating.ADMINS)
    with served(tmp_path / "log") as url:
        for path in ("/add", "/v1/entries"):
            headers = {"Content-Type": "application/json"}
            got = requests.post(f"{url}{path}", data=first, headers=headers, timeout=10)
            assert (got.status_code, got.json()["field"]) == (403, "log-policy.bootstrap")
        assert requests.post(f"{url}/add", data=b"raw", timeout=10).text == "0"
    assert vkey

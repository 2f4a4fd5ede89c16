from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785

from tests.making import PUBLISHER, changed
from tests.making import entry as release_entry
from tests.verifier.release import stating
from tests.verifier.release.stating import ADMINS, GOOD, good, signed, wrapped
from verifier.errors import ParseError, VerificationError
from verifier.release.announcement import CHANGES
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import (
    KINDS,
    kind_name,
    open_entry,
    open_release,
    parse_entry,
    parse_release_entry,
)
from verifier.release.host_identity import HostIdentity
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.log_policy import GOVERNED_KINDS, LogPolicy, ReleaseScope
from verifier.release.rebuild import Rebuild
from verifier.release.revocation import Revocation
from verifier.release.subject import host_digest, named_digest
from verifier.release.tcb_floor import TcbFloors

SCHEMAS = Path(__file__).parents[3] / "schemas"
P = "predicate/"
VKEY = str(PUBLISHER.key.vkey)
KEY = P + "keys/0/"
RULES = P + "kinds/"

# kind, then what is wrong: the path changed, the new value (... removes), what the error names
# in ``what``, and whether the schema sees it too (it cannot compare members with one another).
FAULTS: dict[str, dict[str, tuple[str, object, str, bool]]] = {
    "key-configuration": {
        "unknown role": (P + "role", "client", ".role", True),
        "no key": (P + "keys", [], ".keys", True),
        "17 keys": (P + "keys", [{}] * 17, ".keys", True),
        "a key that is text": (P + "keys/0", "07", ".keys[0]", True),
        "unknown use": (KEY + "use", "tls", ".use", True),
        "name with a blank": (KEY + "name", "the gateway", ".name", True),
        "key ID in capitals": (KEY + "keyId", "0A", ".keyId", True),
        "empty key ID": (KEY + "keyId", "", ".keyId", True),
        "key ID of 33 bytes": (KEY + "keyId", "00" * 33, ".keyId", True),
        "key ID that the bytes do not say": (KEY + "keyId", "08", ".keyId", False),
        "token key ID that is no digest": (P + "keys/1/keyId", "00" * 32, ".keyId", False),
        "no algorithm": (KEY + "algorithms", [], ".algorithms", True),
        "algorithm twice": (KEY + "algorithms", ["A", "A"], ".algorithms", True),
        "algorithm of control characters": (KEY + "algorithms", ["A\n\x1b"], ".algorithms", True),
        "half a byte": (KEY + "encoded", "071", ".encoded", True),
        "no bytes": (KEY + "encoded", "", ".encoded", True),
        "too many bytes": (KEY + "encoded", "07" * 4097, ".encoded", True),
        "bytes that are not the subject's": (KEY + "encoded", "0700", "subject gateway/7", False),
        "one name twice": (P + "keys/1/name", "gateway/7", ".keys", False),
        "key without subject": (KEY + "name", "other", "statement.subject", False),
        "ends before it begins": (P + "notAfter", "2026-11-20T00:00:00Z", ".notAfter", False),
        "no end": (P + "notAfter", ..., ".notAfter", True),
        "unknown member": (P + "note", "x", "statement.predicate", True),
        "unknown member of a key": (KEY + "note", "x", ".keys[0]", True),
    },
    "host-identity": {
        "operator with a blank": (P + "operator", "a b", ".operator", True),
        "no host": (P + "hosts", [], ".hosts", True),
        "unknown product line": (P + "hosts/0/product", "Rome", ".product", True),
        "host without subject": (P + "hosts/0/name", "other", ".name", False),
        "host twice": (P + "hosts/1/name", "rack-1/1", ".name", False),
        "subject without host": (
            P + "hosts",
            [{"name": "rack-1/1", "product": "Milan"}],
            "statement.subject",
            False,
        ),
        "one digest under two names": (
            "subject/1/digest/sha256",
            stating.HOST.hex(),
            "statement.subject",
            False,
        ),
        "a digest of 48 bytes": ("subject/0/digest/sha256", "00" * 48, ".sha256", True),
        "a serial number": (P + "hosts/0/hwId", "00" * 64, ".hosts[0]", True),
        "ends when it begins": (P + "notAfter", "2026-11-21T00:00:00Z", ".notAfter", False),
    },
    "revocation": {
        "nothing withdrawn": (P + "withdrawn", [], ".withdrawn", True),
        "unknown sort": (P + "withdrawn/0/sort", "idea", ".sort", True),
        "entry with a key": (P + "withdrawn/0/key", VKEY, ".withdrawn[0]", True),
        "signing key without key": (P + "withdrawn/2/key", ..., ".key", True),
        "signing key by keyid": (P + "withdrawn/2/key", PUBLISHER.key.keyid, ".key", True),
        "signing key with another hash": (
            P + "withdrawn/2/key",
            VKEY.replace(PUBLISHER.key.keyid, "fixtures.invalid/publisher+00000000"),
            ".key",
            False,
        ),
        "another signing key": (
            P + "withdrawn/2/key",
            str(ADMINS[0].key.vkey),
            "subject old-key",
            False,
        ),
        "withdrawn without subject": (P + "withdrawn/0/name", "other", ".name", False),
        "subject without withdrawn": (
            P + "withdrawn",
            [{"name": "release", "sort": "entry"}],
            "statement.subject",
            False,
        ),
        "reason of one's own": (P + "reason", "reasons", ".reason", True),
        "no text": (P + "text", "", ".text", True),
        "text of two lines": (P + "text", "a\nb", ".text", True),
        "text of 1025": (P + "text", "a" * 1025, ".text", True),
        "since a date": (P + "since", "2026-11-20", ".since", True),
    },
    "tcb-floor": {
        "no floor": (P + "floors", {}, ".floors", True),
        "unknown product line": (P + "floors", {"Rome": {}}, ".floors.Rome", True),
        "FMC on Milan": (P + "floors/Milan/fmc", 1, ".floors.Milan", True),
        "no FMC on Turin": (P + "floors/Turin/fmc", ..., ".fmc", True),
        "level 256": (P + "floors/Milan/snp", 256, ".snp", True),
        "no source": (P + "source", ..., ".source", True),
        "source date of a day": (P + "sourceDate", "2026-10-14", ".sourceDate", True),
        "floor without subject": ("subject", good("tcb-floor")["subject"][:1], ".subject", False),
        "another product line's digest": (
            "subject/0/digest/sha256",
            named_digest("processor", "Genoa").hex(),
            "statement.subject Milan",
            False,
        ),
        "a foreign subject": ("subject/0/name", "Rome", "statement.subject", True),
    },
    "log-policy": {
        "origin with a blank": (P + "origin", "a b", ".origin", True),
        "origin of another log": (P + "origin", "log.test/two", "statement.subject log", False),
        "sequence zero": (P + "sequence", 0, ".sequence", True),
        "no administrator": (P + "administrators/keys", [], ".keys", True),
        "administrator twice": (P + "administrators/keys", [VKEY, VKEY], ".keys", True),
        "administrator by keyid": (
            P + "administrators/keys/0",
            PUBLISHER.key.keyid,
            ".keys",
            True,
        ),
        "administrator with another hash": (
            P + "administrators/keys/0",
            VKEY.replace(PUBLISHER.key.keyid, "fixtures.invalid/publisher+00000000"),
            ".keys",
            False,
        ),
        "threshold zero": (P + "administrators/threshold", 0, ".threshold", True),
        "threshold above the keys": (P + "administrators/threshold", 4, ".threshold", False),
        "a kind that is not known": (RULES + "magic~v1", stating.RULE, ".kinds", True),
        "its own kind": (RULES + "log-policy~v1", stating.RULE, ".kinds", True),
        "kind without threshold": (RULES + "announcement~v1/threshold", ..., ".threshold", True),
        "kind with threshold zero": (RULES + "announcement~v1/threshold", 0, ".threshold", True),
        "kind with more signers than there are": (
            RULES + "announcement~v1/threshold",
            2,
            ".submitters",
            False,
        ),
        "larger than an entry": (
            RULES + "announcement~v1/maximumSize",
            65536,
            ".maximumSize",
            True,
        ),
        "releases without a horizon": (
            RULES + "cvm-release~v1/latestNotAfter",
            ...,
            ".latestNotAfter",
            True,
        ),
        "announcements with a horizon": (
            RULES + "announcement~v1/latestNotAfter",
            "2028-01-01T00:00:00Z",
            ".kinds.announcement/v1",
            True,
        ),
        "submitter of no kind": (P + "submitters/2/kinds", [], ".kinds", True),
        "submitter of a policy": (P + "submitters/2/kinds", ["log-policy/v1"], ".kinds", True),
        "submitter twice": (
            P + "submitters/2/key",
            str(stating.SUBMITTERS[0].key.vkey),
            ".submitters",
            False,
        ),
        "submitter of releases without any": (P + "submitters/0/releases", [], ".releases", True),
        "submitter of releases without saying which": (
            P + "submitters/0/releases",
            ...,
            ".releases",
            True,
        ),
        "submitter of rebuilds with releases": (
            P + "submitters/2/releases",
            [{"role": "a", "product": "b"}],
            ".submitters[2]",
            True,
        ),
        "one release twice": (
            P + "submitters/0/releases",
            [{"role": "a", "product": "b"}] * 2,
            ".releases",
            True,
        ),
        "role with a blank": (P + "submitters/0/releases/0/role", "a b", ".role", True),
        "unknown member": (P + "open", True, "statement.predicate", True),
        "a second subject": (
            "subject",
            [*good("log-policy")["subject"], {"name": "x", "digest": {"sha256": "00" * 32}}],
            "statement.subject",
            True,
        ),
    },
    "rebuild": {
        "unknown outcome": (P + "outcome", "fine", ".outcome", True),
        "differs without a difference": (P + "firstDifference", ..., ".firstDifference", True),
        "reproduced with a difference": (P + "outcome", "reproduced", "statement.predicate", True),
        "failed with measurements": (P + "outcome", "failed", ".measurements", True),
        "measurement of 32 bytes": (P + "measurements/0/value", "00" * 32, ".value", True),
        "rebuilder with a blank": (P + "rebuilder", "a b", ".rebuilder", True),
        "difference of two lines": (P + "firstDifference", "a\nb", ".firstDifference", True),
        "no time": (P + "finished", ..., ".finished", True),
        "subject of another name": ("subject/0/name", "release", "statement.subject", True),
        "two rows for one launch configuration": (
            P + "measurements",
            good("rebuild")["predicate"]["measurements"] * 2,
            ".measurements",
            False,
        ),
        "two subjects": (
            "subject",
            [*good("rebuild")["subject"], {"name": "x", "digest": {"sha256": "00" * 32}}],
            "statement.subject",
            True,
        ),
    },
    "announcement": {
        "unknown change": (P + "change", "weather", ".change", True),
        "role with a capital": (P + "role", "Summariser", ".role", True),
        "product with a blank": (P + "product", "a b", ".product", True),
        "another role than the subject's": (P + "role", "guard", "statement.subject role", False),
        "no subject for the product": (
            "subject",
            good("announcement")["subject"][:1],
            "statement.subject",
            True,
        ),
        "not before a date": (P + "notBefore", "2026-12-01", ".notBefore", True),
        "text in another script": (P + "text", "\u202etxet", ".text", True),
    },
}
ALL_FAULTS = [(kind, name) for kind, faults in FAULTS.items() for name in faults]

SEVERAL = {
    "announcement": [good("announcement"), stating.announcement(change="service-end")],
    "host-identity": [good("host-identity")],
    "key-configuration": [good("key-configuration"), stating.key_configuration(role="issuer")],
    "log-policy": [good("log-policy"), stating.log_policy(kinds={}, submitters=[])],
    "rebuild": [
        good("rebuild"),
        stating.reproduced(),
        stating.rebuild(outcome="failed", measurements=[]),
        stating.rebuild(measurements=[]),
    ],
    "revocation": [
        good("revocation"),
        *(stating.revocation(reason=why) for why in ("ceased", "compromised", "superseded")),
    ],
    "tcb-floor": [good("tcb-floor")],
}


def schema(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SCHEMAS / f"{kind}.v1.schema.json").read_text("utf-8"))
    return read


def faulty(kind: str, name: str) -> dict[str, Any]:
    path, value, *_ = FAULTS[kind][name]
    document = good(kind)
    *steps, last = (step.replace("~", "/") for step in path.split("/"))  # kinds contain a slash
    place: Any = document
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return document


@pytest.mark.parametrize(("kind", "name"), ALL_FAULTS)
def test_a_faulty_statement_is_refused_by_parser_and_schema(kind: str, name: str) -> None:
    _, _, what, by_schema = FAULTS[kind][name]
    document = faulty(kind, name)
    with pytest.raises(ParseError) as caught:
        parse_entry(wrapped(rfc8785.dumps(document)))
    assert what in caught.value.what
    assert caught.value.expected
    assert caught.value.got
    refused = not jsonschema.Draft202012Validator(schema(kind)).is_valid(document)
    assert refused is by_schema


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_statement_is_taken_by_parser_and_schema(kind: str) -> None:
    for document in SEVERAL[kind]:
        jsonschema.Draft202012Validator(schema(kind)).validate(document)
        parsed = parse_entry(signed(document))
        assert parsed.kind == f"urn:cvm-audit:{kind}:v1"
        opened = open_entry(parsed, publishers=(PUBLISHER.key,), threshold=1)
        assert (opened.content, opened.keys) == (parsed.content, (PUBLISHER.key,))


@pytest.mark.parametrize("kind", GOOD)
def test_every_member_is_required(kind: str) -> None:
    for name in GOOD[kind]["predicate"]:
        document = changed(GOOD[kind], P + name, ...)
        with pytest.raises(ParseError, match=rf"predicate\.{name}"):
            parse_entry(wrapped(rfc8785.dumps(document)))
        assert not jsonschema.Draft202012Validator(schema(kind)).is_valid(document)


def test_every_kind_has_its_schema_with_its_name() -> None:
    assert set(GOOD) | {"cvm-release"} == {kind_name(kind).removesuffix("/v1") for kind in KINDS}
    for predicate_type in KINDS:
        kind = kind_name(predicate_type).removesuffix("/v1")
        contract = schema(kind)
        jsonschema.Draft202012Validator.check_schema(contract)
        assert contract["$id"] == f"urn:cvm-audit:schema:{kind}:v1"
        assert contract["title"] == f"{kind}/v1"
        assert contract["additionalProperties"] is False
        assert contract["properties"]["predicateType"] == {"const": predicate_type}


def test_a_policy_governs_every_kind_but_its_own() -> None:
    names = {kind_name(kind) for kind in KINDS}
    assert set(GOVERNED_KINDS) == names - {"log-policy/v1"}
    assert set(CHANGES) < names | {"service-end"}


def test_what_the_kinds_say() -> None:
    contents = {kind: parse_entry(signed(good(kind))).content for kind in GOOD}
    keys = contents["key-configuration"]
    assert isinstance(keys, KeyConfiguration)
    assert [key.encoded for key in keys.keys] == [stating.OHTTP_KEY, stating.TOKEN_KEY]
    assert keys.keys[0].key_id == b"\x07"
    hosts = contents["host-identity"]
    assert isinstance(hosts, HostIdentity)
    assert (hosts.hosts[0].name, hosts.hosts[0].digest) == ("rack-1/1", stating.HOST)
    revoked = contents["revocation"]
    assert isinstance(revoked, Revocation)
    assert [item.sort for item in revoked.withdrawn] == ["entry", "host", "signing-key"]
    assert revoked.withdrawn[2].key == PUBLISHER.key
    floors = contents["tcb-floor"]
    assert isinstance(floors, TcbFloors)
    assert {floor.product: dict(floor.components)["snp"] for floor in floors.floors} == {
        "Milan": 24,
        "Turin": 4,
    }
    policy = contents["log-policy"]
    assert isinstance(policy, LogPolicy)
    assert policy.administrators.threshold == 2
    assert policy.submitters[1].releases[1] == ReleaseScope("gateway", "reference-cvm")
    built = contents["rebuild"]
    assert isinstance(built, Rebuild)
    assert (built.release, built.outcome) == (b"\x05" * 32, "differs")


def test_the_example_of_the_specification_is_an_entry() -> None:
    text = (SCHEMAS.parent / "docs" / "spec" / "entry-kinds.md").read_text("utf-8")
    document = json.loads(text.partition("```json\n")[2].partition("```")[0])
    jsonschema.Draft202012Validator(schema("rebuild")).validate(document)
    assert isinstance(parse_entry(signed(document)).content, Rebuild)


def test_sorts_and_product_lines_separate_the_digests() -> None:
    assert named_digest("role", "a") != named_digest("product", "a")
    both = {host_digest(product=product, hw_id=b"\x01" * 8) for product in ("Milan", "Turin")}
    assert len(both) == 2
    # printf 'cvm-audit:processor:Milan' | sha256sum
    assert named_digest("processor", "Milan").hex() == (
        "a2f167a17c256f13574c967dc8b91457ed0a5f234a2ea6b7c7cdd1271f0c95fa"
    )


def test_another_kind_is_no_release() -> None:
    raw = signed(good("announcement"))
    with pytest.raises(ParseError) as refused:
        parse_release_entry(raw)
    assert refused.value.expected == "urn:cvm-audit:cvm-release:v1"
    assert refused.value.got == "urn:cvm-audit:announcement:v1"
    with pytest.raises(VerificationError) as caught:
        open_release(parse_entry(raw), publishers=(PUBLISHER.key,), threshold=1)
    assert caught.value.got == "urn:cvm-audit:announcement:v1"
    assert isinstance(parse_release_entry(release_entry()).content, CvmRelease)


def test_an_entry_that_a_stranger_signed_does_not_open() -> None:
    parsed = parse_entry(signed(good("rebuild"), (ADMINS[0],)))
    with pytest.raises(VerificationError) as caught:
        open_entry(parsed, publishers=(PUBLISHER.key,), threshold=1)
    assert caught.value.expected == f"1 by {PUBLISHER.key.keyid}"

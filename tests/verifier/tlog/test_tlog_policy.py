from __future__ import annotations

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import log, mldsa_log, mldsa_witness, signer, witness
from verifier.errors import PolicyError, VerificationError
from verifier.tlog.note import Algorithm, parse_public_key
from verifier.tlog.policy import (
    MAX_POLICY_LENGTH,
    MAX_POLICY_MEMBERS,
    PolicyGroup,
    parse_tlog_policy,
    verify_quorum,
)

LOG = f"log {log().key}\n"
W = {name: f"witness {name} {witness(name).key}\n" for name in ("a", "b", "c", "d", "e")}
ABC = W["a"] + W["b"] + W["c"]
FORMS = "log <vkey>"


def test_the_example_of_the_specification() -> None:
    x = "".join(f"witness X{n} {witness(f'x{n}').key}\n" for n in (1, 2, 3))
    y = "".join(f"witness Y{n} {mldsa_witness(f'y{n}').key}\n" for n in (1, 2, 3))
    policy = parse_tlog_policy(
        f"{LOG}\n{x}group X-witnesses 2 X1 X2 X3\n\n{y}group Y-witnesses any Y1 Y2 Y3\n\n"
        "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    )
    assert policy.logs == (log().key,)
    assert [one.name for one in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert policy.groups == (
        PolicyGroup(name="X-witnesses", threshold=2, members=("X1", "X2", "X3")),
        PolicyGroup(name="Y-witnesses", threshold=1, members=("Y1", "Y2", "Y3")),
        PolicyGroup(name="X-and-Y", threshold=2, members=("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"
    verify_quorum(policy, cosigned=frozenset({"X1", "X3", "Y2"}))
    with rejects(
        VerificationError,
        "witness quorum",
        expected=r"^'X-and-Y = 2 of \(X-witnesses Y-witnesses\)'$",
        got="^'X1 Y-witnesses Y1 Y2 Y3'$",
    ):
        verify_quorum(policy, cosigned=frozenset({"X1", "Y1", "Y2", "Y3"}))


def test_urls_comments_tabs_and_blank_lines() -> None:
    policy = parse_tlog_policy(
        f"# a comment\n\t # log nonsense\n \t \nlog\t{log().key} \thttps://log.example/ü\n"
        f"  witness  a\t{witness('a').key}  https://w.example/ \nquorum a\t\n"
    )
    assert [one.url for one in policy.policy_logs] == ["https://log.example/ü"]
    assert [(one.name, one.url) for one in policy.witnesses] == [("a", "https://w.example/")]
    assert parse_tlog_policy(f"{LOG}{W['a']}quorum none\n").witnesses[0].url == ""


def test_quorum_none_is_explicit() -> None:
    policy = parse_tlog_policy("quorum none\n")
    assert (policy.logs, policy.witnesses, policy.groups, policy.quorum) == ((), (), (), None)
    verify_quorum(policy, cosigned=frozenset())


def test_the_keys_of_a_log() -> None:
    other = log("example.com/other").key
    policy = parse_tlog_policy(f"{LOG}log {other}\nlog {mldsa_log().key}\nquorum none\n")
    assert policy.logs == (log().key, other, mldsa_log().key)
    assert policy.log_keys(log().key.name) == (log().key, mldsa_log().key)
    assert policy.log_keys("unknown") == ()


def test_names_are_opaque() -> None:
    # A Kelvin sign and a K, composed and decomposed: four names.
    names = ("K", "\u212a", "\u00e9", "e\u0301")
    text = "".join(f"witness {n} {witness(f'w{i}').key}\n" for i, n in enumerate(names))
    policy = parse_tlog_policy(f"{text}group all all {' '.join(names)}\nquorum all\n")
    assert policy.groups[0].members == names
    with rejects(VerificationError, "witness quorum", expected="all = 4 of", got="K"):
        verify_quorum(policy, cosigned=frozenset({"K"}))


@pytest.mark.parametrize(
    ("rule", "threshold"), [("all", 3), ("any", 1), ("1", 1), ("2", 2), ("3", 3)]
)
def test_thresholds(rule: str, threshold: int) -> None:
    policy = parse_tlog_policy(f"{ABC}group g {rule} a b c\nquorum g\n")
    assert policy.groups[0].threshold == threshold
    for count in range(4):
        cosigned = frozenset(["a", "b", "c"][:count])
        if count >= threshold:
            verify_quorum(policy, cosigned=cosigned)
        else:
            got = " ".join(sorted(cosigned)) or "no cosignature"
            with rejects(
                VerificationError, "witness quorum", expected=f"g = {threshold} of", got=got
            ):
                verify_quorum(policy, cosigned=cosigned)


def test_a_single_witness_may_be_the_quorum() -> None:
    policy = parse_tlog_policy(f"{ABC}quorum b\n")
    verify_quorum(policy, cosigned=frozenset({"b"}))
    with rejects(VerificationError, "witness quorum", expected="^'b'$", got="^'a c'$"):
        verify_quorum(policy, cosigned=frozenset({"a", "c"}))


def test_names_of_strangers_do_not_count() -> None:
    policy = parse_tlog_policy(f"{ABC}group g 2 a b\nquorum g\n")
    with rejects(VerificationError, "witness quorum", expected="g = 2 of", got="a c zz"):
        verify_quorum(policy, cosigned=frozenset({"a", "c", "zz"}))


def test_groups_nest() -> None:
    text = "".join(W.values()) + "group g1 any a b\ngroup g2 2 g1 c\ngroup g3 all g2 d\nquorum g3\n"
    policy = parse_tlog_policy(text)
    verify_quorum(policy, cosigned=frozenset("bcd"))
    for cosigned in ("abd", "abc", "cd", "e"):
        with pytest.raises(VerificationError, match="witness quorum"):
            verify_quorum(policy, cosigned=frozenset(cosigned))


@pytest.mark.parametrize("count", [32, MAX_POLICY_MEMBERS])
def test_many_of_each_kind(count: int) -> None:
    logs = "".join(f"log {log(f'l{n}').key}\n" for n in range(count))
    witnesses = "".join(f"witness w{n} {witness(f'w{n}').key}\n" for n in range(count))
    groups = "".join(f"group g{n} any w{n}\n" for n in range(count - 1))
    members = " ".join(f"g{n}" for n in range(count - 1))
    policy = parse_tlog_policy(f"{logs}{witnesses}{groups}group g all {members}\nquorum g\n")
    assert len(policy.logs) == len(policy.witnesses) == len(policy.groups) == count
    verify_quorum(policy, cosigned=frozenset(f"w{n}" for n in range(count)))


@pytest.mark.parametrize("kind", ["log", "witness", "group"])
def test_too_many_of_one_kind(kind: str) -> None:
    count = MAX_POLICY_MEMBERS + 1
    before = 0
    if kind == "log":
        text = "".join(f"log {log(f'l{n}').key}\n" for n in range(count))
    elif kind == "witness":
        text = "".join(f"witness w{n} {witness(f'w{n}').key}\n" for n in range(count))
    else:
        before = 1
        text = f"{W['a']}group g0 any a\n" + "".join(
            f"group g{n} any g{n - 1}\n" for n in range(1, count)
        )
    with rejects(
        PolicyError, f"policy line {count + before}", expected="at most 256 lines", got="^257$"
    ):
        parse_tlog_policy(text)


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\r", "\x1f", "\x7f"])
def test_control_characters(character: str) -> None:
    got = repr(character).replace("\\", "\\\\")
    with rejects(PolicyError, "policy line 2", expected="but tab and newline", got=got):
        parse_tlog_policy(f"# ok\n# {character}\nquorum none\n")


def test_the_last_line_is_ended() -> None:
    for text, line in (("quorum none", 1), ("", 1), (f"{ABC}quorum a", 4)):
        with rejects(PolicyError, f"policy line {line}", expected="a newline", got=""):
            parse_tlog_policy(text)


def test_a_policy_is_not_endless() -> None:
    with rejects(PolicyError, "policy", expected=f"at most {MAX_POLICY_LENGTH}", got="1048577"):
        parse_tlog_policy("#" * MAX_POLICY_LENGTH + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "log",
        "log a b c",
        "witness a",
        "witness a b c d",
        "group g all",
        "group g",
        "quorum",
        "quorum a b",
        "Quorum none",
        "quorum none # comment",
        "nonsense",
        "\u00a0quorum none",
    ],
)
def test_what_is_no_line_of_a_policy(line: str) -> None:
    with rejects(PolicyError, "policy line 2", expected=FORMS, got="'"):
        parse_tlog_policy(f"\n{line}\n")


def test_the_quorum_is_stated_exactly_once() -> None:
    with rejects(PolicyError, "policy", expected="exactly one quorum line", got="^none$"):
        parse_tlog_policy(LOG)
    for second in ("none", "a"):
        with rejects(PolicyError, "policy line 3", expected="exactly one quorum", got="a second"):
            parse_tlog_policy(f"{W['a']}quorum none\nquorum {second}\n")


@pytest.mark.parametrize(
    ("line", "what", "expected", "got"),
    [
        ("log nonsense", "vkey", "<name>", "nonsense"),
        (f"log {log().key}=", "key of the vkey", "canonical base64", "="),
        ("log n+00000000+/w==", "signature type of the vkey", "0x01", "0xff"),
        (f"witness w {witness('a').key}A", "key of the vkey", "canonical base64", "A"),
    ],
)
def test_keys_are_read_strictly(line: str, what: str, expected: str, got: str) -> None:
    with rejects(PolicyError, f"policy line 1, {what}", expected=expected, got=got):
        parse_tlog_policy(f"{line}\n")


def test_each_role_has_its_types_of_key() -> None:
    ecdsa = parse_public_key(name="e", algorithm=Algorithm.ECDSA, public_key=b"0")
    for line, expected, got in (
        (f"log {witness('a').key}", "type 0x01 or type 0x06", "type 0x04"),
        (f"log {ecdsa}", "type 0x01 or type 0x06", "type 0x02"),
        (f"witness a {log('a').key}", "type 0x04 or type 0x06", "type 0x01"),
        (f"witness a {ecdsa}", "type 0x04 or type 0x06", "type 0x02"),
    ):
        with rejects(PolicyError, "policy line 1", expected=expected, got=got):
            parse_tlog_policy(f"{line}\n")


def test_one_key_is_one_log_or_witness_under_any_name() -> None:
    renamed = parse_public_key(
        name="renamed", algorithm=Algorithm.ED25519, public_key=log().key.public_key
    )
    for text in (f"{LOG}{LOG}", f"{LOG}log {renamed}\n"):
        with rejects(PolicyError, "policy line 2", expected="each public key on one", got="again"):
            parse_tlog_policy(text)
    twice = parse_public_key(
        name="z", algorithm=Algorithm.COSIGNATURE_ED25519, public_key=witness("a").key.public_key
    )
    with rejects(PolicyError, "policy line 2", expected="each public key on one", got="'z' again"):
        parse_tlog_policy(f"{W['a']}witness z {twice}\n")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"witness a {witness('b').key}", "a"),
        ("group a any b", "a"),
        (f"witness none {witness('e').key}", "none"),
        ("group none any a", "none"),
    ],
)
def test_names_are_defined_once_and_none_is_taken(line: str, name: str) -> None:
    with rejects(PolicyError, "policy line 3", expected="a new name, not none", got=f"^'{name}'$"):
        parse_tlog_policy(f"{W['a']}{W['c'].replace('witness c', 'witness b')}{line}\n")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("group g any z", "z"),
        ("group g any a none", "none"),
        ("group g any g", "g"),
        ("group g any A", "A"),
        ("quorum z", "z"),
        ("quorum g", "g"),
    ],
)
def test_only_names_from_above_are_known(line: str, name: str) -> None:
    with rejects(PolicyError, "policy line 2", expected="on a line above", got=f"^'{name}'$"):
        parse_tlog_policy(f"{W['a']}{line}\ngroup g any a\n")


@pytest.mark.parametrize("line", ["group g2 any a", "group g2 any b b", "group g2 any g1 b a"])
def test_a_name_is_a_member_once(line: str) -> None:
    with rejects(PolicyError, "policy line 5", expected="as a member once", got="'[ab]' again"):
        parse_tlog_policy(f"{ABC}group g1 any a\n{line}\n")


@pytest.mark.parametrize("rule", ["4", "03", "-1", "+1", "most", "2.", "\u0662"])
def test_what_is_no_threshold(rule: str) -> None:
    with rejects(PolicyError, "policy line 4, threshold", expected="a decimal", got=""):
        parse_tlog_policy(f"{ABC}group g {rule} a b c\n")


def test_a_threshold_is_not_zero() -> None:
    with rejects(PolicyError, "policy line 4", expected="all, any, or 1 to 3", got="^0$"):
        parse_tlog_policy(f"{ABC}group g 0 a b c\n")


def test_a_log_key_may_also_witness() -> None:
    """Log and witness are separate lists: the specification forbids duplicates within each."""
    key = signer("n").key
    cosigner = parse_public_key(
        name="n", algorithm=Algorithm.COSIGNATURE_ED25519, public_key=key.public_key
    )
    policy = parse_tlog_policy(f"log {key}\nwitness w {cosigner}\nquorum w\n")
    assert policy.witnesses[0].key.public_key == policy.logs[0].public_key

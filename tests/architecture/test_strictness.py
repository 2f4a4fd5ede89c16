"""Doors never return a bool, and foreign text is read in one module only.

The rule for reading: outside ``verifier/tlog/strict.py`` nothing calls ``int(...)``, ``float(...)``
or their kin, a decoder of base64 or hex, or a JSON reader, unless every argument is a literal or a
constant of the module (a fact that stands in the source is read by people). ``map(int, ...)`` and
``type=int`` are calls by another name. ``int.from_bytes`` and struct are exact and free, and so are
writers (``b64encode``, ``json.dumps``, ``bytes.hex``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import (
    Module,
    Violation,
    assert_holds,
    broken,
    functions,
    imports,
    last_name,
    modules_of_tests,
    snippet,
    within,
    words,
)

STRICT = "verifier.tlog.strict"
CONVERTERS = ("int", "float", "complex", "Decimal", "Fraction")
READERS = re.compile(
    r"(b16|b32|b32hex|b64|standard_b64|urlsafe_b64|b85|a85|z85)decode|decodebytes|fromhex|unhexlify"
    r"|a2b_\w+|literal_eval"
)
JSON_READERS = ("loads", "load", "JSONDecoder")
DOOR = re.compile(r"_*(verify|authenticate|open|check)(_|$)")
BANNED_WORDS = words(
    """
    common data handle handler helper helpers info manager misc process score truth util utils
    validate validator
    """
)
# Names that others gave: specifications, and the protocols of asyncio.
SPEC_WORDS = re.compile(
    r"common_name|report_data|host_data|platform_info|key_info|data_received", re.IGNORECASE
)


def bool_doors(module: Module) -> Iterator[Violation]:
    public = (
        {id(node) for node in module.tree.body} if within(module.name, "verifier.appraisal") else ()
    )
    for node in functions(module):
        is_door = DOOR.match(node.name) or (id(node) in public and not node.name.startswith("_"))
        if is_door and node.returns is not None and _says_bool(node.returns):
            yield Violation(module.path, node.lineno, f"{node.name} may not return a bool")


def _says_bool(annotation: ast.expr) -> bool:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return _says_bool(ast.parse(node.value, mode="eval").body)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return True
        if isinstance(node, ast.expr) and last_name(node) in ("bool", "TypeGuard", "TypeIs"):
            return True
    return False


def lenient_readers(module: Module) -> Iterator[Violation]:
    if module.name == STRICT:
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _lenient(node)
        if name and not _all_literal(node):
            rule = f"{name} is lenient: use {STRICT}"
            yield Violation(module.path, node.lineno, rule)


def _lenient(call: ast.Call) -> str:
    name = last_name(call.func)
    if isinstance(call.func, ast.Name) and name in CONVERTERS:
        return f"{name}()"
    if READERS.fullmatch(name):
        return f"{name}()"
    if name in JSON_READERS and isinstance(call.func, ast.Attribute):
        return f"json.{name}()" if last_name(call.func.value) == "json" else ""
    if isinstance(call.func, ast.Name) and name == "map" and last_name(call.args[0]) in CONVERTERS:
        return f"map({last_name(call.args[0])}, ...)"
    types = (k.value for k in call.keywords if k.arg in ("type", "parse_int", "converter"))
    return next((f"type={last_name(t)}" for t in types if last_name(t) in CONVERTERS), "")


def _all_literal(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return bool(values) and all(_is_literal(value) for value in values)


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_literal(node.left) and _is_literal(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        template = node.func.attr == "format" and _is_literal(node.func.value)
        return template and all(_is_literal(value) for value in node.args)
    return isinstance(node, ast.Constant) or last_name(node).strip("_").isupper()


def smuggled_readers(module: Module) -> Iterator[Violation]:
    if module.name == STRICT:
        return
    for line, target in imports(module):
        name = target.split(".")[-1]
        if READERS.fullmatch(name) or target in [f"json.{reader}" for reader in JSON_READERS]:
            yield Violation(module.path, line, f"{target} is lenient: use {STRICT}")


def mocks(module: Module) -> Iterator[Violation]:
    for line, target in imports(module):
        if target.split(".")[0] == "mock" or within(target, "unittest.mock"):
            yield Violation(module.path, line, "no mocks: use the real thing in memory")


def banned_names(module: Module) -> Iterator[Violation]:
    named = [(1, module.name.rsplit(".", 1)[-1])]
    named += [
        (node.lineno, node.name)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    for line, name in named:
        parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", SPEC_WORDS.sub("", name))
        said = BANNED_WORDS.intersection(part.lower() for part in parts)
        if said or name.lower().strip("_") == "attestation":
            yield Violation(module.path, line, f"{name}: say what it is")


def test_doors_return_no_bool() -> None:
    assert_holds(bool_doors)


def test_a_door_that_returns_a_bool_is_reported() -> None:
    for returned in ("bool", "bool | None", "'bool'", "tuple[bool, str]", "TypeGuard[int]"):
        bad = snippet("verifier.tlog.merkle", f"def verify_inclusion() -> {returned}: ...\n")
        assert broken(bool_doors, bad) == [
            "verifier/tlog/merkle.py:1: verify_inclusion may not return a bool"
        ], returned
    assert broken(
        bool_doors, snippet("log_server.fsck", "class A:\n def _check(self) -> bool: ...")
    )
    public = "def holds() -> bool: ...\ndef _holds() -> bool: ...\n"
    assert len(broken(bool_doors, snippet("verifier.appraisal.appraise", public))) == 1
    assert not broken(bool_doors, snippet("verifier.evidence.tcb", public))


def test_foreign_text_is_read_in_the_strict_module_only() -> None:
    assert_holds(lenient_readers)
    assert_holds(smuggled_readers)


def test_a_lenient_reader_is_reported() -> None:
    for call, name in (
        ("int(text)", "int()"),
        ("int(text, 16)", "int()"),
        ("int()", "int()"),
        ("float(text)", "float()"),
        ("base64.b64decode(text, validate=True)", "b64decode()"),
        ("base64.urlsafe_b64decode(text)", "urlsafe_b64decode()"),
        ("binascii.unhexlify(text)", "unhexlify()"),
        ("bytes.fromhex(text)", "fromhex()"),
        ("bytes.fromhex(_PREFIX.format(text))", "fromhex()"),
        ("json.loads(raw)", "json.loads()"),
        ("json.load(file)", "json.load()"),
        ("list(map(int, parts))", "map(int, ...)"),
        ("option('--size', type=int)", "type=int"),
    ):
        assert broken(lenient_readers, snippet("verifier.tlog.note", call)) == [
            f"verifier/tlog/note.py:1: {name} is lenient: use {STRICT}"
        ]
        assert not broken(lenient_readers, snippet(STRICT, call))


def test_exact_readers_and_writers_are_free() -> None:
    for call in (
        "int.from_bytes(raw, 'big')",
        "isinstance(value, int)",
        "bytes.fromhex('00ff')",
        "bytes.fromhex('00' + _PREFIX.format('01'))",
        "json.dumps(value)",
        "base64.b64encode(raw)",
        "tomllib.loads(text)",
    ):
        assert not broken(lenient_readers, snippet("verifier.tlog.note", call)), call


def test_a_smuggled_reader_is_reported() -> None:
    for text in ("from json import loads as read", "from base64 import b64decode"):
        assert len(broken(smuggled_readers, snippet("verifier.tlog.note", text))) == 1


def test_tests_use_no_mocks() -> None:
    assert_holds(mocks, modules_of_tests())


def test_a_mock_is_reported() -> None:
    for text in (
        "from unittest import mock",
        "import unittest.mock",
        "from unittest.mock import patch",
    ):
        assert len(broken(mocks, snippet("tests.test_x", text))) == 1, text


def test_names_say_what_things_are() -> None:
    assert_holds(banned_names)


def test_a_name_that_says_nothing_is_reported() -> None:
    for name in ("validate_report", "ReportManager", "read_data", "Attestation", "handleEntry"):
        kind = "class" if name[0].isupper() else "def"
        body = f"{kind} {name}(): ..."
        assert broken(banned_names, snippet("verifier.tlog.note", body)) == [
            f"verifier/tlog/note.py:1: {name}: say what it is"
        ]
    assert broken(banned_names, snippet("verifier.utils", ""))
    for name in ("AttestationReport", "report_data_of_nonce", "platform_info"):
        assert not broken(banned_names, snippet("verifier.tlog.note", f"def {name}(): ...")), name

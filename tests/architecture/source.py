"""The project's own source as syntax trees, and the form in which a broken rule is reported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("verifier", "log_server", "pipeline")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: dotted name, path relative to the root, text and tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule, at the line that breaks it."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


Rule = Callable[[Module], Iterator[Violation]]


def read_module(path: Path) -> Module:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text("utf-8")
    return Module(name, relative.as_posix(), text, ast.parse(text, relative.as_posix()))


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module that is installed: the judge, the record, the reference system."""
    found = tuple(
        read_module(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
    )
    assert len(found) > 20, "the rules would hold of nothing"
    return found


@functools.cache
def modules_of_tests() -> tuple[Module, ...]:
    return tuple(read_module(path) for path in sorted((ROOT / "tests").rglob("*.py")))


def snippet(name: str, text: str) -> Module:
    """A module that exists only to show that a rule can fail."""
    return Module(name, name.replace(".", "/") + ".py", text, ast.parse(text))


def broken(rule: Rule, module: Module) -> list[str]:
    """What ``rule`` reports of one module."""
    return [str(violation) for violation in rule(module)]


def assert_holds(rule: Rule, over: tuple[Module, ...] | None = None) -> None:
    """Fail with one ``file:line: rule`` a line if any module breaks ``rule``."""
    found = [
        line for module in (modules() if over is None else over) for line in broken(rule, module)
    ]
    assert not found, "\n" + "\n".join(found)


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def within(name: str, room: str) -> bool:
    """Whether the dotted ``name`` is ``room`` or lies in it."""
    return name == room or name.startswith(room + ".")


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Each imported dotted name with its line; ``from a import b`` is ``a.b``.

    ``import_module("a.b")`` and ``__import__("a.b")`` count, wherever they stand.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and last_name(node.func) in ("import_module", "__import__"):
            yield from ((node.lineno, text) for text in _texts(node.args[:1]))


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def last_name(node: ast.expr) -> str:
    """``c`` of ``a.b.c`` and of ``c``; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node

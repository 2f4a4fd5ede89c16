"""Size budgets, docstrings, the public surface of each module, and the exception tree."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import (
    ROOT,
    Module,
    Violation,
    assert_holds,
    broken,
    functions,
    imports,
    last_name,
    read_module,
    snippet,
)

MODULE_LINES = 400
FUNCTION_LINES = 50
BUILT_IN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
EXEMPT_FROM_SURFACE = ("__init__", "__main__")


def oversized(module: Module) -> Iterator[Violation]:
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES:
        yield Violation(module.path, lines, f"{lines} lines, and {MODULE_LINES} is the budget")
    for node in functions(module):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            rule = f"{node.name} has {length} lines, and {FUNCTION_LINES} is the budget"
            yield Violation(module.path, node.lineno, rule)


def undocumented(module: Module) -> Iterator[Violation]:
    if not ast.get_docstring(module.tree):
        yield Violation(module.path, 1, "the module has no docstring")


def surface(module: Module) -> Iterator[Violation]:
    """``__all__`` is there, sorted, names what exists, and leaves out nothing public.

    What is imported may be listed, and so becomes public here too; it need not be.
    """
    defined = dict(_definitions(module.tree.body))
    imported = {target.rsplit(".", 1)[-1] for _, target in imports(module)}
    listed = _listed(module)
    if listed is None:
        if not module.path.endswith(tuple(f"{name}.py" for name in EXEMPT_FROM_SURFACE)):
            yield Violation(module.path, 1, "the module has no literal __all__")
        return
    line, names = listed
    if names != sorted(set(names), key=_isort_style):
        yield Violation(module.path, line, "__all__ is not sorted (constants, classes, the rest)")
    for name in names:
        if name not in defined and name not in imported:
            yield Violation(module.path, line, f"__all__ names {name}, which is not here")
    for name, at in defined.items():
        if not name.startswith("_") and name not in names:
            yield Violation(module.path, at, f"{name} is public and not in __all__")


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not any(_registers(decorator) for decorator in node.decorator_list):
                yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (leaf for target in targets for leaf in ast.walk(target)):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    yield name.id, node.lineno
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])


def _registers(decorator: ast.expr) -> bool:
    # A verb of a click group or a route of an application is reached through that, not by name.
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr == "command" and _is_local(call.value)


def _is_local(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id != "click"


def _listed(module: Module) -> tuple[int, list[str]] | None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and last_name(node.targets[0]) == "__all__":
            value = ast.literal_eval(node.value)
            return node.lineno, list(value)
    return None


def _isort_style(name: str) -> tuple[int, list[tuple[int, str]]]:
    rank = 0 if name.isupper() else 1 if name.lstrip("_")[:1].isupper() else 2
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
    return rank, parts


def drawn_tree(docstring: str) -> dict[str, str]:
    """Child to parent, as drawn with box characters under a root that stands alone on its line."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in docstring.splitlines():
        branch = re.match(r"((?:│   |    )*)[├└]── (\w+)", line)
        if branch:
            depth = len(branch[1]) // 4 + 1
            parents[branch[2]] = path[depth - 1]
            path[depth:] = [branch[2]]
        elif re.fullmatch(r"[A-Z]\w+", line):
            path = [line]
    return parents


def error_classes(module: Module) -> dict[str, str]:
    """Class to base class of a module of errors."""
    return {
        node.name: last_name(node.bases[0])
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    }


def errors_off_the_tree(module: Module) -> Iterator[Violation]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ClassDef) or node.name == "AuditError":
            continue
        foreign = {last_name(base) for base in node.bases} & BUILT_IN_ERRORS
        if foreign:
            rule = f"{node.name} does not grow on AuditError"
            yield Violation(module.path, node.lineno, rule)


def test_modules_and_functions_stay_in_budget() -> None:
    assert_holds(oversized)


def test_what_is_over_budget_is_reported() -> None:
    long = snippet("verifier.x", "def f():\n" + "    x = 1\n" * 50)
    assert broken(oversized, long) == ["verifier/x.py:1: f has 51 lines, and 50 is the budget"]
    long = snippet("verifier.x", "x = 1\n" * 401)
    assert broken(oversized, long) == ["verifier/x.py:401: 401 lines, and 400 is the budget"]


def test_every_module_says_what_it_is() -> None:
    assert_holds(undocumented)


def test_a_module_without_docstring_is_reported() -> None:
    assert broken(undocumented, snippet("verifier.x", "x = 1\n")) == [
        "verifier/x.py:1: the module has no docstring"
    ]


def test_every_module_states_its_surface() -> None:
    assert_holds(surface)


def test_a_wrong_surface_is_reported() -> None:
    for text, rule in (
        ("x = 1", "1: the module has no literal __all__"),
        (
            "__all__ = ['b', 'a']\na = b = 1",
            "1: __all__ is not sorted (constants, classes, the rest)",
        ),
        ("__all__ = ['a', 'a']\na = 1", "1: __all__ is not sorted (constants, classes, the rest)"),
        ("__all__ = ['a']", "1: __all__ names a, which is not here"),
        ("__all__ = []\n\ndef f(): ...", "3: f is public and not in __all__"),
        ("__all__ = []\nX: int = 1", "2: X is public and not in __all__"),
    ):
        assert broken(surface, snippet("verifier.x", text)) == [f"verifier/x.py:{rule}"]
    good = "__all__ = ['MAX', 'Tile', 'tile_2', 'tile_10']\nMAX = tile_2 = tile_10 = 1\n"
    assert not broken(surface, snippet("verifier.x", good + "class Tile: ..."))
    assert not broken(surface, snippet("verifier.__main__", ""))
    verb = "__all__ = []\n@{}.command()\ndef show(): ...\n"
    assert not broken(surface, snippet("verifier.cli.log", verb.format("_log")))
    assert broken(surface, snippet("verifier.cli.log", verb.format("click")))


@pytest.mark.parametrize("path", ["verifier/errors.py", "log_server/errors.py"])
def test_the_exception_tree_is_the_one_drawn(path: str) -> None:
    module = read_module(ROOT / path)
    classes = error_classes(module)
    assert classes.pop("AuditError", "Exception") == "Exception"
    assert classes
    assert drawn_tree(ast.get_docstring(module.tree) or "") == classes


def test_a_wrongly_drawn_tree_is_seen() -> None:
    text = '"""E.\n\nAuditError\n└── A\n"""\nclass A(AuditError): ...\nclass B(A): ...\n'
    module = snippet("verifier.errors", text)
    assert drawn_tree(ast.get_docstring(module.tree) or "") == {"A": "AuditError"}
    assert error_classes(module) == {"A": "AuditError", "B": "A"}


def test_a_drawn_tree_is_read_at_any_depth() -> None:
    drawing = "Words.\n\nRoot\n├── A   (words)\n│   └── B\n│       └── C\n└── D\n"
    assert drawn_tree(drawing) == {"A": "Root", "B": "A", "C": "B", "D": "Root"}


def test_all_errors_grow_on_the_tree() -> None:
    assert_holds(errors_off_the_tree)


def test_an_error_off_the_tree_is_reported() -> None:
    bad = snippet("verifier.fetch.http", "class HttpError(ValueError): ...\n")
    assert broken(errors_off_the_tree, bad) == [
        "verifier/fetch/http.py:1: HttpError does not grow on AuditError"
    ]

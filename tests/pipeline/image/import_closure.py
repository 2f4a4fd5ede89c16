"""Which of our own files a program loads at its start, from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT, imports, read_module


def loaded_files(folder: str) -> frozenset[str]:
    """The paths of the modules in ``folder``, and of all that importing them loads.

    What stands in a function or under TYPE_CHECKING is not loaded by an import.
    """
    found: set[str] = set()
    left = list((ROOT / folder).rglob("*.py"))
    while left:
        path = left.pop()
        name = path.relative_to(ROOT).as_posix()
        if name in found:
            continue
        found.add(name)
        left += _packages(path)
        left += [file for target in _imported(path) for file in _files(target)]
    return frozenset(found)


def _packages(path: Path) -> list[Path]:
    parents = [parent for parent in path.parents if parent.is_relative_to(ROOT) and parent != ROOT]
    return [parent / "__init__.py" for parent in parents]


def _imported(path: Path) -> Iterator[str]:
    module = read_module(path)
    kept = [node for node in module.tree.body if not isinstance(node, ast.FunctionDef | ast.If)]
    module.tree.body[:] = kept
    yield from (target for _, target in imports(module) if target.split(".")[0] in PACKAGES)


def _files(target: str) -> list[Path]:
    parts = target.split(".")
    places = [ROOT.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    candidates = [place / "__init__.py" for place in places]
    candidates += [place.with_name(f"{place.name}.py") for place in places]
    return [path for path in candidates if path.is_file()]

"""All files of fixtures/, as they must be; what differs, and how to write them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fixture_cases.case import Case, MeasurementCase
from tests.fixture_cases.cases import named_cases
from tests.running import ROOT

__all__ = ["FIXTURES", "differences", "index_page", "made_tree", "write_tree"]

FIXTURES = ROOT / "fixtures"

_HEAD = """\
# All fixtures

*Check* is the one check of cvm-audit that alone does not pass. This page is made by
`python -m tests.fixture_cases --write`.

| fixture | what is the matter | expected | check | attacks |
|---|---|---|---|---|"""
_BY_HAND = ("README.md", "evidence/_vendor/README.md", "evidence/_vendor/keys.json")


def made_tree() -> dict[str, bytes]:
    """Every file that the cases make, by its path below fixtures/."""
    cases = dict(named_cases())
    tree = {"INDEX.md": index_page(cases).encode()}
    for name, case in cases.items():
        tree |= {f"{name}/{path}": raw for path, raw in case.files().items()}
    return tree


def index_page(cases: Mapping[str, Case | MeasurementCase]) -> str:
    """A page with a row for each fixture."""
    rows = [
        f"| [{name}]({name}) | {case.title} | {case.expected.ruling} "
        f"| {_failing(case)} | {', '.join(case.attacks)} |"
        for name, case in cases.items()
    ]
    return "\n".join((_HEAD, *rows)) + "\n"


def _failing(case: Case | MeasurementCase) -> str:
    return f"`{case.check}`" if isinstance(case, Case) and case.check is not None else ""


def differences(made: Mapping[str, bytes]) -> list[str]:
    """What is not as it is made, a line each."""
    stored = _stored()
    return [
        *(f"missing: {path}" for path in sorted(made.keys() - stored.keys())),
        *(f"foreign: {path}" for path in sorted(stored.keys() - made.keys())),
        *(
            f"differs: {path}"
            for path in sorted(made)
            if stored.get(path, made[path]) != made[path]
        ),
    ]


def _stored() -> dict[str, bytes]:
    paths = (path for path in FIXTURES.rglob("*") if path.is_file())
    names = ((path, path.relative_to(FIXTURES).as_posix()) for path in paths)
    return {name: path.read_bytes() for path, name in names if name not in _BY_HAND}


def write_tree(made: Mapping[str, bytes]) -> None:
    """Make the folder hold these files, and what is written by hand, and nothing else."""
    for name in _stored().keys() - made.keys():
        (FIXTURES / name).unlink()
    for name, raw in made.items():
        path = FIXTURES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    for folder in sorted(FIXTURES.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

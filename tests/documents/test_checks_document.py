from __future__ import annotations

from tests.documents.checks_document import checks_document
from tests.documents.other_verifiers import REVISIONS, ROWS, VERIFIERS
from tests.running import ROOT
from verifier.appraisal.checks import CHECKS


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "checks.md").read_text("utf-8")
    command = "python -m tests.documents.checks_document > docs/checks.md"
    assert written == checks_document(), command


def test_every_check_has_a_row() -> None:
    page = checks_document()
    for check in CHECKS.values():
        assert page.count(f"| `{check.id}` | {check.title} | {check.spec} | ") == 1


def test_every_row_about_others_is_whole_and_answered() -> None:
    questions = [row.question for row in ROWS]
    assert len(set(questions)) == len(questions)
    for row in ROWS:
        assert len(row.others) == len(VERIFIERS)
        assert all(row.others)
        assert row.checks or row.words, row.question
        assert set(row.checks) <= set(CHECKS), row.question


def test_every_column_has_a_revision() -> None:
    revisions = " ".join(name for name, _ in REVISIONS)
    assert all(name in revisions for name in VERIFIERS)


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for block in checks_document().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1

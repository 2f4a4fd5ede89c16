from __future__ import annotations

from tests.running import ROOT
from verifier.appraisal.advisories.table import ADVISORIES
from verifier.report.advisories_page import render_advisories


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "advisories.md").read_text("utf-8")
    assert page == render_advisories(), "write docs/advisories.md anew with render_advisories()"


def test_the_page_holds_every_row_number_and_source() -> None:
    page = render_advisories()
    for advisory in ADVISORIES:
        assert f"| `{advisory.id}` | {advisory.name} | {advisory.bulletin} |" in page
        for exposure in advisory.exposures:
            for criterion in exposure.criteria:
                confirmed = "yes" if criterion.confirmed else "no"
                start = f"| `{advisory.id}` | {exposure.product} | {criterion.demand} |"
                assert f"{start} {confirmed} | {criterion.source} |" in page
            assert not exposure.open_question or f"): {exposure.open_question}.\n" in page


def test_every_table_has_as_many_cells_as_its_head() -> None:
    widths = {line.count("|") for line in render_advisories().splitlines() if line[:1] == "|"}
    assert widths == {3, 6, 10}

"""Every check has its page, and every page its check."""

from __future__ import annotations

import re

import pytest

from verifier.appraisal.checks import CHECKS
from verifier.report.explanations import EXPLANATIONS, GROUPS, Explanation

PAGES = tuple(page for pages in GROUPS.values() for page in pages)
NAMED_CHECK = re.compile(
    r"`((?:bundle|drive|log|release|evidence|host|rebuild|scan|snp)\.[a-z_.]+)`"
)


def test_every_check_is_explained_once_in_the_order_of_the_registry() -> None:
    assert list(EXPLANATIONS) == list(CHECKS)
    assert sorted(page.check for page in PAGES) == sorted(CHECKS)


def test_each_group_is_in_the_order_of_the_registry() -> None:
    places = {check: place for place, check in enumerate(CHECKS)}
    for pages in GROUPS.values():
        assert [page.check for page in pages] == sorted(
            (page.check for page in pages), key=places.__getitem__
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.check)
def test_a_page_is_whole(page: Explanation) -> None:
    assert page.spec
    assert page.title
    assert page.attacks == tuple(sorted(set(page.attacks)))
    assert page.attacks
    for attack in page.attacks:
        assert re.fullmatch(r"ATK-0(0[1-9]|[1-8][0-9]|9[0-6])", attack)
    for _, paragraph in page.sections():
        assert paragraph.endswith(".")
        assert not re.search(r"  |\s$|^\s", paragraph)
        assert paragraph.isascii()
    sentences = len(re.findall(r"[.:;](?= |$)", page.text))
    assert 4 <= sentences <= 16, sentences


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.check)
def test_a_page_names_checks_that_exist(page: Explanation) -> None:
    named = set(NAMED_CHECK.findall(page.text))
    assert named <= set(CHECKS)
    assert page.check not in named


def test_what_only_informs_does_not_claim_to_prove_or_to_fail() -> None:
    informative = {page.check for page in PAGES if page.informative}
    assert informative == {check.id for check in CHECKS.values() if check.informative}
    for page in PAGES:
        headings = [heading for heading, _ in page.sections()]
        first, third = ("says", "is there when") if page.informative else ("proves", "fails when")
        assert headings == [first, "does not prove", third, "what to do"]

"""The table of known vulnerabilities as a page for people: docs/advisories.md."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.appraisal.advisories.advisory import Exposure
from verifier.appraisal.advisories.table import ADVISORIES, PHYSICAL, PRODUCT_WARNINGS, TABLE_DATE
from verifier.evidence.tcb import Product

__all__ = ["render_advisories"]

_HEAD = """\
# Known vulnerabilities of SEV-SNP platforms

Written from `verifier/appraisal/advisories/table.py`, whose sources were read up to {date}; a test
holds the two together.

For each row a verdict says one of four things (`snp.advisory`), and `snp.advisories` fails for a
vulnerable one that the policy does not accept by its id:

| verdict | meaning |
|---|---|
| not affected | the row has no entry for the product line, for the reason that it gives |
| mitigated | the evidence shows every known measure of the fix, a confirmed one among them |
| vulnerable | the evidence shows that a confirmed measure is missing |
| undecidable | no level is known, an unconfirmed one is not reached, or no field shows it |

TCB levels are those of the certificate, which is what its key was derived for; firmware versions
and bits are those of the report. AMD publishes such numbers in its bulletins only, and the
bulletins were not read for this table: a number that is known from quotations alone is marked as
unconfirmed. It is shown beside the one in the evidence, and can raise a doubt but never settle one.

## Which products, and what fixes it

"""

_LEVELS = """
## What the evidence must show

All lines of one id and product together.

"""

_QUESTIONS = """
## What the evidence cannot show

"""

_NONE = "-"


def render_advisories() -> str:
    """The page, in Markdown."""
    parts = (
        _HEAD.format(date=f"{TABLE_DATE:%Y-%m-%d}"),
        _table(("id", "name", "bulletin", "published", *Product, "elsewhere", "source"), _rows()),
        _LEVELS,
        _table(("id", "product", "must show", "confirmed", "source"), _levels()),
        _QUESTIONS,
        *_questions(),
        *(f"- {product}, in all: {warning}.\n" for product, warning in PRODUCT_WARNINGS.items()),
        f"- Every product, in all: {PHYSICAL}.\n",
    )
    return "".join(parts)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = (head, tuple("---" for _ in head), *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _rows() -> Iterator[tuple[str, ...]]:
    for advisory in ADVISORIES:
        yield (
            f"`{advisory.id}`",
            advisory.name,
            advisory.bulletin,
            advisory.published,
            *(_cell(advisory.exposure(product)) for product in Product),
            advisory.elsewhere or _NONE,
            advisory.source,
        )


def _cell(exposure: Exposure | None) -> str:
    return _NONE if exposure is None else exposure.fixed_in


def _levels() -> Iterator[tuple[str, ...]]:
    for advisory in ADVISORIES:
        for exposure in advisory.exposures:
            for criterion in exposure.criteria:
                confirmed = "yes" if criterion.confirmed else "no"
                named = (f"`{advisory.id}`", exposure.product)
                yield (*named, criterion.demand, confirmed, criterion.source)


def _questions() -> Iterator[str]:
    for advisory in ADVISORIES:
        questions = dict.fromkeys(e.open_question for e in advisory.exposures if e.open_question)
        for question in questions:
            products = [e.product for e in advisory.exposures if e.open_question == question]
            yield f"- `{advisory.id}` ({', '.join(products)}): {question}.\n"

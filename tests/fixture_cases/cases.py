"""All fixtures, numbered: a group keeps its hundred, and new cases go to the end of a group."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.fixture_cases.accepted import accepted
from tests.fixture_cases.azure import azure
from tests.fixture_cases.case import Case, MeasurementCase
from tests.fixture_cases.certificates import certificates, revocation
from tests.fixture_cases.gaps import bombs, gaps, partly, unusable_policies
from tests.fixture_cases.logs_and_releases import bundles, hosts, identities, logs, releases
from tests.fixture_cases.measurements import measurements
from tests.fixture_cases.path_keys import path_keys
from tests.fixture_cases.reports import reports
from tests.fixture_cases.rules_broken import (
    content_rules,
    guest_rules,
    id_blocks,
    level_rules,
    vulnerabilities,
)
from tests.fixture_cases.sessions import sessions

__all__ = ["named_cases"]

_GROUPS = {
    1: (accepted,),
    100: (bundles, logs),
    120: (releases, identities),
    140: (hosts,),
    160: (path_keys,),
    200: (certificates,),
    220: (revocation,),
    300: (reports,),
    400: (guest_rules,),
    420: (level_rules,),
    440: (content_rules,),
    470: (vulnerabilities,),
    500: (id_blocks,),
    520: (azure,),
    540: (sessions,),
    800: (gaps, partly),
    900: (unusable_policies,),
    920: (bombs,),
}


def named_cases() -> Iterator[tuple[str, Case | MeasurementCase]]:
    """Each case by its place below fixtures/."""
    for start, makers in _GROUPS.items():
        cases = itertools.chain.from_iterable(make() for make in makers)
        for number, case in enumerate(cases, start):
            yield f"{case.stage}/{number:03}-{case.slug}", case
    for number, launch in enumerate(measurements(), 1):
        yield f"{launch.stage}/{number:03}-{launch.slug}", launch

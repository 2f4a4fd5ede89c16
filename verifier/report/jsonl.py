"""A verdict as lines of JSON: the head, one line a finding, and last the verdict.

Source: schemas/verdict-line.v1.schema.json. The members are those of the verdict document. Who
reads a stream that was cut off sees no line that says ``verdict``, and so no verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from verifier.report.json import verdict_members
from verifier.report.judgement import Judgement

__all__ = ["SCHEMA", "render_jsonl"]

SCHEMA = "cvm-audit/verdict-line/v1"

_HEAD = ("tool", "target", "policy", "stages", "instant", "offline", "required")
_LAST = ("verdict", "exitCode", "platform", "level", "skipped", "notProven")


def render_jsonl(judgement: Judgement) -> str:
    """One compact JSON object a line, in ASCII, ending in a newline."""
    lines = (json.dumps(line, separators=(",", ":")) for line in _lines(judgement))
    return "".join(f"{line}\n" for line in lines)


def _lines(judgement: Judgement) -> Iterator[dict[str, Any]]:
    members = verdict_members(judgement)
    yield {"line": "head", "schema": SCHEMA, **{name: members[name] for name in _HEAD}}
    for finding in members["findings"]:
        yield {"line": "finding", **finding}
    yield {"line": "verdict", **{name: members[name] for name in _LAST}}

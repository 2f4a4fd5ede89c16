"""The ``rebuild/v1`` statement of a rebuild: what came out, whatever that is.

Source: design section 4; schemas/rebuild.v1.schema.json.
"""

from __future__ import annotations

import json
from datetime import datetime

from verifier.appraisal.rebuild.appraise_rebuild import RebuildAppraisal, rebuild_outcome
from verifier.measurement.sev_snp import encode_matrix
from verifier.release.rebuild import PREDICATE_TYPE
from verifier.release.statement import STATEMENT_TYPE
from verifier.tlog.strict import parse_json

__all__ = ["rebuild_statement"]


def rebuild_statement(appraisal: RebuildAppraisal, *, rebuilder: str, finished: datetime) -> bytes:
    """The statement (JSON, unsigned). ``finished`` is aware and UTC."""
    outcome, first_difference = rebuild_outcome(appraisal)
    rows = appraisal.measurements if outcome != "failed" else ()
    predicate = {
        "rebuilder": rebuilder,
        "outcome": outcome,
        **({"firstDifference": first_difference} if first_difference else {}),
        **parse_json(encode_matrix(rows), what="measurements"),
        "finished": f"{finished:%Y-%m-%dT%H:%M:%SZ}",
    }
    digest = appraisal.verdict.target.sha256.hex()
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "entry", "digest": {"sha256": digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return json.dumps(statement, indent=2).encode("ascii") + b"\n"

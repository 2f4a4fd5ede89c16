"""Judge an evidence bundle before anything is sent to the machine that it speaks of.

python examples/verify_bundle.py BUNDLE POLICY [SIMULATED_ROOT]
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from verifier import (
    AMD_ROOTS,
    AuditError,
    NotVerifiedError,
    Verified,
    load_policy,
    load_simulated_root,
    verify_bundle,
)


def send_prompt(machine: Verified) -> None:
    """Stands for what only a verified machine may see; the type says so."""
    verdict = machine.verdict
    print(f"{verdict.outcome} on {verdict.platform}: {len(verdict.findings)} findings")


def main(bundle: Path, policy: Path, *simulated: Path) -> int:
    """Verify, and go on only then."""
    try:
        machine = verify_bundle(
            bundle,
            policy=load_policy(policy),
            roots=(*AMD_ROOTS, *map(load_simulated_root, simulated)),
            now=datetime.now(UTC),
            nonce=None,  # the recorded one; a client that asked the machine passes its own
        )
    except NotVerifiedError as refused:
        for finding in refused.verdict.findings:
            if finding.status == "fail":
                print(f"{finding.check}: expected {finding.expected}; got {finding.got}")
        print(refused.got)
        return 1
    except AuditError as unusable:
        print(unusable)
        return 2
    send_prompt(machine)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))

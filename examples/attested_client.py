"""Summarise a chat on a CVM that is VERIFIED, through a private path, or not at all.

python examples/attested_client.py DEPLOYMENT POLICY ACCOUNT [SIMULATED_ROOT]
"""

from __future__ import annotations

import sys
from pathlib import Path

from verifier import (
    AMD_ROOTS,
    AttestedClient,
    AuditError,
    Feature,
    NotVerifiedError,
    PrivatePath,
    load_simulated_root,
)

CHAT = [
    ("Ana", "The launch is on Friday, and the tickets are booked."),
    ("Bo", "The tickets for the launch are with Ana."),
]


def main(deployment: Path, policy: Path, account: Path, *simulated: Path) -> None:
    """Send the chat only to what passes, and say what it was that passed."""
    summaries = Feature("summaries")
    summaries.switch_on()  # for the place where the user says so
    with AttestedClient(
        policy=policy.read_bytes(),
        roots=(*AMD_ROOTS, *map(load_simulated_root, simulated)),
        endpoint=PrivatePath(deployment, account=account.read_text("ascii").strip()),
        feature=summaries,
    ) as client:
        verdict = client.connect()
        print(f"{verdict.outcome} on {verdict.platform}, {client.group}")
        print(*client.summarise(CHAT, sentences=1), sep="\n")


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except NotVerifiedError as refused:
        sys.exit(f"not sent: {refused}")
    except AuditError as failed:  # before the chat has left or after
        sys.exit(f"no summary: {failed}")

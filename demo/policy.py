"""What the auditor of the demo demands: every stage, on the simulated platform."""

from __future__ import annotations

__all__ = ["policy_text"]

_POLICY = """\
schema = "cvm-audit/policy/v1"
name = "demo-simulated"
base = "simulated-2026-11"
platform = "simulated"
require = ["evidence", "log", "release"]

[log]
policy = '''
log {log}
quorum none
'''

[release]
role = "summariser"
product = "{product}"
publishers = ["{publisher}"]
publisher_threshold = 1
identities = []
minimum_security_version = 1

[sev_snp]
measurement = "release"
{binding}"""


def policy_text(product: str, *, log: str, publisher: str, session: bool) -> bytes:
    """The policy; with ``session``, evidence has to bind the TLS session that it is given in."""
    binding = 'report_data = "session"\n' if session else ""
    text = _POLICY.format(product=product, log=log, publisher=publisher, binding=binding)
    return text.encode()

"""What the auditor of the demo demands: every stage, on the simulated platform."""

from __future__ import annotations

__all__ = ["policy_text"]

_POLICY = """\
schema = "cvm-audit/policy/v1"
name = "demo-simulated"
base = "simulated-2026-11"
platform = "simulated"
require = [{stages}]

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
"""
_SESSION = 'report_data = "session"\n'
_KEYS = """
[keys]
publishers = ["{publisher}"]
publisher_threshold = 1
"""


def policy_text(product: str, *, log: str, publisher: str, path: bool) -> bytes:
    """The policy; with ``path``, also for the TLS session of a request and the keys of its path."""
    stages = ["evidence", "keys", "log", "release"] if path else ["evidence", "log", "release"]
    named = ", ".join(f'"{stage}"' for stage in stages)
    text = _POLICY.format(product=product, log=log, publisher=publisher, stages=named)
    if path:
        text += _SESSION + _KEYS.format(publisher=publisher)
    return text.encode()

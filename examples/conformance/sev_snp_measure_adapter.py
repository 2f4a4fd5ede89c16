"""An adapter for another verifier: PyPI's sev-snp-measure, which predicts launch measurements.

    pip install sev-snp-measure==0.0.13
    cvm-audit conformance run -- python examples/conformance/sev_snp_measure_adapter.py

One request (JSON) comes on stdin, one answer (JSON) goes to stdout, and the exit code says the same
(docs/spec/conformance.md). It imports nothing of cvm-audit, so it can be copied as a start.
sev-snp-measure judges no evidence, so that is answered with ``unsupported``.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

CODES = {"accepted": 0, "rejected": 10, "unsupported": 20, "malformed": 30}


def measure(request: dict[str, Any], folder: Path) -> bytes:
    """The launch digest, by sev-snp-measure, which reads files."""
    from sevsnpmeasure.guest import calc_launch_digest  # noqa: PLC0415 - answered if missing
    from sevsnpmeasure.sev_mode import SevMode  # noqa: PLC0415
    from sevsnpmeasure.vmm_types import VMMType  # noqa: PLC0415

    names = {"qemu": VMMType.QEMU, "ec2": VMMType.ec2, "gce": VMMType.gce}
    paths = {}
    for name in ("firmware", "kernel", "initrd"):
        paths[name] = str(folder / name) if name in request else ""
        if name in request:
            (folder / name).write_bytes(base64.b64decode(request[name]))
    digest: bytes = calc_launch_digest(
        SevMode.SEV_SNP,
        request["vcpus"],
        int(request["vcpuSignature"], 16),
        paths["firmware"],
        paths["kernel"],
        paths["initrd"],
        request.get("cmdline", ""),
        int(request["guestFeatures"], 16),
        vmm_type=names[request["vmm"]],
    )
    return digest


def answer(request: dict[str, Any]) -> tuple[str, str]:
    """The outcome, and why."""
    if request["stage"] != "measurement" or request["vmm"] == "qemu-svsm":
        return "unsupported", "sev-snp-measure predicts measurements, and judges no evidence"
    try:
        with tempfile.TemporaryDirectory() as folder:
            digest = measure(request, Path(folder))
    except ModuleNotFoundError:
        return "unsupported", "sev-snp-measure is not installed"
    except (RuntimeError, ValueError) as error:  # what it raises for firmware that it cannot read
        return "malformed", str(error)
    same = digest.hex() == request["measurement"]
    return "accepted" if same else "rejected", f"this launch measures {digest.hex()}"


def main() -> int:
    """Answer one request."""
    outcome, reason = answer(json.load(sys.stdin))
    document = {"schema": "cvm-audit/conformance-answer/v1", "outcome": outcome, "reason": reason}
    sys.stdout.write(json.dumps(document) + "\n")
    return CODES[outcome]


if __name__ == "__main__":
    sys.exit(main())

"""The example of the attested client against evil twins: it raises, and no prompt has left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.evil.world import OTHER_MEASUREMENT, World, running_cvm
from tests.pipeline.node.guests import Client
from tests.running import ROOT
from verifier.client.deployment import Deployment
from verifier.client.web import Url
from verifier.drive.path import running_path


def address(url: Url) -> str:
    return f"{url.scheme}://{url.authority}"


def told(deployment: Deployment) -> bytes:
    """What a client is told of a deployment."""
    return json.dumps(
        {
            "schema": "cvm-audit/deployment/v1",
            "authority": deployment.authority,
            "issuerName": deployment.issuer_name,
            "issuer": address(deployment.issuer),
            "keyCdn": address(deployment.key_cdn),
            "relay": address(deployment.relay),
        }
    ).encode()


@pytest.mark.parametrize(
    ("module", "measurement", "check"),
    [
        ("pipeline.node", None, ""),
        ("tests.evil.node_unverified", OTHER_MEASUREMENT, "release.measurement"),
        ("tests.evil.node_replays", None, "snp.report_data"),
    ],
    ids=["no evil", "changed image", "replays evidence"],
)
def test_it_raises_before_a_prompt_has_left(
    world: World, tmp_path: Path, module: str, measurement: bytes | None, check: str
) -> None:
    (tmp_path / "policy.toml").write_bytes(world.policy)
    with ExitStack() as stack:
        cvms = [
            stack.enter_context(
                running_cvm(
                    world,
                    tmp_path / str(number),
                    module=module,
                    measurement=measurement or world.measurement,
                )
            )
            for number in range(2)
        ]
        path = stack.enter_context(
            running_path(
                world.keys.folder,
                world.logged,
                cvms=[cvm.address for cvm in cvms],
                replaced={},
            )
        )
        (tmp_path / "deployment.json").write_bytes(told(path.deployment))
        (tmp_path / "account").write_text(path.bearers[0])
        given = [tmp_path / name for name in ("deployment.json", "policy.toml", "account")]
        given.append(world.folder / "platform" / "root.json")
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "attested_client.py"), *map(str, given)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        sealed = []
        for cvm in cvms:
            with Client(cvm.address) as client:
                sealed.append(json.loads(client.ask("GET", "/v1/counters").body)["requests_sealed"])
    if not check:
        assert (done.returncode, done.stderr, sum(sealed)) == (0, "", 1)
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"not sent: bundle: FAILED: {check}: ")
    assert sealed == [0, 0]

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import pytest

from log_server.notify import notify


def test_the_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"cvm-log-{uuid.uuid4()}"
    for bound, told in ((str(tmp_path / "n"), str(tmp_path / "n")), (f"\0{name}", f"@{name}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bound)
            monkeypatch.setenv("NOTIFY_SOCKET", told)
            notify("READY=1")
            assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@" + "x" * 200])
def test_nobody_to_tell(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert notify("READY=1") is None  # type: ignore[func-returns-value] # it raised nothing

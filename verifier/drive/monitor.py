"""QEMU's monitor (QMP): where its forwarded port is, and whether it still runs the guest.

Source: QEMU, QMP protocol specification (docs/interop/qmp-spec).
"""

from __future__ import annotations

import json
import socket
from typing import Any

from verifier.drive.qemu import forwarded_port
from verifier.errors import FetchError, ParseError
from verifier.tlog.strict import excerpt, parse_json

__all__ = ["Monitor"]

_MAX_LINE = 65_536
_SECONDS = 10.0
_MAX_EVENTS = 64


class Monitor:
    """A connected monitor. Raises FetchError when QEMU is gone, ParseError for other talk."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        connection.settimeout(_SECONDS)
        if "QMP" not in self._line():
            raise ParseError("monitor", expected="a QMP greeting", got="another line")
        self._execute("qmp_capabilities")

    def forwarded_port(self) -> int:
        """The host's TCP port behind which the guest's is."""
        usernet = self._execute("human-monitor-command", **{"command-line": "info usernet"})
        if type(usernet) is not str:
            raise ParseError("info usernet", expected="text", got="something else")
        return forwarded_port(usernet)

    def status(self) -> str:
        """QEMU's word for the state of the machine, such as ``running``."""
        answer = self._execute("query-status")
        if type(answer) is not dict or type(answer.get("status")) is not str:
            raise ParseError("query-status", expected="a status", got="none")
        status: str = answer["status"]
        return status

    def _execute(self, command: str, **arguments: str) -> Any:
        asked = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            self._connection.sendall(json.dumps(asked).encode() + b"\n")
        except OSError as error:
            raise self._gone(error) from None
        for _ in range(_MAX_EVENTS):
            answer = self._line()
            if "event" in answer:
                continue
            if "return" not in answer:
                got = excerpt(json.dumps(answer), 200)
                raise ParseError(f"monitor, {command}", expected="an answer", got=got)
            return answer["return"]
        raise ParseError(f"monitor, {command}", expected="an answer", got="only events")

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._received:
            try:
                part = self._connection.recv(_MAX_LINE)
            except OSError as error:
                raise self._gone(error) from None
            self._received += part
            if not part:
                raise self._gone(None)
            if len(self._received) > _MAX_LINE:
                raise ParseError("monitor", expected=f"at most {_MAX_LINE} bytes", got="more")
        line, self._received = self._received.split(b"\n", 1)
        answer = parse_json(line, what="monitor")
        if type(answer) is not dict:
            raise ParseError("monitor", expected="an object", got=excerpt(line))
        return answer

    def _gone(self, error: OSError | None) -> FetchError:
        got = "it closed the connection" if error is None else type(error).__name__
        return FetchError("QEMU's monitor", expected="an answer", got=got)

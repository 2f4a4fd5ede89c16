"""A small builder with the command line and the outputs of the real one: part of a toy source.

It is copied into a source tree as ``pipeline/image/__main__.py`` and runs in the sandbox, with
nothing but Python. Lines of ``pipeline/image/behaviour.txt`` make it misbehave.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import sys
import time
import tomllib
from pathlib import Path

HERE = Path("pipeline/image")
COMMAND_LINE = b"console=ttyS0 quiet panic=-1 mitigations=auto,nosmt"


def record(name: str, mode: int, content: bytes, number: int) -> bytes:
    stored = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(stored), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + stored
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def archive(files: dict[str, bytes]) -> bytes:
    nodes: dict[str, tuple[int, bytes]] = {}
    for name, content in sorted(files.items()):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            nodes.setdefault("/".join(parts[:depth]), (0o40755, b""))
        nodes[name] = (0o100755 if name == "init" else 0o100644, content)
    entries = [record(n, m, c, i) for i, (n, (m, c)) in enumerate(sorted(nodes.items()), 1)]
    return b"".join([*entries, record("TRAILER!!!", 0, b"", 0)])


def surroundings() -> str:
    kept = {name: os.environ.get(name) for name in ("TZ", "LC_ALL", "PYTHONHASHSEED")}
    mask = os.umask(0)
    os.umask(mask)
    seen = (str(Path.cwd()), mask, os.getuid(), platform.node(), time.gmtime().tm_year, kept)
    return json.dumps(seen)


def network() -> str:
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()
    except OSError as error:
        return f"{len(socket.if_nameindex())} {type(error).__name__}"
    return "connected"


def misbehave(lines: list[str], out: Path, files: dict[str, bytes]) -> None:
    if "fail" in lines:
        sys.exit("toy builder: this source does not build")
    if "hang" in lines:
        time.sleep(600)
    if "leak" in lines:
        files["leak.txt"] = surroundings().encode()
    if "link" in lines:
        (out / "extra").symlink_to("/etc/passwd")
    if "astray" in lines:
        out.rmdir()
        out.symlink_to("/usr/share")
        sys.exit(0)
    if "nothing" in lines:
        out.rmdir()
        sys.exit(0)
    if "network" in lines:
        files["network.txt"] = network().encode()
    if "system" in lines:
        try:
            Path("/usr/written-by-a-build").write_text("x")
        except OSError:
            return
        files["written.txt"] = b"the system can be written"


def main(arguments: list[str]) -> None:
    options = dict(zip(arguments[1:-1:2], arguments[2::2], strict=True))
    assert (arguments[0], arguments[-1]) == ("build", "--offline"), arguments
    out, store = Path(options["-o"]), Path(options["--store"])
    out.mkdir()
    lock = (HERE / "inputs.lock").read_bytes()
    inputs = {}
    for item in tomllib.loads(lock.decode())["input"]:
        content = (store / "sha256" / item["sha256"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == item["sha256"], item["name"]
        inputs[item["name"]] = content
    files = {
        "init": Path("pipeline/node/init.py").read_bytes(),
        "etc/cvm/guest-policy.json": Path(options["--policy"]).read_bytes(),
        "usr/lib/tool.so": inputs["tool"],
    }
    behaviour = HERE / "behaviour.txt"
    misbehave(behaviour.read_text().split() if behaviour.exists() else [], out, files)
    outputs = {
        "firmware.fd": inputs["firmware"],
        "kernel.bin": inputs["kernel"],
        "initrd.bin": archive(files),
        "command-line.txt": COMMAND_LINE,
        "kernel-config.txt": (HERE / "kernel.config").read_bytes(),
        "guest-policy.json": Path(options["--policy"]).read_bytes(),
    }
    manifest = {name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(outputs.items())}
    outputs["manifest.json"] = json.dumps({"files": manifest, "schema": "toy"}).encode()
    versions = [
        {"name": name, "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in sorted(inputs.items())
    ]
    outputs["sbom.json"] = json.dumps({"components": versions}).encode()
    for name, raw in outputs.items():
        (out / name).write_bytes(raw)


if __name__ == "__main__":
    main(sys.argv[1:])

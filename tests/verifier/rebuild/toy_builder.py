"""A small builder with the command line and the outputs of the real one: part of a toy source.

It is copied into a source tree as ``pipeline/image/__main__.py`` and runs in the sandbox, with
nothing but Python. Lines of ``pipeline/image/behaviour.txt`` make it misbehave.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import socket
import sys
import time
import tomllib
from pathlib import Path

HERE = Path("pipeline/image")
COMMAND_LINE = b"console=ttyS0 quiet panic=-1 mitigations=auto,nosmt"
ROLES = {
    "command-line.txt": "command-line",
    "firmware.fd": "firmware",
    "guest-policy.json": "guest-policy",
    "initrd.bin": "initrd",
    "kernel-config.txt": "kernel-config",
    "kernel.bin": "kernel",
    "sbom.json": "sbom",
}


def record(name: str, mode: int, content: bytes, number: int) -> bytes:
    stored = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(stored), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + stored
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def tree(files: dict[str, bytes]) -> dict[str, tuple[int, bytes]]:
    nodes: dict[str, tuple[int, bytes]] = {}
    for name, content in sorted(files.items()):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            nodes.setdefault("/".join(parts[:depth]), (0o40755, b""))
        nodes[name] = (0o100755 if name == "init" else 0o100644, content)
    return dict(sorted(nodes.items()))


def archive(nodes: dict[str, tuple[int, bytes]]) -> bytes:
    entries = [record(n, m, c, i) for i, (n, (m, c)) in enumerate(nodes.items(), 1)]
    return b"".join([*entries, record("TRAILER!!!", 0, b"", 0)])


def sized(content: bytes) -> dict[str, object]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def entry(path: str, mode: int, content: bytes) -> dict[str, object]:
    if mode == 0o40755:
        return {"path": path, "type": "directory"}
    return {"path": path, "type": "file", "mode": f"{mode & 0o777:04o}", **sized(content)}


def manifest(
    lock: bytes, nodes: dict[str, tuple[int, bytes]], outputs: dict[str, bytes], *, recipe: str
) -> bytes:
    members = ("architecture", "name", "role", "sha256", "size", "version")
    document = {
        "schema": "cvm-audit/image-manifest/v1",
        "recipe": recipe,
        "lockSha256": hashlib.sha256(lock).hexdigest(),
        # Of no tree: so that a test can change the source and nothing of what is built.
        "sourceSha256": "00" * 32,
        "hashTableGpa": "0x810c00",
        "artifacts": [
            {"name": name, "role": role, **sized(outputs[name])} for name, role in ROLES.items()
        ],
        "inputs": [
            {member: item[member] for member in members}
            for item in tomllib.loads(lock.decode())["input"]
        ],
        "initrd": [entry(path, *node) for path, node in nodes.items()],
    }
    return json.dumps(document, sort_keys=True).encode()


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


def surroundings_of_the_machine() -> dict[str, object]:
    """What can be seen that is the machine's, or another build's; and something left for one."""
    places = [Path("/", *parts) for parts in (("tmp",), ("dev", "shm"), ("var", "tmp"), ("run",))]
    marks = [place / "mark" for place in places]
    left = [str(mark) for mark in marks if mark.exists()]
    for mark in marks:
        if mark.parent.is_dir():
            mark.write_text("left by a build")
    return {
        "root": sorted(path.name for path in Path("/").iterdir()),
        "etc": sorted(path.name for path in Path("/etc").iterdir()),
        "environment": sorted(os.environ),
        "processes": len(list(Path("/proc").glob("[0-9]*"))),
        "left": left,
        "packages": sorted({name for name in sys.path if "-packages" in name}),
    }


def end(lines: list[str]) -> None:
    if "fail" in lines:
        sys.exit("toy builder: this source does not build")
    if "code" in lines:
        sys.exit(200)
    if "killed" in lines:
        os.kill(os.getpid(), signal.SIGKILL)


def misbehave(lines: list[str], out: Path, files: dict[str, bytes]) -> None:
    if "talk" in lines:
        sys.stderr.write("make[1]: nothing for people\ncvm-image: compiles\x1b[2J the kernel\n")
        time.sleep(2.5)
    if "hang" in lines:
        time.sleep(600)
    if "locked" in lines:
        (out.parent / "deep" / "deeper").mkdir(parents=True)
        (out.parent / "deep" / "deeper").chmod(0)
        (out.parent / "deep").chmod(0o500)
    if "name" in lines:
        Path(os.fsdecode(b"%s/\xff" % os.fsencode(out))).write_bytes(b"")
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
    if "look" in lines:
        files["seen.json"] = json.dumps(surroundings_of_the_machine()).encode()
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
    lines = behaviour.read_text().split() if behaviour.exists() else []
    end(lines)
    misbehave(lines, out, files)
    nodes = tree(files)
    outputs = {
        "firmware.fd": inputs["firmware"],
        "kernel.bin": inputs["kernel"],
        "initrd.bin": archive(nodes),
        "command-line.txt": COMMAND_LINE,
        "kernel-config.txt": (HERE / "kernel.config").read_bytes(),
        "guest-policy.json": Path(options["--policy"]).read_bytes(),
    }
    versions = [
        {"name": name, "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in sorted(inputs.items())
    ]
    outputs["sbom.json"] = json.dumps({"components": versions}).encode()
    if "unlisted" not in lines:
        listed = manifest(lock, nodes, outputs, recipe="toy/1")
        outputs["manifest.json"] = listed[:-1] if "cut" in lines else listed
    for name, raw in outputs.items():
        (out / name).write_bytes(raw)


if __name__ == "__main__":
    main(sys.argv[1:])

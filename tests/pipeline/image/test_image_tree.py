from __future__ import annotations

import shutil
import stat
import subprocess

import pytest

from pipeline.image.cpio import encode_cpio
from pipeline.image.tree import Device, Directory, File, Symlink, Tree, check_path
from tests.pipeline.image.newc import read_newc
from tests.pipeline.image.refusing import refused
from verifier.errors import ParseError

ONE = File(b"one", executable=False)


def tree(**links: str) -> Tree:
    made = Tree()
    made.add("usr/lib/x", ONE, what="test")
    for name, target in links.items():
        made.add(f"usr/{name}", Symlink(target), what="test")
    return made


@pytest.mark.parametrize(
    "path",
    ["a\nb", "../x", "a/../b", "/etc/passwd", "", "./", "a//b", "a\0b", "a b", "é", "a/.", "a\\b"],
)
def test_a_path_of_other_than_plain_characters_or_outside_is_refused(path: str) -> None:
    expected = "a path inside the tree, of plain characters"
    with refused(ParseError, "x 1, path", expected=expected, got=repr(path)):
        tree().add(path, ONE, what="x 1")


def test_plain_paths_are_taken() -> None:
    assert check_path("./usr/lib/libstdc++.so.6/", what="x") == "usr/lib/libstdc++.so.6"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("../../etc/passwd", "a target inside the tree"),
        ("../../../x", "a target inside the tree"),
        ("/etc/passwd", "a relative target"),
        ("gone", "a target that is there"),
        ("lib/../../../usr/lib/x", "a target inside the tree"),
    ],
)
def test_a_link_that_leaves_the_tree_or_leads_nowhere_is_refused(
    target: str, expected: str
) -> None:
    with refused(ParseError, "symbolic link usr/a", expected=expected, got=repr(target)):
        tree(a=target).finished()


def test_a_circle_of_links_is_refused() -> None:
    with refused(ParseError, "symbolic link usr/a", expected="a target", got="a circle of links"):
        tree(a="b", b="a").finished()


def test_links_inside_are_followed_through_merged_folders() -> None:
    nodes = tree(a="../lib/x", b="a").finished()
    assert nodes["lib"] == Symlink("usr/lib")
    assert list(nodes) == ["lib", "usr", "usr/a", "usr/b", "usr/lib", "usr/lib/x"]


def test_two_things_at_one_path_are_refused() -> None:
    made = tree()
    made.add("lib/x", ONE, what="again")  # the same place, the same content
    for node, got in (
        (File(b"two", executable=False), "another content"),
        (File(b"one", executable=True), "another content"),
        (Symlink("y"), "another kind of file"),
    ):
        with refused(ParseError, "late, usr/lib/x", expected="what is there already", got=got):
            made.add("lib/x", node, what="late")
    with refused(
        ParseError,
        "late, usr/lib/x",
        expected="what is there already",
        got="another kind of file",
    ):
        made.add("usr/lib/x/y", ONE, what="late")


def test_empty_folders_go_with_what_is_removed() -> None:
    made = tree()
    made.add("usr/share/a/b/c", ONE, what="test")
    made.remove(["usr/share/a/b/c"])
    assert made.files() == ("usr/lib/x",)
    assert "usr/share" not in made.finished()


def archive() -> bytes:
    made = tree(link="lib/x")
    made.add("usr/bin/run", File(b"#!", executable=True), what="test")
    made.add("dev/null", Device(1, 3, "0666"), what="test")
    made.add("dev/console", Device(5, 1, "0600"), what="test")
    made.add("proc", Directory(), what="test")
    return encode_cpio(made.finished())


def test_the_archive_is_read_by_another_reader() -> None:
    entries = {entry.name: entry for entry in read_newc(archive())}
    assert list(entries) == sorted(entries)
    assert len(archive()) % 512 == 0
    modes = {name: entry.fields["mode"] for name, entry in entries.items()}
    assert modes["usr/lib/x"] == stat.S_IFREG | 0o644
    assert modes["usr/bin/run"] == stat.S_IFREG | 0o755
    assert modes["usr"] == stat.S_IFDIR | 0o755
    assert modes["usr/link"] == stat.S_IFLNK | 0o777
    assert modes["dev/null"] == stat.S_IFCHR | 0o666
    assert modes["dev/console"] == stat.S_IFCHR | 0o600
    assert entries["usr/lib/x"].content == b"one"
    assert entries["usr/link"].content == b"lib/x"
    null = entries["dev/null"].fields
    assert (null["rdevmajor"], null["rdevminor"]) == (1, 3)
    for place, entry in enumerate(entries.values(), start=1):
        assert entry.fields["ino"] == place
        assert not any(entry.fields[name] for name in ("uid", "gid", "mtime", "check"))


def test_the_archive_is_read_by_cpio() -> None:
    if shutil.which("cpio") is None:
        pytest.skip("no cpio on this machine: apt-get install cpio")
    done = subprocess.run(
        ["cpio", "-t", "--quiet"], input=archive(), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [entry.name for entry in read_newc(archive())]

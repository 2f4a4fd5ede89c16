from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from log_server.errors import ConfigurationError, StorageError
from log_server.log_folder import create_log, open_log
from log_server.signer import (
    Ed25519Cosigner,
    Ed25519Signer,
    Mldsa44Signer,
    PrivateKey,
    generate_cosigners,
    generate_key,
    generate_signers,
    parse_private_key,
    read_cosigners,
    read_key,
    read_signers,
    sign_checkpoint,
)
from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint, open_checkpoint
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead
from verifier.tlog.note import NoteSignature, VerificationKey, parse_vkey
from verifier.tlog.timestamped_signature import verify_timestamped_signature

# golang.org/x/mod/sumdb/note, package documentation: this private key has this public key.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

CHECKPOINT = Checkpoint(origin="log.test/one", tree=TreeHead(0, EMPTY_ROOT), extensions=())


def _signer(name: str = "log.test/one", fill: int = 7) -> Ed25519Signer:
    return Ed25519Signer(name=name, seed=bytes([fill]) * 32)


def test_a_key_made_by_go() -> None:
    signer = parse_private_key(GO_PRIVATE)
    assert str(signer.key) == GO_PUBLIC
    assert signer.key == parse_vkey(GO_PUBLIC)
    assert signer.encode() == GO_PRIVATE


def test_generated_keys_are_private_and_differ(tmp_path: Path) -> None:
    one = generate_key(tmp_path / "one.key", name="log.test/one")
    two = generate_key(tmp_path / "two.key", name="log.test/one")
    assert one.key != two.key
    assert (tmp_path / "one.key").stat().st_mode & 0o777 == 0o600
    assert read_key(tmp_path / "one.key").key == one.key


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    generate_key(tmp_path / "log.key", name="log.test/one")
    with pytest.raises(StorageError) as caught:
        generate_key(tmp_path / "log.key", name="log.test/one")
    assert caught.value.got == "File exists"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    generate_key(tmp_path / "log.key", name="log.test/one")
    (tmp_path / "log.key").chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        read_key(tmp_path / "log.key")
    assert (caught.value.expected, caught.value.got) == ("mode 0600", f"mode {mode:04o}")


def test_a_link_is_not_a_key_file(tmp_path: Path) -> None:
    generate_key(tmp_path / "real.key", name="log.test/one")
    (tmp_path / "log.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(ConfigurationError) as caught:
        read_key(tmp_path / "log.key")
    assert caught.value.expected == "a regular file"


def test_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_key(tmp_path / "log.key")
    assert (caught.value.expected, caught.value.got) == ("a key file", "No such file or directory")


def _mutilated(text: str) -> dict[str, str]:
    head, _, _ = text.rpartition("+")
    return {
        "no prefix": text.removeprefix("PRIVATE+KEY+"),
        "no seed": head,
        "other key ID": text.replace("c74f20a3", "c74f20a4"),
        "short seed": f"{head}+AYEK",
        "stray bits": f"{text[:-1]}1",
        "other type": text.replace("+AYEK", "+BIEK"),
        "trailing space": f"{text} ",
        "empty": "",
    }


@pytest.mark.parametrize("case", _mutilated(GO_PRIVATE))
def test_a_malformed_private_key_is_refused_and_not_quoted(case: str) -> None:
    text = _mutilated(GO_PRIVATE)[case]
    with pytest.raises((ParseError, ConfigurationError)) as caught:
        parse_private_key(text)
    assert "FALVFGyNhP" not in str(caught.value)


def test_a_malformed_key_file_is_configuration(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\n")
    with pytest.raises(ConfigurationError) as caught:
        read_key(path)
    assert (caught.value.what, caught.value.expected) == ("key file", "UTF-8")
    assert os.fspath(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["", "has space", "has+plus", "line\nbreak"])
def test_names_that_no_note_can_carry(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _signer(name)
    assert caught.value.what == "name of the log"


def test_every_signer_signs() -> None:
    signers = (_signer(fill=1), _signer(fill=2))
    raw = sign_checkpoint(CHECKPOINT, signers)
    opened = open_checkpoint(raw, keys=tuple(signer.key for signer in signers))
    assert opened.keys == tuple(signer.key for signer in signers)
    assert opened.checkpoint == CHECKPOINT


class _FaultySigner:
    """Flips a bit in each signature, as a fault in memory would."""

    key: VerificationKey = _signer().key

    def sign(self, text: str) -> NoteSignature:
        right = _signer().sign(text)
        flipped = bytes([right.signature[0] ^ 1]) + right.signature[1:]
        return NoteSignature(name=right.name, key_id=right.key_id, signature=flipped)


def test_a_wrong_signature_is_never_given_out() -> None:
    with pytest.raises(VerificationError) as caught:
        sign_checkpoint(CHECKPOINT, (_FaultySigner(),))
    assert caught.value.got == "a signature that does not verify"


def _mldsa(name: str = "log.test/one", fill: int = 8) -> Mldsa44Signer:
    return Mldsa44Signer(name=name, seed=bytes([fill]) * 32)


def test_a_log_signs_with_both_algorithms() -> None:
    signers = (_signer(), _mldsa())
    raw = sign_checkpoint(CHECKPOINT, signers)
    for keys in ((signers[0].key,), (signers[1].key,), tuple(signer.key for signer in signers)):
        assert open_checkpoint(raw, keys=keys).keys == keys
    line = open_checkpoint(raw, keys=(signers[1].key,)).note.signatures[1]
    assert len(line.signature) == 8 + 2420
    assert line.signature[:8] == bytes(8)


def test_the_key_file_holds_both_keys(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    made = generate_signers(path, name="log.test/one", ml_dsa=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [signer.key.algorithm for signer in made] == [0x01, 0x06]
    assert [signer.key for signer in read_signers(path)] == [signer.key for signer in made]
    assert read_key(path).key == made[0].key


def test_the_keys_of_a_witness(tmp_path: Path) -> None:
    made = generate_cosigners(tmp_path / "both", name="wit.test/w", ml_dsa=True)
    assert [one.key.algorithm for one in made] == [0x04, 0x06]
    assert [one.key for one in read_cosigners(tmp_path / "both")] == [one.key for one in made]
    (only,) = generate_cosigners(tmp_path / "one", name="wit.test/w", ml_dsa=False)
    assert read_cosigners(tmp_path / "one")[0].key == only.key


def test_cosignatures_verify() -> None:
    text = encode_checkpoint(CHECKPOINT)
    for one in (Ed25519Cosigner(name="wit.test/w", seed=bytes(32)), _mldsa("wit.test/w")):
        line = one.cosign(text, timestamp=77)
        verified = verify_timestamped_signature(
            line, key=one.key, text=text, origin=CHECKPOINT.origin, tree=CHECKPOINT.tree
        )
        assert verified == 77


def _refused_file(tmp_path: Path, *keys: PrivateKey) -> ConfigurationError:
    path = tmp_path / "log.key"
    path.touch(mode=0o600)
    path.write_text("".join(f"{key.encode()}\n" for key in keys))
    with pytest.raises(ConfigurationError) as caught:
        read_signers(path)
    return caught.value


def test_a_log_key_file_with_other_keys(tmp_path: Path) -> None:
    cosigner = Ed25519Cosigner(name="log.test/one", seed=bytes(32))
    refused = _refused_file(tmp_path, cosigner)
    assert (refused.expected, refused.got) == ("a first key of type 0x01", "type 0x04")
    refused = _refused_file(tmp_path, _signer(), cosigner)
    assert (refused.expected, refused.got) == ("a second key of type 0x06", "type 0x04")
    refused = _refused_file(tmp_path, _signer(), _mldsa("log.test/two"))
    assert (refused.expected, refused.got) == ("one or two keys of one name", "2 keys of 2 names")
    refused = _refused_file(tmp_path, _signer(), _mldsa(), _mldsa(fill=9))
    assert refused.got == "3 keys of 1 names"


def test_a_witness_key_file_with_the_key_of_a_log(tmp_path: Path) -> None:
    generate_key(tmp_path / "log.key", name="log.test/one")
    with pytest.raises(ConfigurationError) as caught:
        read_cosigners(tmp_path / "log.key")
    assert (caught.value.expected, caught.value.got) == ("a first key of type 0x04", "type 0x01")


@pytest.mark.parametrize("text", ["", "log.test/one\n", "log.test/one\n01\nAAAA\n"])
def test_only_a_checkpoint_is_signed_with_mldsa(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        _mldsa().sign(text)
    assert "of the checkpoint" in caught.value.what


def test_a_log_with_both_keys_appends_and_opens_again(tmp_path: Path, now: datetime) -> None:
    root = tmp_path / "log"
    first = create_log(root, origin="log.test/both", now=now, ml_dsa=True)
    for number in range(2):
        with open_log(root) as log:
            assert [key.algorithm for key in log.keys] == [0x01, 0x06]
            assert log.keys[0] == first
            done = log.sequencer.commit([b"entry %d" % number], now=now)
            assert open_checkpoint(done.checkpoint, keys=log.keys).keys == log.keys
    raw = (root / "public" / "checkpoint").read_bytes()
    assert open_checkpoint(raw, keys=(first,)).tree.size == 2

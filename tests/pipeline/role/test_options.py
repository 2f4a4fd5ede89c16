"""Addresses and URLs on command lines."""

from __future__ import annotations

import click
import pytest

from pipeline.role.options import ADDRESS, URL, Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("host.example:65535", Address("host.example", 65535)),
        ("[::1]:443", Address("::1", 443)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert ADDRESS.convert(text, None, None) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["127.0.0.1", ":1", "x:", "x:65536", "x:01", "x:+1", "::1:443", "[]:1", "x:1 "]
)
def test_another_text_is_no_address(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ADDRESS.convert(text, None, None)


def test_a_url_is_kept_as_it_is() -> None:
    for text in ("http://127.0.0.1:80/", "https://gateway.example/a/b", "http://[::1]:1/"):
        assert URL.convert(text, None, None) == text


@pytest.mark.parametrize(
    "text",
    [
        *("ftp://x/", "x", "http://", "http://x:0/", "http://x:99999/", "http://x:y/"),
        *("http://u@x/", "http://x/?q=1", "http://x/#f", "http://[x/"),
    ],
)
def test_another_text_is_no_url(text: str) -> None:
    with pytest.raises(click.BadParameter):
        URL.convert(text, None, None)

"""A lab in memory: clients whose CVMs are the workload itself, and taps that note connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from tests.verifier.drive.probes.recorded import recording
from verifier.drive.lab import CVM_HOPS, HOPS, Lab
from verifier.drive.tap import Recording
from verifier.errors import VerificationError
from verifier.wire.service import ChatRequest, Message, RewriteRequest, SummaryRequest
from verifier.wire.workload.chat import START, ChatState, chat
from verifier.wire.workload.rewrite import rewrite
from verifier.wire.workload.summary import summarise

Choose = Callable[[str, int], int]
"""Which CVM a client of an address gets in its session of a number."""


@dataclass
class MemoryTap:
    """Has recordings, as a tap."""

    seen: list[Recording] = field(default_factory=list)

    def recordings(self) -> tuple[Recording, ...]:
        return tuple(self.seen)


@dataclass
class World:
    """Two CVMs behind taps. ``keeps``: what one session was told, the next knows."""

    choose: Choose = lambda _source, number: number % 2
    keeps: bool = False
    survives: bool = False
    refuses: bool = False
    sessions: int = 0
    kept: list[ChatState] = field(default_factory=lambda: [START, START])
    restarted: list[int] = field(default_factory=list)
    taps: dict[str, MemoryTap] = field(default_factory=lambda: {hop: MemoryTap() for hop in HOPS})

    def restart(self, number: int) -> None:
        self.restarted.append(number)
        if not self.survives:
            self.kept[number] = START

    def _client(self, *, source: str = "127.0.0.1", account: int = 0) -> MemoryClient:
        return MemoryClient(self, source, account)

    def lab(self, *, watched: bool = True) -> Lab:
        nothing: Any = None
        taps: Any = self.taps if watched else {}
        make: Any = self._client
        return Lab(
            entry=b"",
            policy=nothing,
            now=datetime(2026, 11, 21, tzinfo=UTC),
            accounts=2,
            new_client=make,
            fetch_keys=nothing,
            taps=taps,
            roles=(),
            consoles=tuple,
            restart_cvm=self.restart if watched else None,
            secrets_of_roles=None,
        )


@dataclass
class MemoryClient:
    """Opens sessions as an attested client does, and answers from the workload."""

    world: World
    source: str
    account: int
    cvm: int | None = None
    state: ChatState = START
    opened: int = 0

    def connect(self) -> None:
        if self.world.refuses:
            raise VerificationError("session", expected="VERIFIED", got="FAILED")
        if self.cvm is None:
            self.cvm = self.world.choose(self.source, self.opened)
            self.opened += 1
            self.world.sessions += 1
            self.state = self.world.kept[self.cvm] if self.world.keeps else START
            self.world.taps[CVM_HOPS[self.cvm]].seen.append(recording(b"hello", b"hello"))

    def chat(self, turn: str, *, messages: Iterable[tuple[str, str]] = ()) -> str:
        self.connect()
        request = ChatRequest(tuple(Message(*each) for each in messages), turn)
        self.state, reply = chat(self.state, request)
        if self.cvm is not None:
            self.world.kept[self.cvm] = self.state
        return reply

    def summarise(
        self, messages: Iterable[tuple[str, str]], *, sentences: int = 3
    ) -> tuple[str, ...]:
        self.connect()
        request = SummaryRequest(tuple(Message(*each) for each in messages), sentences)
        return summarise(request)

    def rewrite(self, text: str, *, style: str) -> tuple[str, ...]:
        self.connect()
        return rewrite(RewriteRequest(text, style))

    def close(self) -> None:
        self.cvm = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

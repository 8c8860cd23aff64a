"""A light BGP speaker: a thousand sessions in one thread, each from an address of its own.

It opens sessions, announces, withdraws and keeps alive; what routers send is read and thrown away. Unlike a real one it
chooses no routes and does not give up on a router that is silent (RFC 4271, 6.5): whether a session holds is the
router's doing. A session that is lost is opened again, and all is announced again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.routers.bgp_messages import HEADER, KEEPALIVE, OPEN, message, open_message, takes_several_paths

AT_ONCE = 16
"""Sessions that are opened at a time: routers let few connections wait (FRR 3, BIRD 8)."""

RETRY = 0.5
PATIENCE = 60.0
"""Seconds until a router must have answered an OPEN: one that is busy takes long."""

CHUNK = 1 << 16
SLICES = 30
"""Parts of a keepalive's period, in each of which a part of the sessions is kept alive."""


class Session(NamedTuple):
    """Where a session is opened from, where to, and what is announced in it: whole messages."""

    address: str
    router: str
    port: int
    routes: Sequence[bytes]


class _Open:
    """A session's state."""

    def __init__(self, told: Session) -> None:
        self.told = told
        self.writer: asyncio.StreamWriter | None = None
        self.announced = False
        self.task: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()

    async def write(self, chunks: Iterable[bytes]) -> None:
        """Write whole messages as fast as the router takes them; one call after the other."""
        async with self.lock:
            for chunk in chunks:
                if self.writer is None:
                    return
                self.writer.write(chunk)
                await self.writer.drain()


class Speaker:
    """Sessions of one AS, run in a thread of their own: a context.

    Timers are the seconds from keepalive to keepalive and of the hold time. `over` is how many seconds it takes to open
    the sessions, one after the other.
    """

    def __init__(
        self, asn: int, sessions: Iterable[Session], timers: tuple[int, int] = (3, 9), over: float = 0.0
    ) -> None:
        self.asn = asn
        self.over = over
        self.lost = 0
        """Sessions that ended without being asked to."""
        self._keepalive, self._hold = timers
        self._sessions = [_Open(session) for session in sessions]
        self._ending: set[_Open] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self) -> None:
        """Begin to open all sessions; each announces as soon as it is up."""
        self._run(self._begin())

    @property
    def announced(self) -> int:
        """Sessions that are up and have announced all."""
        return sum(session.announced for session in self._sessions)

    def send(self, chunks: Sequence[bytes], timeout: float) -> None:
        """Send whole messages in every session. Raises TimeoutError where routers do not take them."""
        self._run(self._send([chunks] * len(self._sessions)), timeout)

    def send_each(self, chunks: Sequence[Sequence[bytes]], timeout: float) -> None:
        """Send whole messages, others in each session. Raises TimeoutError where routers do not take them."""
        self._run(self._send(chunks), timeout)

    def die(self, index: int) -> None:
        """End a session as the kernel does for a process that is killed, and do not open it again."""
        self._run(self._die(self._sessions[index]))

    def _run(self, work: Coroutine[Any, Any, None], timeout: float | None = None) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _begin(self) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        for index, session in enumerate(self._sessions):
            wait = self.over * index / len(self._sessions)
            session.task = asyncio.create_task(self._hold_open(session, gate, wait))
        self._alive = asyncio.create_task(self._keep_alive())

    async def _hold_open(self, session: _Open, gate: asyncio.Semaphore, wait: float) -> None:
        """Open a session, as often as it is lost."""
        await asyncio.sleep(wait)
        while True:
            try:
                # `wait_for` could miss that the task is cancelled before Python 3.12.
                async with gate, asyncio.timeout(PATIENCE):
                    reader = await self._establish(session)
                # What is read comes from the router: nothing of it matters but its end.
                reading = asyncio.create_task(_read_away(reader))
                try:
                    await session.write(session.told.routes)
                    session.announced = True
                    await reading
                finally:
                    reading.cancel()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                # Refused, reset or too late: as good as closed.
                pass
            finally:
                session.announced = False
                if session.writer is not None:
                    self.lost += session not in self._ending
                    session.writer.transport.abort()
                    session.writer = None
            await asyncio.sleep(RETRY)

    async def _establish(self, session: _Open) -> asyncio.StreamReader:
        """Connect, and go through the states of RFC 4271, 8 to Established."""
        told = session.told
        reader, writer = await asyncio.open_connection(told.router, told.port, local_addr=(told.address, 0))
        try:
            writer.write(open_message(self.asn, self._hold, told.address))
            kind, opened = await _message(reader)
            if kind != OPEN or not takes_several_paths(opened):
                raise ConnectionRefusedError(f"{told.router} does not take several paths a route")
            writer.write(message(KEEPALIVE))
            while kind != KEEPALIVE:
                kind, _ = await _message(reader)
        except BaseException:
            writer.transport.abort()
            raise
        session.writer = writer
        return reader

    async def _keep_alive(self) -> None:
        """A KEEPALIVE in each session once a period, not in all at the same time."""
        alive, part = message(KEEPALIVE), 0
        while True:
            await asyncio.sleep(self._keepalive / SLICES)
            part = (part + 1) % SLICES
            for session in self._sessions[part::SLICES]:
                if session.writer is not None:
                    session.writer.write(alive)

    async def _send(self, chunks: Sequence[Sequence[bytes]]) -> None:
        await asyncio.gather(*(s.write(part) for s, part in zip(self._sessions, chunks, strict=True)))

    async def _die(self, session: _Open) -> None:
        self._ending.add(session)
        if session.task is not None:
            session.task.cancel()
            await asyncio.gather(session.task, return_exceptions=True)

    async def _close(self) -> None:
        for session in self._sessions:
            await self._die(session)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def chunks(messages: Iterable[bytes]) -> list[bytes]:
    """Messages put together to pieces that are worth a call."""
    made, some, size = [], [], 0
    for each in messages:
        some.append(each)
        size += len(each)
        if size >= CHUNK:
            made.append(b"".join(some))
            some, size = [], 0
    return [*made, b"".join(some)] if some else made


async def _message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readexactly(HEADER)
    return head[-1], await reader.readexactly(int.from_bytes(head[16:18], "big") - HEADER)


async def _read_away(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK):
        pass

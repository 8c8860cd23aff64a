"""Lets the nodes reach the API server: what connects to a node's own loopback address is passed on."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress

CHUNK = 1 << 16


class Relay:
    """Passes connections to these sockets on to an address, in a thread of its own."""

    def __init__(self, sockets: Iterable[socket.socket], address: str, port: int) -> None:
        self._sockets, self._target = list(sockets), (address, port)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and cut all connections."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        servers = [await asyncio.start_server(self._pass_on, sock=each) for each in self._sockets]
        await self._stop.wait()
        for server in servers:
            server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # Where all of them are cut, what their callbacks make of a task that was cancelled is an error.
            with suppress(OSError, asyncio.CancelledError):
                there, back = await asyncio.open_connection(*self._target)
                await asyncio.gather(copy(reader, back), copy(there, writer))
        finally:
            writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end; what comes the other way is over then too."""
    try:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()

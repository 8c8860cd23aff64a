"""What routers are asked through: the unix sockets of `vtysh` and `birdc`, without a process for each question."""

from __future__ import annotations

import re
import socket
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tests.lab.processes import LabError

PATIENCE = 30.0
"""Seconds until an answer must be there: a daemon that is busy with paths answers between two batches of them."""


class RouterSocket(ABC):
    """A connection that is kept from question to question; threads take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, command: str) -> str:
        """What the router prints. Raises LabError where it is away, takes too long, or does not know the command."""
        with self._lock:
            end = time.monotonic() + PATIENCE
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX)
                    self._socket.settimeout(PATIENCE)
                    self._socket.connect(str(self.path))
                    self._greet(end)
                return self._exchange(command, end)
            except OSError as error:
                # What is left of an answer would be taken for that to the next question.
                self._close()
                raise LabError(f"{self.path}: no answer to {command!r}: {error!r}") from error

    def close(self) -> None:
        """Give the connection up; the next question opens another."""
        with self._lock:
            self._close()

    def __del__(self) -> None:
        # Most routers end with all other processes, and nobody says so here.
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(data)

    def _receive(self, end: float) -> bytes:
        assert self._socket is not None
        self._socket.settimeout(max(0.001, end - time.monotonic()))
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("closed by the router")
        return data

    @abstractmethod
    def _greet(self, end: float) -> None:
        """What comes before the first question."""

    @abstractmethod
    def _exchange(self, command: str, end: float) -> str:
        """One question and its answer."""


class Vty(RouterSocket):
    """FRR's: a command ends with NUL, its answer with three NULs and a status, of which 0 is success."""

    def _greet(self, end: float) -> None:
        self._exchange("enable", end)

    def _exchange(self, command: str, end: float) -> str:
        self._send(command.encode() + b"\0")
        parts = [self._receive(end)]
        tail = parts[0][-4:]
        while tail[:-1] != b"\0\0\0":
            parts.append(self._receive(end))
            tail = (tail + parts[-1])[-4:]
        text = b"".join(parts)[:-4].decode()
        if tail[-1]:
            raise LabError(f"{self.path}: status {tail[-1]} for {command!r}: {text.strip()}")
        return text


class BirdControl(RouterSocket):
    """BIRD's: lines with a code of four digits, a space behind that of the last; lines of the same code begin with a
    space, lines that nobody asked for with a plus."""

    LAST = re.compile(rb"(?:^|\n)(\d)\d{3} [^\n]*\n\Z")
    NOT_FOUND = ("8001 ", "8003 ")
    """No such network, no such protocol: an empty answer."""

    def _greet(self, end: float) -> None:
        self._read(end)

    def _exchange(self, command: str, end: float) -> str:
        self._send(command.encode() + b"\n")
        lines = self._read(end).splitlines()
        if lines[-1][0] in "89" and not lines[-1].startswith(self.NOT_FOUND):
            raise LabError(f"{self.path}: {lines[-1]!r} for {command!r}")
        plain = (line[1:] if line[0] == " " else line[5:] for line in lines if line and line[0] != "+")
        return "".join(f"{line}\n" for line in plain)

    def _read(self, end: float) -> str:
        data = b""
        while not self.LAST.search(data[-400:]):
            data += self._receive(end)
        return data.decode()

"""Processes that end with this one, even where it is killed, and whose output is in files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# What they store is thrown away, so nothing is lost where one is cut short.
PATIENCE = 1.0
TAIL = 4000


class LabError(Exception):
    """The laboratory does not work; the message holds the end of the log that tells why."""


class Processes:
    """Named processes in one process group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # The other end of its standard input closes when this process ends, however it ends. A signal on the parent's
        # death would do as well, were it not sent at the end of the thread that happened to start the process.
        guard = ["/bin/sh", "-c", "read _; kill -s KILL 0"]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, process_group=0)

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start a process; its output is added to `<name>.log`."""
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
                process_group=self._guard.pid,
            )

    def log(self, name: str) -> Path:
        """The file with a process's output."""
        return self.folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """The end of a process's output."""
        return self.log(name).read_bytes()[-TAIL:].decode(errors="replace") if self.log(name).exists() else ""

    def check(self) -> None:
        """Fail if a process has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise LabError(f"{name} ended with {process.returncode}; the end of its log:\n{self.tail(name)}")

    def pid(self, name: str) -> int:
        """The process's id."""
        return self._running[name].pid

    def ended(self, name: str) -> bool:
        """Whether a process has ended by itself."""
        process = self._running.get(name)
        return process is not None and process.poll() is not None

    def kill(self, name: str) -> None:
        """End a process at once."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def stop(self, name: str) -> None:
        """Ask a process to end, and end it where it does not."""
        process = self._running.pop(name, None)
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End them all, the last started first, and those that do not end by force."""
        for process in reversed(self._running.values()):
            process.terminate()
        end = time.monotonic() + PATIENCE
        for process in reversed(self._running.values()):
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

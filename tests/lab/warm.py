"""Commands in processes of their own that are forked when everything is imported: real ones, and soon at work.

`python -m tests.lab.warm` reads a line (arguments, the files for stdout and stderr, the seconds in which a speaker has
written the state of its sessions) for each command and writes two: its process id, and how it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

PERIOD = 0.4
"""Seconds after which a speaker that is played has written the state of its sessions; OpenELB takes 30."""

Command = tuple[list[str], str, str, float]


class Ended(NamedTuple):
    """How a command ended: the exit code (negative: that signal), stdout and stderr."""

    code: int
    out: str
    err: str


class Running:
    """A command that runs; `kill` and `interrupt` may come from any thread."""

    def __init__(self, server: subprocess.Popen[bytes], pid: int, out: Path, err: Path) -> None:
        self._server, self.pid, self._out, self._err = server, pid, out, err

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def stderr(self) -> str:
        """What it has said so far."""
        return self._err.read_text()

    def wait(self) -> Ended:
        """Wait until it ends."""
        return Ended(answer(self._server), self._out.read_text(), self._err.read_text())


def answer(server: subprocess.Popen[bytes]) -> int:
    assert server.stdout is not None
    return int(server.stdout.readline())


@cache
def server() -> subprocess.Popen[bytes]:
    """The process that starts them; it ends when its stdin closes, as it does when this process ends."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab.warm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def start(folder: Path, *arguments: str, period: float = PERIOD) -> Running:
    """Start a command; one at a time."""
    out, err = folder / "stdout", folder / "stderr"
    command: Command = list(arguments), str(out), str(err), period
    out.write_bytes(b"")
    err.write_bytes(b"")
    at_work = server()
    assert at_work.stdin is not None
    at_work.stdin.write(msgspec.json.encode(command) + b"\n")
    at_work.stdin.flush()
    return Running(at_work, answer(at_work), out, err)


def serve() -> None:
    """Start commands until stdin ends."""
    from kubernetes import client, config

    from optimizer.cli import main as cli
    from optimizer.kube import client as live
    from optimizer.placements import live as optimize_live
    from optimizer.reports import plan as report_plan
    from optimizer.reports import text as report
    from optimizer.rollout import apply
    from optimizer.rollout import dry_run as preview
    from optimizer.speakers.openelb import OpenELB

    assert all((client, config, apply, live, optimize_live, preview, report, report_plan))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin.buffer:
        *command, period = msgspec.json.decode(line, type=Command)
        OpenELB.report_period = period
        pid = os.fork()
        if pid == 0:
            become(cli.main, *command)
        print(pid, flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def become(main: Callable[[], object], arguments: list[str], out: str, err: str) -> NoReturn:
    """Be the command, and end with it."""
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags), number)
    sys.argv = ["bgp-speakers", *arguments]
    main()
    sys.exit(0)


if __name__ == "__main__":
    serve()

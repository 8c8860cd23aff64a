"""What a command reports on stderr while it works."""

from __future__ import annotations

import threading
import time

import click


def tell(what: object) -> None:
    """Print one sentence to stderr."""
    click.echo(str(what), err=True)


class Progress:
    """Reports on stderr what is going on: everything with -v, otherwise once a second, from the first second on."""

    def __init__(self, verbose: bool) -> None:
        self.verbose, self.start, self.shown, self.latest = verbose, time.monotonic(), 0.0, ""
        # A step may take long without a word: then the one that goes on after a second is shown.
        self.timer = threading.Timer(1.0, self.tell)
        self.timer.daemon = True

    def __enter__(self) -> Progress:
        if not self.verbose:
            self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()

    def __call__(self, what: object) -> None:
        """Report one step."""
        self.latest = str(what)
        if self.verbose or time.monotonic() - max(self.start, self.shown) > 1:
            self.tell()

    def tell(self) -> None:
        """Print the latest step."""
        self.shown = time.monotonic()
        tell(f"{self.shown - self.start:6.1f} s  {self.latest}")

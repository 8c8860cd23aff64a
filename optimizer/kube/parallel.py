"""Many requests at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
THREADS = 16
"""The most at a time."""


def in_parallel(rule: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`rule` of each item, in their order, THREADS at a time.

    The first error is raised when what is under way has ended, and nothing more is begun. Ctrl-C is raised at once.
    """
    todo: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    for each in enumerate(items):
        todo.put(each)
    number, stopped = todo.qsize(), threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                index, item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, rule(item), None))
            except BaseException as error:
                # Here, not where it is raised: that thread may be a while in coming.
                stopped.set()
                done.put((index, None, error))

    # Daemons: one that still waits for an answer does not keep the process from ending.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(THREADS, number))]
    results: dict[int, Any] = {}
    try:
        for thread in threads:
            thread.start()
        for _ in range(number):
            index, result, error = done.get()
            if error is not None:
                for thread in threads:
                    thread.join()
                raise error
            results[index] = result
    finally:
        stopped.set()
    return [results[index] for index in range(number)]

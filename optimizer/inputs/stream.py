"""Objects one after another, as `kubectl get --watch` prints them: of an object's states the newest counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw, Struct

from ..errors import InputError
from ..kube.item import Item, decode
from ..kube.objects import Answer, Head, Version, Versioned
from .notes import Notes
from .text import Text

NEXT = re.compile(rb"\n(?=\{)")
EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")


class State(Struct, frozen=True, gc=False):
    """An object as it was at some turn of the text, and the type of the event, if it was one. A list is one turn."""

    item: Item
    turn: int
    event: str = ""

    @property
    def gone(self) -> bool:
        """Whether the object was deleted."""
        return self.event == "DELETED"


def split(text: Text) -> list[Raw] | None:
    """JSON objects of which each starts on a line of its own; None where the text is anything else.

    >>> [bytes(each) for each in split(b'{"a": 1}\\n{"a":\\n 2}') or ()]
    [b'{"a": 1}', b'{"a":\\n 2}']
    """
    found: list[Raw] = []
    start = 0
    for end in [*(match.end() for match in NEXT.finditer(text)), len(text)]:
        try:
            found.append(msgspec.json.decode(text[start:end], type=Raw))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        start = end
    return found


def event_of(head: Head) -> str:
    """The type of the event that an object without a kind is, as --output-watch-events prints them; "" for none."""
    given = bytes(head.type).decode(errors="replace").strip('"')
    return given if given in EVENTS and bytes(head.object)[:1] == b"{" else ""


def failure(content: Raw, position: str) -> str:
    """The message of a Status with which a server reports a failure; "" for one of success."""
    answer: Answer = decode(content, Answer, position)
    return answer.message or "no reason is given" if answer.status == "Failure" else ""


def newest(states: Iterable[State], in_order: bool, notes: Notes) -> Iterator[Item]:
    """Each object as it was last, in the order in which they first appeared; what was deleted last is left out.

    Where nothing says which of two states is newer, it is the later one if the text is `in_order` or they are events;
    else both are given, and so are two of one turn, and two of one version that are not alike.
    """
    latest: dict[tuple[str, str, str], list[State]] = {}
    several: dict[tuple[str, str, str], str] = {}
    for state in states:
        key = state.item.kind, state.item.namespace, state.item.name
        known = latest.setdefault(key, [])
        if not known or known[-1].turn == state.turn:
            known.append(state)
            continue
        alike = state.gone == known[-1].gone and state.item.content == known[-1].item.content
        if alike:
            known[-1] = state
            continue
        order = compare(known[-1], state)
        if (order is None and not (in_order or state.event)) or of_one_version(known[-1], state):
            known.append(state)
            continue
        several[key] = state.item.title
        if order is None or order >= 0:
            latest[key] = [state]
    notes.versions += several.values()
    for known in latest.values():
        yield from (state.item for state in known if not state.gone)


def compare(first: State, second: State) -> int | None:
    """How much newer the second state is, by the resourceVersions; None where they do not say."""
    one, two = (version_of(state.item).resource_version or "" for state in (first, second))
    if all(each.isascii() and each.isdigit() and len(each) <= 40 for each in (one, two)):
        return int(two) - int(one)
    return None if one == two == "" else 0


def of_one_version(first: State, second: State) -> bool:
    """Whether both are there, and of the same resourceVersion."""
    one, two = (version_of(state.item).resource_version for state in (first, second))
    return bool(one) and one == two and not first.gone and not second.gone


def version_of(item: Item) -> Version:
    """The object's uid and resourceVersion. Raises InputError."""
    found: Versioned = decode(item.content, Versioned, item.place)
    return found.metadata or Version()


def check_event(event: str, head: Head, position: str) -> None:
    """Raise InputError for the event with which a server ends a watch that has failed."""
    if event == "ERROR":
        told = failure(head.object, position) or "no reason is given"
        raise InputError(f"{position}: the watch ended with an error: {told}")

"""YAML lists of objects in the form in which kubectl prints them, item by item, over ten times as fast as any YAML.

Only what can have but one meaning is taken: a line for each key and each item, values that are plain, quoted on one
line, empty ({} and []) or literal blocks, in ASCII. Everything else is left to `strict_yaml`, an item at a time or as a
whole, so what comes out is always what comes out there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from msgspec import Struct

from ..errors import InputError
from .strict_yaml import StrictLoader, load
from .text import Text

HEAD = re.compile(rb"(?:---\n)?(?:\w+: [\w./]+\n)*items:\n(?=- )")
TAIL = re.compile(rb"\n((?:\w+: [\w./]+\n|metadata: \{\}\n|metadata:\n(?:  \w+: \"\d*\"\n)+)*)\Z")
LONGEST_TAIL = 4096
OTHER = re.compile(rb"\n(?:[^ \n-]|-[^ ])")
"""A line that neither starts an item nor continues one."""

BREAK = re.compile(rb"\n(?=- )")
UNUSUAL = re.compile(r"[^\n -~]")
KEY = r"[\w./](?:[^ :#]|:(?=[^ ]))*"
PLAIN = r"(?:[\w./(]|-(?=[\w./]))(?:[^ :#]|(?<=[^ ])#|:(?=[^ ])| (?=[^ #]))*"
SINGLE, DOUBLE = r"'(?:[^']|'')*'", r'"(?:[^"\\]|\\[\\"nrt])*"'
LINE = re.compile(rf"( *)((?:- )*)(?:({KEY}|{SINGLE}|{DOUBLE}):(?: (?=.)|\Z))?(.*)", re.ASCII)
SCALAR = re.compile(rf"{PLAIN}|{SINGLE}|{DOUBLE}", re.ASCII)
INTEGER = re.compile(r"-?(?:0|[1-9]\d{,17})", re.ASCII)
WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
EMPTY = {"{}": dict, "[]": list}
LITERALS = {"|": "\n", "|-": ""}

LONGEST_KEY = 500
"""In characters; YAML's own limit is 1,024."""

DEEPEST = 100
"""Columns before the key or value of a line, far below the levels that `strict_yaml` takes."""

REMEMBERED, SHORT = 100_000, 200
"""Lines that are kept taken apart, and the characters up to which: most lines of a node are lines of other nodes too,
but long ones are not."""


class Below(Struct, frozen=True):
    """A value on the lines below: a collection, or a literal block that ends with `end`."""

    end: str | None = None


COLLECTION = Below()
Line = tuple[int, int, str | None, Any, bool]
"""Indentation, dashes, key, value (`dict` or `list` for an empty one), and whether it is simply a key with a value."""


class DoubtError(Exception):
    """The text is not in the form that is taken here."""


def split(
    text: Text, name: str, slow: Callable[[], None] = lambda: None
) -> tuple[dict[str, Any], Iterator[Any]] | None:
    """A list without its items, and the items one by one; None where the text is not such a list.

    The items raise InputError naming `name` and the line; `slow` is called before the text is read as a whole anyway.
    """
    head = HEAD.match(text)
    tail = TAIL.search(bytes(text[-LONGEST_TAIL:]))
    if head is None or tail is None:
        return None
    end = len(text) - len(tail[0])
    if end <= head.end() or OTHER.search(text, head.end(), end):
        return None
    frame = head[0].removeprefix(b"---\n").replace(b"items:\n", b"items: []\n") + tail[1]
    try:
        outer = parse(frame.decode().rstrip("\n"), {})
    except DoubtError:
        return None
    return outer, items(text, head.end(), end, name, slow)


def items(text: Text, start: int, end: int, name: str, slow: Callable[[], None]) -> Iterator[Any]:
    """The items between these positions."""
    known: dict[str, Line] = {}
    number = 0
    while start < end:
        found = BREAK.search(text, start, end)
        stop = found.start() if found else end
        try:
            item = one_item(bytes(text[start:stop]), name, known)
        except (DoubtError, InputError, UnicodeError, RecursionError):
            # Only the text as a whole can tell, such as of an alias or of quotes that reach into the next item.
            slow()
            documents = load(bytes(text), name)
            if len(documents) > 1:
                raise InputError(f"{name}: documents are parted by line breaks that are no newlines") from None
            yield from documents[0]["items"][number:]
            return
        yield item
        start, number = stop + 1, number + 1


def one_item(chunk: bytes, name: str, known: dict[str, Line]) -> Any:
    """The item in the lines from one dash to the next. Raises DoubtError where they do not tell alone."""
    try:
        found = parse(chunk.decode("ascii"), known)
    except (DoubtError, UnicodeError):
        alone = b"items:\n" + chunk + b"\n"
        if b"&" in chunk and has_anchors(alone):
            raise DoubtError from None  # so that what aliases may unfold to is counted over the whole text
        documents = load(alone, name)
        # A line break that is no newline may start something else inside of the item.
        if len(documents) != 1 or documents[0].keys() != {"items"}:
            raise DoubtError from None
        found = documents[0]["items"]
    if len(found) != 1:
        raise DoubtError
    return found[0]


def has_anchors(text: bytes) -> bool:
    """Whether there are anchors, or it is no YAML."""
    try:
        return any(getattr(event, "anchor", None) for event in yaml.parse(text, Loader=StrictLoader))
    except yaml.YAMLError:
        return True


def parse(text: str, known: dict[str, Line]) -> Any:
    """The value of a text without its last line end; `known` keeps lines taken apart. Raises DoubtError.

    >>> parse("a:\\n- b: 1\\n  c: {}\\n- '2'", {})
    {'a': [{'b': 1, 'c': {}}, '2']}
    """
    if UNUSUAL.search(text):
        raise DoubtError
    root: list[Any] = [None]
    current: Any = root
    # Where the collection that starts with the next line belongs: a column, and the place in what is there.
    waiting: tuple[int, Any, Any] | None = (-1, root, 0)
    # The collections that are open, from the outermost, each with its column.
    opened: list[tuple[int, Any]] = []
    lines, at = text.split("\n"), 0
    end = len(lines)
    field = -1  # the column in which the next line, if it is a key there, is simply a key more
    while at < end:
        column, dashes, key, value, single = known.get(lines[at]) or take_apart(lines[at], known)
        at += 1
        if column == field and single:
            if key in current:
                raise DoubtError
            current[key] = value
            continue
        if waiting is not None:
            above, holder, place = waiting
            if column < above or (column == above and not dashes):
                raise DoubtError  # no value at all
            waiting = None
            holder[place] = current = [] if dashes else {}
            opened.append((column, current))
        else:
            while opened and opened[-1][0] > column:
                opened.pop()
            # A sequence may stand in the column of its key, and ends with the next key.
            if opened and not dashes and opened[-1][0] == column and type(opened[-1][1]) is list:
                opened.pop()
            if not opened or opened[-1][0] != column or (type(opened[-1][1]) is list) != (dashes > 0):
                raise DoubtError
            current = opened[-1][1]
        for depth in range(1, dashes + (key is not None) if dashes else 0):
            inner: Any = [] if depth < dashes else {}
            column += 2
            current.append(inner)
            opened.append((column, inner))
            current = inner
        if type(value) is Below:
            if value.end is not None:
                value, at = literal(lines, at, column, value.end)
            else:
                waiting, value = (column, current, key), None
        elif value is dict or value is list:
            value = value()
        if key is None:
            current.append(value)
        elif key in current:
            raise DoubtError
        else:
            current[key] = value
        field = column if key is not None and waiting is None else -1
    if waiting is not None:
        raise DoubtError
    return root[0]


def take_apart(line: str, known: dict[str, Line]) -> Line:
    """The parts of a line, which are put to those `known`. Raises DoubtError."""
    match = LINE.fullmatch(line)
    if match is None:
        raise DoubtError
    spaces, dashes, key, rest = match.groups()
    name = None if key is None else scalar(key)
    if not (dashes if key is None else isinstance(name, str)):
        raise DoubtError
    if match.start(3 if key else 4) > DEEPEST or len(key or "") > LONGEST_KEY:
        raise DoubtError
    if rest in EMPTY:
        value: Any = EMPTY[rest]
    elif rest in LITERALS:
        value = Below(LITERALS[rest])
    else:
        value = scalar(rest) if rest or name is None else COLLECTION
    if len(known) >= REMEMBERED:
        known.clear()
    single = not dashes and type(value) is not Below and value is not dict and value is not list
    parts = len(spaces), len(dashes) // 2, name, value, single
    if len(line) <= SHORT:
        known[line] = parts
    return parts


def scalar(text: str) -> Any:
    """The value of a plain or quoted scalar. Raises DoubtError."""
    if not SCALAR.fullmatch(text):
        raise DoubtError
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text[0] == '"':
        return json.loads(text)
    if text in WORDS:
        return WORDS[text]
    resolvers = StrictLoader.yaml_implicit_resolvers
    if any(pattern.match(text) for first in (text[0], None) for _, pattern in resolvers.get(first, ())):
        if INTEGER.fullmatch(text):
            return int(text)
        raise DoubtError
    return text


def literal(lines: list[str], at: int, column: int, end: str) -> tuple[str, int]:
    """The text of a literal block that starts at a line, and the line after it. Raises DoubtError."""
    first = lines[at] if at < len(lines) else ""
    indent = len(first) - len(first.lstrip(" "))
    if indent <= column or first.isspace():
        raise DoubtError
    margin, start = " " * indent, at
    while at < len(lines) and (not lines[at] or lines[at].startswith(margin)):
        if lines[at].isspace():
            raise DoubtError
        at += 1
    return "\n".join(line[indent:] for line in lines[start:at]).rstrip("\n") + end, at

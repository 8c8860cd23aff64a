"""Wording that messages and reports share: numbers with their noun, lists that end early, the nearest known word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence


def plural(number: int, noun: str) -> str:
    """A number with its noun.

    >>> plural(1, "session"), plural(2, "session"), plural(2, "policy")
    ('1 session', '2 sessions', '2 policies')
    """
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith(("cy", "ry", "ty")) else f"{number} {noun}s"


def are(number: int) -> str:
    """The verb after so many.

    >>> are(1), are(2)
    ('is', 'are')
    """
    return "is" if number == 1 else "are"


def rack_named(rack: str) -> str:
    """A rack in a sentence; "" stands for the nodes in none.

    >>> rack_named("r1"), rack_named("")
    ('rack r1', 'nodes in no rack')
    """
    return f"rack {rack}" if rack else "nodes in no rack"


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` names, and how many more there are.

    >>> listed(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def nearest(word: str, known: Iterable[str]) -> str:
    """A question for the nearest known word, or the list of the known ones.

    >>> nearest("suvive", ["peering", "survive"])
    "did you mean 'survive'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(word)[:100], names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {listed(names, 20)}"


TYPES = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a decimal number",
    "str": "text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "bytes": "text",
}
"""What msgspec calls a value, and what people do."""


def explain(message: str) -> str:
    """msgspec's sentence in plain English, with the field in front.

    >>> explain("Expected `int | null`, got `str` - at `$.a.b`")
    'a.b: expected a whole number, found text'
    >>> explain("Expected `array` of length 2, got 1"), explain("Object missing required field `name` - at `$[0]`")
    ('expected a list of length 2, found 1', '[0]: the field name is missing')
    >>> explain("JSON is malformed: invalid character (byte 3)")
    'JSON is malformed: invalid character (byte 3)'
    """
    problem, _, path = message.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if missing := re.fullmatch("Object missing required field `(.*)`", problem):
        sentence = f"the field {missing[1]} is missing"
    elif mismatch := re.fullmatch("Expected `([^`]+)`(.*), got `?([^`]*)`?", problem):
        found = "decimal" if mismatch[3] == "float" else mismatch[3]
        sentence = f"expected {kinds(mismatch[1])}{mismatch[2].replace('`', '')}, found {kinds(found)}"
    else:
        sentence = re.sub("^Expected `([^`]+)`", lambda each: f"expected {kinds(each[1])}", problem).replace("`", "")
    if not sentence[1:2].isupper():  # as in JSON
        sentence = sentence[:1].lower() + sentence[1:]
    return f"{field}: {sentence}" if field else sentence


def kinds(given: str) -> str:
    """Kinds of values, as people call them; that a value may be left out as well goes without saying.

    >>> kinds("int | float | str"), kinds("array | null"), kinds("null"), kinds("3")
    ('a number or text', 'a list', 'null', '3')
    """
    names = given.split(" | ")
    if "float" in names and "int" in names:
        names.remove("int")
    known = dict.fromkeys(TYPES.get(name, name) for name in names if name != "null" or len(names) == 1)
    return " or ".join(known)

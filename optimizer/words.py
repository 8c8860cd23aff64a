"""Wording that messages and reports share: numbers with their noun, lists that end early, the nearest known word."""

from __future__ import annotations

import difflib
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


def explain(message: str) -> str:
    """msgspec's sentence with the field in front and without backticks.

    >>> explain("Expected `int`, got `str` - at `$.a.b`")
    'a.b: expected int, got str'
    >>> explain("JSON is malformed: invalid character (byte 3)")
    'JSON is malformed: invalid character (byte 3)'
    """
    problem, _, path = message.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    sentence = problem.replace("`", "")
    if not sentence[1:2].isupper():  # as in JSON
        sentence = sentence[:1].lower() + sentence[1:]
    return f"{field}: {sentence}" if field else sentence

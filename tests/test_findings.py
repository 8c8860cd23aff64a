"""The names of findings are known, used, and on the page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import optimizer
from optimizer.findings import RULES

PACKAGE = Path(optimizer.__file__).parent


def names_in_code() -> Iterator[str]:
    """The literal names with which findings are made."""
    makers = {"Finding", "finding"}
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in makers:
                first = call.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
                    yield first.value


def test_every_name_is_known_and_used() -> None:
    assert set(names_in_code()) == set(RULES)


def test_the_page_lists_every_name() -> None:
    page = (PACKAGE / "reports" / "README.md").read_text().partition("## Findings")[2]
    rows = [
        tuple(part.strip() for part in line.split("|")[1:3]) for line in page.splitlines() if line.startswith("| `")
    ]
    assert rows == [(f"`{name}`", meaning) for name, meaning in RULES.items()]

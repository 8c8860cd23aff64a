"""CSV files of attachments, and the names in attachments wherever they are listed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import InputError
from ..kube.names import is_dns_subdomain
from .text import read_text, to_utf8


def read_attachments(path: Path) -> tuple[tuple[str, str], ...]:
    """(node, router) pairs of a CSV file with the columns node,router; a header line is optional."""
    pairs: list[tuple[str, str]] = []
    lines: list[int] = []
    known: dict[str, str] = {}  # a name that occurs often is held once
    try:
        reader = csv.reader(io.StringIO(bytes(to_utf8(read_text(path), str(path))).decode(), newline=""), strict=True)
        for row in reader:
            cells = [known.setdefault(cell, cell) for cell in map(str.strip, row)]
            if len(cells) == 2 and all(cells):
                pairs.append((cells[0], cells[1]))
                lines.append(reader.line_num)
            elif any(cells):
                raise InputError(f"{path}: line {reader.line_num} must hold a node and a router, two names")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except csv.Error as error:
        raise InputError(f"{path}: not valid CSV ({error})") from None
    header = tuple(cell.lower() for cell in pairs[0]) if pairs else ()
    if header in (("node", "router"), ("router", "node")):
        del pairs[0], lines[0]
    if header == ("router", "node"):
        pairs = [(node, router) for router, node in pairs]
    if not pairs:
        raise InputError(f"{path}: holds no attachment")
    check_pairs(pairs, lambda index: f"{path}: line {lines[index]}")
    return tuple(pairs)


def check_text(text: str, what: str) -> None:
    """Raise InputError unless `text` can be shown, on one line."""
    if not text.strip() or not text.isprintable():
        raise InputError(f"{what} must be printable text, not {text!r}")


def check_node_name(name: str, place: str) -> None:
    """Raise InputError for what cannot be the name of a node."""
    if not is_dns_subdomain(name):
        raise InputError(f"{place}: {name!r} cannot be the name of a node")


def check_pairs(pairs: Iterable[tuple[str, str]], place: Callable[[int], str]) -> None:
    """Raise InputError where a node or a router cannot have its name; `place` names the pair of an index."""
    nodes, routers = set(), set()
    for index, (node, router) in enumerate(pairs):
        if node not in nodes:
            check_node_name(node, place(index))
            nodes.add(node)
        if router not in routers:
            check_text(router, f"{place(index)}: the router")
            routers.add(router)

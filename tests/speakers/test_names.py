"""What is OpenELB's own is named in its folder only."""

from __future__ import annotations

import re
from pathlib import Path

import optimizer

PACKAGE = Path(optimizer.__file__).parent
OWN = (
    *("openelb", "kubesphere", "(?-i:BgpPeer)", "(?-i:BgpConf)", r"\bEip\b", "bgppeers", "bgpconfs"),
    *("neighborAddress", "peerAs", "asPerRack", "nodesPeerStatus", "peerState", "(?-i:sessionState)"),
    *("RACK_LABEL", "PARKED_ADDRESS", r"192\.0\.2\.1\b"),
)
"""Its group, kinds, fields, labels, annotation, DaemonSet and parked address."""

NAMED = re.compile("|".join(OWN), re.IGNORECASE)
HELP = ("cli/",)
"""Where its name, kinds and DaemonSet may stand in texts for people."""

BY_NAME = ("speakers/__init__.py",)
"""Where the product itself is named, and nothing of what is in it."""


def names(path: Path) -> list[str]:
    """The lines of a file that name something of OpenELB's."""
    lines = enumerate(path.read_text().splitlines(), 1)
    return [f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}" for number, line in lines if NAMED.search(line)]


def test_only_the_folder_of_openelb_names_what_is_its_own() -> None:
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".sh"))
    found = []
    for path in files:
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith(("speakers/openelb/", *HELP)):
            continue
        found += [line for line in names(path) if place not in BY_NAME or NAMED.search(by_name_only(line))]
    assert found == []


def by_name_only(line: str) -> str:
    """A line without the product's name."""
    return re.sub("openelb", "", line, flags=re.IGNORECASE)


def test_what_is_looked_for_is_found_where_it_belongs() -> None:
    text = "".join(path.read_text() for path in sorted((PACKAGE / "speakers" / "openelb").glob("*.py")))
    assert [each for each in OWN if not re.search(each, text, re.IGNORECASE)] == [r"\bEip\b"]

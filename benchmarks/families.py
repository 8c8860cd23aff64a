"""The families by name, and the instance of a cell. The same arguments give the same cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import irregular, orlib, regular
from benchmarks.instance import Cell, Family, Instance

FAMILIES: Mapping[str, Family] = {
    "single-tor": regular.single_tor,
    "dual-tor": regular.dual_tor,
    "spine": regular.spine,
    "feeds": regular.feeds,
    "cloud-8": regular.cloud_8,
    "cloud-128": regular.cloud_128,
    "irregular": irregular.irregular,
    "nearly-full": irregular.nearly_full,
    "changed": irregular.changed,
    "changed-irregular": irregular.changed_irregular,
}


def instance(cell: Cell) -> Instance:
    """The instance that the cell names."""
    if cell.path is not None:
        return orlib.read(Path(cell.path), cell.k)
    return FAMILIES[cell.family](cell.size, cell.peering, cell.seed)

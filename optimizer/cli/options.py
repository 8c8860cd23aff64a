"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..speakers import NAMES, product_named

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Command], Command]


class NamedPath(click.Path):
    """A path, which must have a name: `Path("")` would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


FILE = NamedPath(path_type=Path, dir_okay=False)
FOLDER = NamedPath(path_type=Path, file_okay=False)
# What cannot be read is the reader's to say; the type is for the shell's completion.
ANY = NamedPath(path_type=str, allow_dash=True, readable=False)
INPUTS = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=ANY)
PLACEMENT = click.argument("placement", type=FILE)
PRODUCT = click.option(
    "--product",
    type=click.Choice(NAMES),
    callback=lambda ctx, option, value: product_named(value).name if value else "",
    is_eager=True,  # so that one which is not supported yet is the first thing to be said
    help="Whose speakers they are [as the objects say, else openelb].",
)
VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Show every step, and lists in full.")
FORMAT = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What stdout gets.",
)
STYLE = click.option(
    "--style",
    type=click.Choice(["node-selector", "affinity", "taints"]),
    default="node-selector",
    show_default=True,
    help="How to restrict the DaemonSet to the chosen nodes; all styles label these nodes.",
)


def options(*given: Option[Command]) -> Option[Command]:
    """Several options as one decorator, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(given):
            command = option(command)
        return command

    return decorate

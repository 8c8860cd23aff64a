"""The page of the command line names every command, every option with its default, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from optimizer.cli.main import main

PAGE = (Path(__file__).parents[2] / "optimizer" / "cli" / "README.md").read_text()
SECTIONS = dict(re.findall(r"^## bgp-speakers (\w+)[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = sorted(main.commands)


def rows(command: str) -> dict[str, str]:
    """The default of each option by its names, as the table has them."""
    found = re.findall(r"^\| `(-[^`]*)` \| (.*?) \|", SECTIONS[command], re.MULTILINE)
    return {
        named.partition("--")[0] + "--" + re.split(r"[ ]", named.partition("--")[2])[0]: told for named, told in found
    }


def test_every_command_has_a_section() -> None:
    assert sorted(SECTIONS) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_table_has_the_options_of_the_command_in_their_order(command: str) -> None:
    options = [each for each in main.commands[command].params if isinstance(each, click.Option)]
    assert list(rows(command)) == [", ".join(each.opts) for each in options]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_defaults_are_those_of_the_command(command: str) -> None:
    told = rows(command)
    for each in main.commands[command].params:
        if isinstance(each, click.Option):
            default = told[", ".join(each.opts)].strip("`")
            if each.is_flag:
                assert default == "off"
            elif each.required:
                assert default == "required"
            elif each.show_default:
                assert default == f"{each.default}".removesuffix(".0")
            elif hint := re.search(r" \[([^\]\d]\S[^\]]*|\d+)\]\.?$", each.help or ""):
                assert default == hint[1].replace("PLACEMENT with .rollback.json", "PLACEMENT with `.rollback.json")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_heading_has_the_arguments(command: str) -> None:
    arguments = [each for each in main.commands[command].params if isinstance(each, click.Argument)]
    usage = " ".join(each.metavar or str(each.name).upper() for each in arguments)
    assert f"\n## bgp-speakers {command} {usage}\n" in PAGE

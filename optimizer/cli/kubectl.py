"""The command as a plugin of kubectl: `kubectl bgp-speakers`, and the completion that kubectl asks for."""

from __future__ import annotations

import sys

import click

NO_FILES, ONLY_FOLDERS, FILES = 4, 16, 0
"""What the shell is to complete besides: kubectl's directives (those of Go's package cobra), after a last colon."""


def plugin() -> None:
    """`kubectl-bgp_speakers`: the command under the name that kubectl's users type."""
    from .main import main

    main(prog_name="kubectl bgp-speakers")


def complete() -> None:
    """`kubectl_complete-bgp_speakers`: kubectl gives the words after its own name, the last one to be completed."""
    click.echo("\n".join(completions(sys.argv[1:])))


def completions(words: list[str]) -> list[str]:
    """Candidates, each with its help after a tab, and the directive.

    >>> completions(["optimize", "--mode", "l"])
    ['layer2', ':4']
    """
    from click.shell_completion import ShellComplete

    from .main import main

    *before, word = words or [""]
    found = ShellComplete(main, {}, "kubectl bgp-speakers", "").get_completions(before, word)
    kinds = {each.type for each in found}
    directive = FILES if "file" in kinds else ONLY_FOLDERS if "dir" in kinds else NO_FILES
    shown = [f"{each.value}\t{each.help}" if each.help else str(each.value) for each in found if each.type == "plain"]
    return [*shown, f":{directive}"]

"""The command `bgp-speakers`: its commands in one group, and errors as one sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import __version__
from ..errors import OptimizerError
from .export import export, verify
from .live import apply, plan, rollback
from .optimize import optimize
from .schema import schema


class Group(click.Group):
    """Turns the package's errors into one sentence on stderr and the exit code of the contract."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line, and end the process."""
        if sys.stdout is None:  # closed, so that all answers would be lost without a word
            click.echo("bgp-speakers: the output cannot be written (stdout is closed)", err=True)
            sys.exit(1)
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            click.echo(f"bgp-speakers: the output cannot be written ({error.strerror})", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OptimizerError as error:
            click.echo(f"bgp-speakers: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 118},
    epilog="Example: kubectl get nodes,pods,daemonsets,bgppeers,bgpconfs -A -o json | bgp-speakers optimize -",
)
@click.version_option(__version__)
def main() -> None:
    """The fewest BGP sessions that keep every router redundant: computed, proved, verified, exported as patches.

    INPUT is a file or folder of Kubernetes objects (JSON or YAML, as kubectl prints them), or - for stdin.
    """


for command in (optimize, verify, export, plan, apply, rollback, schema):
    main.add_command(command)

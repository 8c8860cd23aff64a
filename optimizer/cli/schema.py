"""The command that prints a file format as JSON Schema."""

from __future__ import annotations

import click

from ..inputs.schema import KINDS, schema_text


@click.command(epilog="Example: bgp-speakers schema topology")
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema of a file format, for editors and other tools."""
    click.echo(schema_text(kind), nl=False)

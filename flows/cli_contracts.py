"""`tunegate contract`: to and from the Open Data Contract Standard."""

from pathlib import Path

import click


@click.group()
def contract() -> None:
    """Contracts to and from the Open Data Contract Standard (`pip install tunegate[odcs]`)."""


@contract.command("export")
@click.argument("use_case")
def export_contract(use_case: str) -> None:
    """Print a use case's contract as ODCS YAML."""
    from data_contracts.load import load
    from tasks.curate.odcs import export

    click.echo(export(load(use_case).contract), nl=False)


@contract.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def import_contract(file: str) -> None:
    """Print an ODCS file as contract.yaml, for a person to review."""
    from data_contracts.load import dump
    from tasks.curate.odcs import from_odcs

    click.echo(dump(from_odcs(Path(file).read_bytes().decode(errors="replace"))), nl=False)

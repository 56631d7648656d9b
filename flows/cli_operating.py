"""Commands for the weeks after a verdict: watch, adopt, promote, rollback, monitor, audit, forget."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

USE_CASE = click.argument("use_case")
JSON = click.option(
    "as_json", "--json", is_flag=True, help="One JSON object on standard output, and nothing else there."
)
BY = click.option("--by", metavar="NAME", help="Who does it; the user of this machine unless given.")
REASON = click.option("--reason", default="", metavar="TEXT", help="Why, for whoever asks later.")


@click.command()
@click.argument("use_case", required=False)
@JSON
def watch(use_case: str | None, as_json: bool) -> None:
    """Look once at the base models under all champions, or one: what changed, what retires, what replaces it."""
    from flows import watching

    _say(watching.watch(use_case), watching.show, as_json)


@click.command()
@USE_CASE
@click.argument("model_id")
@click.option("--base-model", default="", metavar="MODEL", help="What it was tuned on; read off its name unless given.")
@click.option("--prompt", default="", metavar="NAME", help="Prompt it is asked with; `prompts.minimal` unless given.")
@click.option("--endpoint", default="", metavar="NAME", help="Where it answers; `provider` unless given.")
@click.option("--yes", is_flag=True, help="Approve the cost of its answers, within the use case's budget.")
@BY
@REASON
@JSON
def adopt(use_case: str, model_id: str, as_json: bool, **choices: Any) -> None:  # noqa: ANN401 - click's options
    """Take an existing tune in as champion, its training data unknown, and record its answers while it runs."""
    from flows import adopting

    _say(adopting.adopt(use_case, model_id, adopting.Choices(**choices)), adopting.show, as_json)


@click.command()
@USE_CASE
@click.argument("version", type=int, required=False)
@BY
@REASON
@JSON
def promote(use_case: str, version: int | None, by: str | None, reason: str, as_json: bool) -> None:
    """Make a registered version champion: the challenger unless one is given. A reason goes on record."""
    from flows import moving

    _say(moving.promote(use_case, version, by, reason), moving.show, as_json)


@click.command()
@USE_CASE
@click.argument("version", type=int, required=False)
@BY
@REASON
@JSON
def rollback(use_case: str, version: int | None, by: str | None, reason: str, as_json: bool) -> None:
    """Move the champion back to the one before, or to a version that was champion once."""
    from flows import moving

    _say(moving.rollback(use_case, version, by, reason), moving.show, as_json)


@click.command()
@USE_CASE
@JSON
def monitor(use_case: str, as_json: bool) -> None:
    """Hold what production says about the champion against its test figures: healthy, degrade or roll back."""
    from flows import monitoring

    _say(monitoring.monitor(use_case), monitoring.show, as_json)


@click.command()
@USE_CASE
@JSON
def audit(use_case: str, as_json: bool) -> None:
    """Print the chain from the champion to its data and check every hash of it again."""
    from flows import auditing

    found = auditing.audit(use_case)
    _say(found, auditing.show, as_json)
    if auditing.problems(found):
        sys.exit(1)


@click.command()
@USE_CASE
@click.option("--id", "ids", multiple=True, metavar="ID", required=True, help="Id of a row; may be given again.")
@BY
@REASON
@JSON
def forget(use_case: str, ids: Sequence[str], by: str | None, reason: str, as_json: bool) -> None:
    """Delete rows of a data subject wherever they are, keep them out of later trials, and list who learnt from them."""
    from flows import forgetting

    _say(forgetting.forget(use_case, ids, by, reason), forgetting.show, as_json)


COMMANDS = (watch, adopt, promote, rollback, monitor, audit, forget)


def _say(content: dict[str, Any], show: Callable[[dict[str, Any]], None], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        show(content)

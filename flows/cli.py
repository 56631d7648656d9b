"""The `tunegate` command. Nothing heavy is imported before a command needs it: `--help` answers at once."""

import json
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from flows.cli_contracts import contract
from flows.cli_operating import COMMANDS
from tasks.errors import ConfigurationError, ResumableError, TunegateError

USE_CASE = click.argument("use_case")
SET = click.option("settings", "--set", multiple=True, metavar="a.b=c", help="Change a value of the use-case file.")
JSON = click.option(
    "as_json", "--json", is_flag=True, help="One JSON object on standard output, and nothing else there."
)
YES = click.option(
    "--yes", is_flag=True, help="Approve the cost, within the budget; `resume`: the verdict, where it stands."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tunegate")
def cli() -> None:
    """A fine-tuned model ships only when it beats your best prompt on data that neither has seen.

    USE_CASE is a name under deployments/ or the path of a use-case file.
    """


@cli.command()
@USE_CASE
@SET
@click.option("--no-train", is_flag=True, help="Compare champion and prompts only; nothing is trained.")
@YES
@JSON
def run(use_case: str, settings: Sequence[str], no_train: bool, yes: bool, as_json: bool) -> None:
    """Run the whole trial: curate, partition, tune, compare, register the winner."""
    from data_contracts.load import load
    from data_contracts.trial import TrialOptions

    chosen = _settings(settings)
    case = load(use_case, chosen)
    approved = _approved(case.use_case, yes)
    _trial(
        use_case,
        TrialOptions(train=not no_train, approve_spending=approved, settings=chosen),
        as_json,
        tag=case.use_case.name,
    )


@cli.command()
@click.argument("run")
@click.option("--found", metavar="JOB", help="A parked submission: this job at the provider is ours.")
@click.option("--absent", is_flag=True, help="A parked submission: there is no such job at the provider.")
@YES
@JSON
def resume(run: str, found: str | None, absent: bool, yes: bool, as_json: bool) -> None:
    """Go on where a run stopped; what was paid is never paid again."""
    from data_contracts.trial import TrialOptions
    from tasks.workspace import resumable

    if found and absent:
        raise click.UsageError("--found and --absent answer the same question; give one.")
    space = resumable(run)
    if found or absent:
        from flows.commands import settle

        settle(space, found)
    approved = _approved(space.case.use_case, yes)
    name = space.case.use_case.name
    seen = approved and space.folder.has("verdict.json")
    _trial(name, TrialOptions(resume=run, approve_spending=approved, approve_promotion=seen), as_json, tag=name)


@cli.command()
@USE_CASE
@SET
@JSON
def check(use_case: str, settings: Sequence[str], as_json: bool) -> None:
    """Curate, validate, partition, look for leaks; nothing leaves the machine unless leakage.semantic is set."""
    from flows import commands

    _say("check", commands.check(use_case, _settings(settings)), as_json)


@cli.command()
@USE_CASE
@SET
@click.option("--no-train", is_flag=True, help="As for `run --no-train`.")
@JSON
def estimate(use_case: str, settings: Sequence[str], no_train: bool, as_json: bool) -> None:
    """Tokens, price, and the difference that this test set can show; nothing is sent."""
    from flows import commands

    _say("estimate", commands.estimate(use_case, _settings(settings), train=not no_train), as_json)


@cli.command()
@JSON
def status(as_json: bool) -> None:
    """The ledger: champions, runs, what they bought and spent, and how to go on with those that stopped."""
    from flows import commands

    _say("status", commands.status(), as_json)


@cli.command()
@click.argument("run")
@JSON
def verify(run: str, as_json: bool) -> None:
    """Hash a run's files again and check both sums: records in, and curated rows by partition."""
    from flows import commands

    finding = commands.verify(run)
    _say("verify", finding, as_json)
    if finding["problems"]:
        sys.exit(1)


@cli.command()
@click.argument("run")
@JSON
def purge(run: str, as_json: bool) -> None:
    """Delete what the provider still holds of a run: uploaded files, the tuned model, its deployment."""
    from flows import commands

    _say("purge", commands.purge(run), as_json)


@cli.command()
@click.argument("name")
def new(name: str) -> None:
    """Scaffold a use case: contract, prompts, sample rows and the use-case file, ready for `tunegate check`."""
    from flows.scaffold import scaffold

    for path in scaffold(name):
        click.echo(f"wrote {path}")
    click.echo(f"\nPut your rows in place of the samples, then: tunegate check {name}")


@cli.command()
@click.argument("use_case", required=False)
@JSON
def doctor(use_case: str | None, as_json: bool) -> None:
    """Look for what is known to break: versions, servers, storage, provider, permissions; each finding with its fix."""
    from flows.doctor import examine

    finding = examine(use_case)
    _say("doctor", finding, as_json)
    if any(item["state"] == "broken" for item in finding["findings"]):
        sys.exit(1)


@cli.command()
@click.option("--port", type=int, default=0, help="Port of the Prefect UI; 0 takes a free one.")
def up(port: int) -> None:
    """Start Prefect, MLflow, the embedded provider and the deployments on loopback; Ctrl-C stops them."""
    from flows.up import up as start

    start(port)


@cli.command()
@click.option("--faults", type=click.Path(exists=True, dir_okay=False), help="Rules of what goes wrong, YAML or JSON.")
@click.option("--settings", type=click.Path(exists=True, dir_okay=False), help="Its speed, limits and prices.")
@click.option("--port", type=int, default=0, help="0 takes a free port.")
def provider(faults: str | None, settings: str | None, port: int) -> None:
    """Run the embedded provider in the foreground. It is no language model; it logs each request as a JSON line."""
    from flows.up import provider as start

    start(faults, settings, port)


for command in (contract, *COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Entry point: every error raised on purpose is one sentence on standard error and its own exit code."""
    try:
        cli(standalone_mode=False)
    except TunegateError as error:
        _fail(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted. What was paid is kept: `tunegate status` says how to go on.", 130)


def _trial(use_case: str, options: Any, as_json: bool, tag: str) -> None:  # noqa: ANN401 - TrialOptions, imported late
    from flows.display import log_to_terminal
    from flows.environment import prefect_reachable, prepare

    prepare()
    from prefect import tags

    from flows.trial import trial
    from tasks.run_folder import last_claimed

    log_to_terminal()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with prefect_reachable(), tags("tunegate", tag):
            result = trial(use_case, options)
    except (_ToldToEnd, KeyboardInterrupt) as told:
        code = ResumableError.exit_code if isinstance(told, _ToldToEnd) else 130
        _fail(*_last_words(last_claimed(), code))
    except TunegateError as error:
        _fail(_why_stopped(error, last_claimed()), error.exit_code)
    _say("verdict", result.model_dump(), as_json)


class _ToldToEnd(BaseException):
    """SIGTERM. No Exception, so that nothing on the way takes it for a failure of its own."""


def _terminate(_signal: int, _frame: object) -> None:
    raise _ToldToEnd


def _last_words(run: str | None, code: int) -> tuple[str, int]:
    """What became of the run that was interrupted, and its exit code, as the ledger has them; else `code`."""
    from tasks.ledger import Ledger

    known = Ledger().run(run) if run else None
    if known is None or known.state != "stopped":
        return "Interrupted. What was paid is kept: `tunegate status` says how to go on.", code
    return str(known.detail["message"]), int(known.detail.get("exit_code", code))


def _why_stopped(error: TunegateError, run: str | None) -> str:
    from tasks.steps.cancellation import still_billed

    go_on = f"Go on with: tunegate resume {run}" if run and isinstance(error, ResumableError) else ""
    return "\n".join(filter(None, (str(error), go_on, still_billed(run) if run else "")))


def _approved(case: Any, yes: bool) -> bool:  # noqa: ANN401 - UseCase, imported late
    if yes and not case.budget.command_line_may_approve:
        click.echo(f"--yes does not count: {case.name} wants its approval in the Prefect UI.", err=True)
        return False
    return yes


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`a.b=c` pairs; values are read as YAML, so numbers, lists and `true` are what they look like."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    chosen = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--set {pair}", "is not a.b=c", "Write --set split.test=0.3.")
        try:
            chosen[name] = YAML(typ="safe", pure=True).load(value) if value else ""
        except YAMLError as error:
            raise ConfigurationError(
                f"--set {pair}", "its value is not YAML", "Quote it: --set 'a.b=\"[\"'."
            ) from error
    return chosen


def _say(what: str, content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        from flows import display

        getattr(display, what)(content)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)

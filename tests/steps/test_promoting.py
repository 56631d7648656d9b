"""Who has to say yes to a verdict before the champion changes, and to what exactly."""

import getpass
from pathlib import Path
from typing import Any

import pytest

from data_contracts.candidate import Candidate, Prompt
from data_contracts.consent import Consent
from data_contracts.contest import Verdict
from data_contracts.trial import TrialRef
from tasks.ledger import Ledger
from tasks.run_folder import TamperedFileError
from tasks.steps import promoting
from tasks.steps.promoting import VerdictApprovalRequiredError
from tasks.workspace import FoundChampion, Workspace
from tests.small_use_case import small_use_case
from tests.stepwise import begin

PROMPT = Candidate(name="best-prompt", kind="prompt", model="base", base_model="base", prompt=Prompt(name="described"))
TUNE = Candidate(name="tune-minimal", kind="tune", model="ft:1", base_model="base", prompt=Prompt(name="minimal"))
YES = Consent(answer="yes", by="Ada", by_kind="self-declared", note="worth it")


@pytest.fixture(autouse=True)
def home(own_home: Path) -> Path:
    return own_home


def decided(folder: Path, policy: str, decision: str = "promote", champion: bool = True, **said: Any) -> Workspace:
    """A run with its verdict, under a policy; `champion`: whether it found one."""
    space = begin(small_use_case(folder, approvals={"promotion": policy}))
    space.keep_champion(FoundChampion(PROMPT.model_copy(update={"name": "champion"}), 1) if champion else None)
    told = {"decision": decision, "winner": TUNE if decision == "promote" else PROMPT, "reference": "best-prompt"}
    verdict = {**told, "challenger": TUNE, "reasons": ["so it is"], "rules": [], "first_champion": not champion, **said}
    space.folder.write_json("verdict.json", Verdict.model_validate(verdict))
    return space


def trial_of(space: Workspace, **said: bool) -> TrialRef:
    run, folder = space.folder.run, str(space.folder.path)
    return TrialRef(
        run=run, started="", use_case="small", folder=folder, mlflow_run_id="", train=True, approved=False, **said
    )


@pytest.mark.parametrize(
    ("policy", "decision", "champion", "needed"),
    [
        ("none", "promote", True, False),
        ("deployed", "promote", True, True),
        ("always", "promote", True, True),
        ("deployed", "promote", False, True),
        ("always", "keep", True, False),
        ("deployed", "keep", False, False),
        ("always", "keep", False, True),
    ],
)
def test_a_yes_is_needed_where_the_policy_asks_and_the_champion_would_change(
    tmp_path: Path, policy: str, decision: str, champion: bool, needed: bool
) -> None:
    assert promoting.needs_yes(decided(tmp_path, policy, decision, champion)) is needed


def test_the_best_prompt_in_the_place_of_a_champion_that_answers_no_more_needs_a_yes(tmp_path: Path) -> None:
    assert promoting.needs_yes(decided(tmp_path, "deployed", "keep", first_champion=True))


def test_where_nobody_has_to_be_asked_nothing_is_on_record(tmp_path: Path) -> None:
    space = decided(tmp_path, "none")
    assert promoting.settle(space, trial_of(space), Ledger()).answer == "not asked"
    assert not space.folder.has("approval.json")


def test_at_the_command_line_whoever_runs_it_is_on_record_and_not_as_having_agreed(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "deployed"), Ledger()
    said = promoting.settle(space, trial_of(space), ledger)
    assert (said.answer, said.by, said.by_kind) == ("not asked", getpass.getuser(), "command line")
    assert ledger.approval(space.folder.run, "promotion", space.folder.manifest()["verdict.json"]) is None
    assert promoting.given(space) == said


def test_where_it_is_always_asked_the_command_line_needs_a_yes_of_its_own(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "always"), Ledger()
    with pytest.raises(VerdictApprovalRequiredError, match=f"tunegate resume {space.folder.run} --yes") as stopped:
        promoting.settle(space, trial_of(space), ledger)
    assert stopped.value.exit_code == 4
    assert promoting.settle(space, trial_of(space, promotion_approved=True), ledger).note == "--yes"


def test_where_only_prefect_may_approve_it_says_how_to_do_it_there(tmp_path: Path) -> None:
    space = begin(
        small_use_case(tmp_path, approvals={"promotion": "always"}, budget={"command_line_may_approve": False})
    )
    other = decided(tmp_path / "other", "always")
    space.folder.write_json("verdict.json", other.folder.read_json("verdict.json", Verdict))
    with pytest.raises(VerdictApprovalRequiredError, match="in Prefect"):
        promoting.settle(space, trial_of(space), Ledger())


def test_what_somebody_in_prefect_was_asked_takes_a_yes_at_the_command_line_too(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "deployed"), Ledger()
    asked = {promoting.ASKED: promoting.verdict_sha256(space)}
    ledger.record_run(space.folder.run, "small", "stopped", asked)
    with pytest.raises(VerdictApprovalRequiredError):
        promoting.settle(space, trial_of(space), ledger)


def test_an_answer_is_found_again_by_a_run_that_was_killed_after_it(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "always"), Ledger()
    promoting.record(space, ledger, YES)
    again = promoting.settle(Workspace(space.folder), trial_of(space), ledger)
    assert (again.answer, again.by, again.note) == ("yes", "Ada", "worth it")


def test_a_no_is_on_record_as_none(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "always"), Ledger()
    promoting.record(space, ledger, YES.model_copy(update={"answer": "no", "note": "too dear"}))
    said = promoting.settle(space, trial_of(space, promotion_approved=True), ledger)
    assert said.declined == "Ada: too dear"
    sha256 = promoting.verdict_sha256(space)
    assert ledger.approval(space.folder.run, "promotion", sha256) is None
    assert ledger.approval(space.folder.run, "promotion declined", sha256) is not None


def test_a_yes_to_what_is_no_longer_the_verdict_is_none(tmp_path: Path) -> None:
    space, ledger = decided(tmp_path, "always"), Ledger()
    promoting.record(space, ledger, YES)
    verdict = space.folder.read_json("verdict.json", Verdict)
    space.folder.write_json("verdict.json", verdict.model_copy(update={"winner": PROMPT}))
    assert promoting.given(space) is None
    with pytest.raises(VerdictApprovalRequiredError):
        promoting.settle(space, trial_of(space), ledger)


def test_a_verdict_that_somebody_changed_in_its_file_is_no_verdict(tmp_path: Path) -> None:
    space = decided(tmp_path, "always")
    promoting.record(space, Ledger(), YES)
    path = space.folder.file("verdict.json")
    path.write_bytes(path.read_bytes().replace(b"so it is", b"so it was"))
    with pytest.raises(TamperedFileError):
        promoting.settle(space, trial_of(space), Ledger())

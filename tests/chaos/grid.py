"""The grid: every call that a trial makes to its provider, times every fault that a provider was seen to commit.

Faults come from the embedded provider's own catalogue by name; here stands what a trial has to make of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.chaos.judge import Undisturbed, early_requests, endings, problems
from tests.chaos.person import DONE, RESUMABLE, Attempt, see_through
from tests.chaos.place import Place, make_place
from tests.chaos.processes import ROOT, Forks

CATALOGUE = ROOT / "tasks" / "providers" / "local" / "fault_catalogue.yaml"
CALLS = (
    *(
        "files.create",
        "files.list",
        "files.retrieve",
        "files.delete",
        "jobs.create",
        "jobs.list",
        "jobs.retrieve",
        "jobs.events",
    ),
    *("models.list", "prices.list", "chat.create"),
)
SIDE = ("jobs.events", "files.delete")  # a trial may end well without them
UNREPEATED = ("files.create", "jobs.create")
LASTING = (
    *("reset", "hang", "overloaded", "bare_429", "html", "cut_json", "null_body", "redirect_307", "no_key", "quota"),
    *("retry_after_300", "error_500_after"),
)
STOPS = (
    *("no_key", "forbidden", "quota", "balance", "spend_limit", "organization_spend_limit", "usage_limit"),
)  # a person has to do something: nothing is asked again
REFUSED = ("bad_request", "gone", "redirect_307", "redirect_308", "closed", "closed_404", "too_long", "model_404")
DEAD = ("cancelled_elsewhere", "training_fails", "validation_fails", "moderated")  # a new purchase is a person's choice
STUCK = ("stuck_validating", "stuck_queued", "stuck_running", "paused_elsewhere", "no_model")
BROKEN = ("file_error", "file_stays_uploaded", "model_vanishes")  # what was bought cannot be used, and is said to be so
OTHER_ANSWERS = (
    *("refusal", "content_filter", "cut_answer", "empty_answer", "null_answer", "no_choices", "not_json", "too_long"),
    *("other_model", "no_usage"),
)
PATIENT = ("retry_after_300", "stuck_validating", "stuck_queued", "stuck_running", "paused_elsewhere", "no_model")
ENGINE = "tasks.evaluate.engine.workers"
SHORT = {f"{ENGINE}.OUTAGE_S": 4, f"{ENGINE}.QUESTION_S": 6, f"{ENGINE}.MODEL_S": 3}


@dataclass(frozen=True)
class Cell:
    """One fault of one call. `lasts`: until a person mends it, which they do after the first stop."""

    call: str
    fault: str
    lasts: bool = False
    unlisted: int = 0  # so many lists of jobs do not show the new one

    @property
    def name(self) -> str:
        """Such as `jobs.create lost_answer`."""
        return " ".join(
            filter(
                None, (self.call, self.fault, "lasting" * self.lasts, f"unlisted {self.unlisted}" * (self.unlisted > 0))
            )
        )

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The provider's fault list."""
        hit = {"call": self.call, "times": None if self.lasts else 1, "happens": self.fault}
        unlisted = {"call": "jobs.list", "after": 1, "times": self.unlisted, "happens": "empty_list"}
        return [hit, unlisted] if self.unlisted else [hit]

    @property
    def first_stop(self) -> tuple[int, ...]:
        """Exit codes that the first start may end with."""
        if self.fault in STOPS:
            return (RESUMABLE, DONE) if self.call in SIDE else (RESUMABLE,)
        if (self.call, self.fault) == ("models.list", "empty_list"):
            return (2,)  # the use case names a model that is not offered
        if self.call in UNREPEATED and self.fault.startswith("redirect"):
            return (DONE, RESUMABLE)  # whoever redirects may have kept the request: it is looked for
        if (self.call, self.fault) == ("jobs.retrieve", "gone") or (
            self.call == "jobs.retrieve" and self.fault.startswith("redirect")
        ):
            return (DONE, 5)  # the first look only confirms the job's id: the job is looked for instead
        if self.fault in (*REFUSED, *DEAD):
            return (5, DONE) if self.call in SIDE or self.call == "chat.create" else (5,)
        if self.fault in STUCK:
            return (RESUMABLE,)
        return (DONE, RESUMABLE, *((5,) if self.fault in BROKEN else ()))

    @property
    def ends(self) -> tuple[int, ...]:
        """Exit codes that may be the last."""
        if self.fault in DEAD:
            return (5,)
        if self.fault in STUCK:
            return (RESUMABLE,)
        return (DONE, 5, RESUMABLE) if self.fault in BROKEN else (DONE,)


def cells() -> list[Cell]:
    """All of them, in the catalogue's order."""
    return [*_once(), *_lasting(), *_pairs()]


def _once() -> Iterator[Cell]:
    catalogue = YAML(typ="safe").load(CATALOGUE)
    for fault, about in catalogue.items():
        for call in CALLS:
            fits = any(fnmatchcase(call, pattern) for pattern in about["calls"])
            if fits and not (
                fault == "retry_after_300" and call == "chat.create"
            ):  # real minutes; tests/evaluate has it
                yield Cell(call, fault)


def _lasting() -> Iterator[Cell]:
    for fault in LASTING:
        for call in CALLS:
            if call not in SIDE and not (fault == "retry_after_300" and call == "chat.create"):
                yield Cell(call, fault, lasts=True)


def _pairs() -> Iterator[Cell]:
    """A lost answer to the paid request, and a list that does not show its job for a while, or ever."""
    for lost in ("lost_answer", "hang_after", "overloaded_after", "cut_body", "html", "killed_after"):
        for unlisted in (2, 1000):
            yield Cell("jobs.create", lost, unlisted=unlisted)


def try_cell(forks: Forks, folder: Path, use_case: Path, cell: Cell, expected: Undisturbed) -> tuple[list[str], Any]:
    """What is wrong with how a trial takes the fault (nothing: survived, or stopped rightly), and its course."""
    place = make_place(forks, folder, use_case, cell.rules)
    place.order = {"constants": SHORT}
    if cell.lasts or cell.fault in PATIENT:
        place.order["patient"] = True

    def mend() -> None:
        place.provider.kill()
        place.provider.set_faults([])

    course = see_through(place, [Attempt()], mend)
    found = endings(course, cell.first_stop, cell.ends)
    if course.exits[-1] == DONE:
        found += problems(place, course, expected, lenient=cell.fault in OTHER_ANSWERS)
    found += early_requests(place)
    found += _asked_in_vain(place, cell)
    place.close(keep=bool(found))
    return found, course


def _asked_in_vain(place: Place, cell: Cell) -> list[str]:
    """Requests after an answer that only a person can mend; those under way at once do not count."""
    if cell.fault not in STOPS or not cell.lasts or cell.call == "chat.create":
        return []
    hit = [line for line in place.provider.log(cell.call) if line["fault"] is not None]
    return [f"{len(hit)} requests to {cell.call} where the first said {cell.fault}"] if len(hit) > 1 else []

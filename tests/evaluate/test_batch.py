"""Answers by the file: asked once, found again, read whole or in part, and worth half the price."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from data_contracts.answers import StoredAnswer
from data_contracts.money import Price
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import Budget
from tasks.errors import AmbiguousAnswerError, BudgetError, ProviderRefusedError, ProviderUnavailableError
from tasks.evaluate.answer import Answer, Question, request_hash
from tasks.evaluate.batch import answer_in_batches
from tasks.ledger import Ledger
from tasks.providers.batches import Batches
from tasks.providers.dialects import dialects
from tasks.providers.openai_wire import OpenAIWire
from tasks.purse import AnswerMoney, Purse, Tariff
from tests.embedded import RunningServer, embedded_server
from tests.fake_clock import FakeClock
from tests.providers.local import support

QUICK = {"batch_seconds": {"validating": 0, "in_progress": 0, "finalizing": 0, "cancelling": 0}}
BASES = ("local-base-small", "local-base-large")


class Shelf:
    """An answer store in memory, the first answer stays."""

    def __init__(self) -> None:
        self.answers: dict[str, StoredAnswer] = {}

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        return {request: self.answers[request] for request in requests if request in self.answers}

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        self.answers = {answer.request: answer for answer in answers} | self.answers


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("provider"), settings=QUICK) as server:
        yield server


def faulty(folder: Path, *happens: Any, call: str = "batches.create") -> Any:
    rules = [{"call": call, "after": at, "happens": fault} for at, fault in enumerate(happens)]
    return embedded_server(folder / "provider", faults=rules, settings=QUICK)


def batches_at(server: RunningServer) -> Batches:
    settings, table = ProviderSettings(name="openai"), dialects()["openai"]
    return OpenAIWire(settings, server.url, "any", FakeClock(), table).batches()


def question(text: str, model: str = BASES[0], **more: Any) -> Question:
    asked = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, **more}
    body = json.dumps(asked).encode()
    return Question("best-prompt", model, text, body, request_hash("provider", body))


def questions(count: int, model: str = BASES[0]) -> list[Question]:
    return [question(f"hello {number}", model) for number in range(count)]


def ask(asked: Sequence[Question], server: RunningServer, shelf: Shelf | None = None) -> list[Answer]:
    return answer_in_batches(asked, batches_at(server), shelf or Shelf(), lambda done, of: None)


def bought(server: RunningServer) -> int:
    return sum(line["accepted"] for line in server.log("batches.create"))


def test_each_question_gets_its_own_answer_in_the_order_asked_and_its_latency_is_unknown(plain: RunningServer):
    shelf = Shelf()
    answers = ask(questions(12), plain, shelf)
    assert [(one.case, one.output) for one in answers] == [(f"hello {n}", f"hello {n}") for n in range(12)]
    assert all(one.prompt_tokens and one.completion_tokens and not one.stored for one in answers)
    assert all(math.isnan(one.latency_ms) for one in [*answers, *shelf.answers.values()])


def test_a_stored_answer_is_not_asked_again(plain: RunningServer):
    shelf, asked, before = Shelf(), questions(6, "local-base-large"), bought(plain)
    ask(asked, plain, shelf)
    again = ask(asked, plain, shelf)
    assert bought(plain) == before + 1
    assert all(one.stored for one in again)


def test_a_model_has_a_batch_of_its_own_and_the_rest_goes_into_a_further_one(plain: RunningServer):
    batches, before = batches_at(plain), bought(plain)
    batches.most_requests = 3
    asked = [*questions(4, BASES[0]), *questions(2, BASES[1])]
    answers = answer_in_batches(asked, batches, Shelf(), lambda done, of: None)
    assert [one.output for one in answers] == [one.case for one in asked]
    assert bought(plain) == before + 3


def test_the_same_body_asked_again_has_an_answer_of_its_own(plain: RunningServer):
    body = question("hello").body
    asked = [Question("tune", BASES[0], "case", body, request_hash("p", body, n), repeat=n) for n in range(3)]
    assert [(one.repeat, one.request) for one in ask(asked, plain)] == [(one.repeat, one.request) for one in asked]


def test_progress_counts_requests_up_to_all_of_them(plain: RunningServer):
    told: list[tuple[int, int]] = []
    answer_in_batches(questions(5), batches_at(plain), Shelf(), lambda done, of: told.append((done, of)))
    assert told[0] == (0, 5) and told[-1] == (5, 5)


def test_nothing_stays_at_the_provider_once_it_is_stored(plain: RunningServer):
    ask(questions(3), plain)
    assert not list((plain.state / "files").glob("*.content"))


OF_ANOTHER = {"kind": "fields", "set": {"input_file_id": "file-of-somebody-else"}}


LOST = ["lost_answer", *(pytest.param(one, marks=pytest.mark.slow) for one in ("error_500_after", "html", "cut_body"))]


@pytest.mark.parametrize("fault", [*LOST, OF_ANOTHER], ids=str)
def test_a_batch_whose_creation_gets_no_answer_is_found_and_not_bought_again(tmp_path: Path, fault: Any):
    with faulty(tmp_path, fault) as server:
        answers = ask(questions(4), server)
        assert bought(server) == 1
    assert [one.outcome for one in answers] == ["answered"] * 4


def test_a_batch_that_is_listed_late_is_waited_for(tmp_path: Path):
    rules = [
        {"call": "batches.create", "happens": "lost_answer"},
        {"call": "batches.list", "after": 1, "times": 3, "happens": "empty_list"},
    ]
    with embedded_server(tmp_path / "provider", faults=rules, settings=QUICK) as server:
        answers = ask(questions(2), server)
        assert bought(server) == 1
    assert [one.outcome for one in answers] == ["answered"] * 2


def test_a_batch_that_may_be_there_and_is_not_listed_stops_the_run_and_the_next_one_finds_it(tmp_path: Path):
    rules = [
        {"call": "batches.create", "happens": "lost_answer"},
        {"call": "batches.list", "times": 7, "happens": "empty_list"},
    ]
    with embedded_server(tmp_path / "provider", faults=rules, settings=QUICK) as server:
        with pytest.raises(AmbiguousAnswerError, match="tunegate resume RUN"):
            ask(questions(2), server)
        assert [one.outcome for one in ask(questions(2), server)] == ["answered"] * 2
        assert bought(server) == 1


class Killed(BaseException):
    """The process dies here."""


class DiesOnCommit(Shelf):
    """Dies once it has kept some answers."""

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        super().store_answers([*answers][:2])
        if self.answers:
            raise Killed


def test_whoever_comes_after_a_kill_while_it_runs_finds_the_batch(tmp_path: Path):
    with faulty(tmp_path) as server:
        dying = batches_at(server)

        def dies_at_the_first_look(batch_id: str) -> Any:
            raise Killed

        dying.batch = dies_at_the_first_look
        with pytest.raises(Killed):
            answer_in_batches(questions(5), dying, Shelf(), lambda done, of: None)
        assert [one.outcome for one in ask(questions(5), server)] == ["answered"] * 5
        assert bought(server) == 1


def test_whoever_comes_after_a_kill_among_its_answers_reads_the_batch_again(tmp_path: Path):
    with faulty(tmp_path) as server:
        dying = DiesOnCommit()
        with pytest.raises(Killed):
            ask(questions(5), server, dying)
        shelf = Shelf()
        shelf.answers = dying.answers
        answers = ask(questions(5), server, shelf)
        assert bought(server) == 1
    assert len(dying.answers) == 2
    assert sorted(one.stored for one in answers) == [False] * 3 + [True] * 2


def test_a_server_that_dies_goes_on_with_the_batch_when_it_is_back(tmp_path: Path):
    with faulty(tmp_path, "killed_after") as server:
        dying = batches_at(server)
        with pytest.raises(ProviderUnavailableError):
            answer_in_batches(questions(4), dying, Shelf(), lambda done, of: None)
    with faulty(tmp_path) as server:
        assert [one.outcome for one in ask(questions(4), server)] == ["answered"] * 4
        assert bought(server) == 1


SELDOM = ("batch_cancelled_elsewhere", "batch_incomplete")
CUT = ["batch_expires", *(pytest.param(one, marks=pytest.mark.slow) for one in SELDOM)]


@pytest.mark.parametrize("fault", CUT)
def test_what_a_batch_cut_short_has_answered_is_kept_and_only_the_rest_handed_in_again(tmp_path: Path, fault: str):
    with faulty(tmp_path, fault) as server:
        answers = ask(questions(10), server)
        counts = [batch.request_counts for batch in support.client(server.url).batches.list()]
    assert [one.outcome for one in answers] == ["answered"] * 10
    assert [count.total for count in counts] == [5, 10]


def test_requests_that_no_batch_ever_answers_have_failed_and_are_not_stored(tmp_path: Path):
    shelf = Shelf()
    with faulty(tmp_path, *[{"kind": "batch", "ends": "expired", "answered": 0.4}] * 3) as server:
        answers = ask(questions(5), server, shelf)
        assert bought(server) == 3
    failed = [one for one in answers if one.outcome == "failed"]
    assert failed and {one.finish_reason for one in failed} == {"batch_expired"}
    assert set(shelf.answers) == {one.request for one in answers if one.outcome == "answered"}


def test_lines_that_the_server_refused_for_a_while_are_handed_in_again(tmp_path: Path):
    with faulty(tmp_path, "batch_refuses_some") as server:
        assert [one.outcome for one in ask(questions(5), server)] == ["answered"] * 5
        assert bought(server) == 2


def test_a_line_that_is_refused_for_good_has_failed_as_a_single_request_would(tmp_path: Path):
    asked = [*questions(2), question("too hot", temperature=3)]
    with faulty(tmp_path) as server:
        answers = ask(asked, server)
        assert bought(server) == 1
    assert [(one.outcome, one.finish_reason) for one in answers][2] == ("failed", "invalid_value")
    assert [one.outcome for one in answers][:2] == ["answered"] * 2


def test_an_answer_cut_at_the_length_limit_is_truncated_in_a_batch_too(plain: RunningServer):
    cut = ask([question("a long sentence to repeat", max_tokens=1)], plain)[0]
    assert (cut.outcome, cut.finish_reason, cut.completion_tokens) == ("truncated", "length", 1)


def test_answers_in_another_order_go_to_their_own_questions(tmp_path: Path):
    with faulty(tmp_path, "batch_shuffled") as server:
        assert [one.output for one in ask(questions(12), server)] == [f"hello {n}" for n in range(12)]


def test_a_batch_that_fails_stops_the_run_with_the_providers_words(tmp_path: Path):
    with faulty(tmp_path, "batch_fails") as server, pytest.raises(ProviderRefusedError, match="as was asked for"):
        ask(questions(2), server)


def test_a_full_queue_is_waited_out(tmp_path: Path):
    with faulty(tmp_path, "batch_queue_full") as server:
        assert [one.outcome for one in ask(questions(2), server)] == ["answered"] * 2


def test_an_outage_of_the_provider_is_waited_out(tmp_path: Path):
    rules = [{"call": "batches.retrieve", "times": 30, "happens": "overloaded"}]
    with embedded_server(tmp_path / "provider", faults=rules, settings=QUICK) as server:
        assert [one.outcome for one in ask(questions(2), server)] == ["answered"] * 2


def money(ledger: Ledger, asked: Sequence[Question], batches: Batches, per_run: float) -> AnswerMoney:
    live = Price(model="m", input=100.0, output=100.0, source="a test", as_of="2026-11-22")
    tariff = Tariff({one.request: batches.price(live) for one in asked}, answer_tokens=4)
    purse = Purse(ledger, "intents", "run-1", Budget(per_run=per_run, per_month=100))
    return AnswerMoney(purse, "final answers", tariff)


def test_answers_in_a_batch_cost_half(plain: RunningServer, tmp_path: Path):
    ledger, asked, batches = Ledger(f"sqlite:///{tmp_path}/ledger.db"), questions(4), batches_at(plain)
    answers = answer_in_batches(asked, batches, ledger, lambda done, of: None, money(ledger, asked, batches, 1.0))
    tokens = sum(one.prompt_tokens + one.completion_tokens for one in answers)
    assert ledger.spent_in_run("run-1") == pytest.approx(tokens * 50 / 1e6)
    assert all(math.isnan(one.latency_ms) for one in answer_in_batches(asked, batches, ledger, lambda done, of: None))


def test_a_budget_without_room_for_the_whole_batch_stops_it_before_it_is_handed_in(
    plain: RunningServer, tmp_path: Path
):
    ledger, asked, batches = Ledger(f"sqlite:///{tmp_path}/ledger.db"), questions(40), batches_at(plain)
    before = bought(plain)
    with pytest.raises(BudgetError):
        answer_in_batches(asked, batches, ledger, lambda done, of: None, money(ledger, asked, batches, 0.001))
    assert (bought(plain), ledger.spent_in_run("run-1")) == (before, 0)

"""What an answer comes to: every way to answer is an outcome that is kept, with the probability of its tokens."""

import pytest
from aiohttp import web

from tests.evaluate.scripted_endpoint import completion, refusal, scripted_endpoint
from tests.evaluate.test_answer import Shelf, always, ask, questions


@pytest.mark.parametrize(
    ("reply", "outcome", "output"),
    [
        (lambda: completion("no", refusal="I will not"), "refused", "I will not"),
        (lambda: completion("half an ans", "length"), "truncated", "half an ans"),
        (lambda: completion(None, "content_filter"), "filtered", ""),
        (lambda: refusal(400, "content_filter"), "filtered", ""),
        (lambda: completion(None), "answered", ""),
    ],
    ids=["refusal", "length", "filtered answer", "filtered question", "empty"],
)
def test_every_way_to_answer_is_an_outcome_of_its_own_and_is_kept(reply, outcome, output):
    shelf = Shelf()
    with scripted_endpoint(always(reply)) as server:
        [answer] = ask(questions(1), server, shelf)
    assert (answer.outcome, answer.output, len(server.arrivals)) == (outcome, output, 1)
    assert len(shelf.answers) == 1


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "context_length_exceeded", "no"),
        (400, "string_above_max_length", "no"),
        (413, "tokens_limit_reached", "no"),
        (413, "", "Payload too large"),
        (400, "400", "This model's maximum context length is 1024 tokens. However, you requested 2048."),
        (400, "400", "However, the model's context length is only 1024 tokens, resulting in ..."),
        (422, "", "the prompt is too long"),
    ],
)
def test_a_request_that_is_too_much_for_the_model_counts_against_the_candidate_and_is_kept(status, code, message):
    def too_much() -> web.Response:
        return web.json_response({"error": {"message": message, "code": code}}, status=status)

    shelf = Shelf()
    with scripted_endpoint(always(too_much)) as server:
        answers = [*ask(questions(1), server, shelf), *ask(questions(1), server, shelf)]
    assert [(answer.outcome, answer.output) for answer in answers] == [("rejected", "")] * 2
    assert len(server.arrivals) == 1


@pytest.mark.parametrize(
    ("logprobs", "confidence"),
    [
        ({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.25}]}, 0.4723665527),
        ({"content": [{"token": "a", "logprob": 0.0}]}, 1.0),
        ({"content": [{"token": "a", "logprob": -9999.0}]}, 0.0),
        ({"content": []}, None),
        ({"content": None}, None),
        (None, None),
    ],
)
def test_the_probability_of_an_answer_is_that_of_all_its_tokens(logprobs, confidence):
    def reply() -> web.Response:
        choice = {"finish_reason": "stop", "message": {"content": "ab"}, "logprobs": logprobs}
        return web.json_response({"choices": [choice]})

    with scripted_endpoint(always(reply)) as server:
        [answer] = ask(questions(1), server)
    assert answer.confidence == (None if confidence is None else pytest.approx(confidence))

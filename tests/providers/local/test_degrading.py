"""A model that the operator lets answer worse than it can, under a running server."""

from openai import OpenAI

from tests.embedded import RunningServer
from tests.providers.local import support
from tests.providers.local.test_chat import PROMPT, SCHEMA, as_schema, ask

QUESTIONS = ["where is my parcel", "money back please", "the parcel is late", "refund the order", "no parcel came"]


def answers(openai: OpenAI, **parameters) -> list[str | None]:
    """To each of the questions."""
    asked = [[PROMPT[0], {"role": "user", "content": text}] for text in QUESTIONS]
    return [ask(openai, messages=messages, **parameters).choices[0].message.content for messages in asked]


def degraded(server: RunningServer, answers: str, share: float = 1.0, model: str = support.DATED) -> OpenAI:
    server.change_settings(degraded={model: {"answers": answers, "share": share}})
    return support.client(server.url)


def test_wrong_answers_have_the_asked_form_and_do_not_depend_on_the_question(settable: RunningServer):
    assert len(set(answers(support.client(settable.url)))) == 2
    assert len(set(answers(degraded(settable, "wrong")))) == 1


def test_malformed_answers_are_prose_even_where_a_schema_was_promised(settable: RunningServer):
    openai = degraded(settable, "malformed")
    assert all("Sure!" in text for text in answers(openai))
    assert "Sure!" in ask(openai, response_format=as_schema(SCHEMA)).choices[0].message.content


def test_refusals_say_so(settable: RunningServer):
    message = ask(degraded(settable, "refused")).choices[0].message
    assert message.content is None
    assert message.refusal


def test_a_share_hits_the_same_questions_each_time(settable: RunningServer):
    openai = degraded(settable, "malformed", share=0.5)
    first, again = answers(openai), answers(openai)
    assert first == again
    assert 0 < sum("Sure!" in text for text in first) < len(first)


def test_a_pattern_names_models_and_the_others_answer_as_before(settable: RunningServer):
    healthy = answers(support.client(settable.url))
    assert answers(degraded(settable, "malformed", model="ft:*")) == healthy
    assert answers(degraded(settable, "malformed", model="local-base-small-*")) != healthy

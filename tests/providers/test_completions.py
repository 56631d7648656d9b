"""A few completions for a served model: by the wire, or by a provider's own way."""

import orjson
import pytest

from tasks.errors import CredentialsError, ProviderUnavailableError
from tasks.providers.completions import complete
from tasks.providers.protocol import AnswerEndpoint, RawAnswer
from tests.embedded import embedded_server

BODY = {"model": "local-base-small", "messages": [{"role": "user", "content": "Which: lost or late?"}]}


class Echo:
    """Answers with the question, or as it is told."""

    def __init__(self, answer: RawAnswer | None = None) -> None:
        self.answer = answer

    async def ask(self, body: bytes) -> RawAnswer:
        said = orjson.loads(body)["messages"][0]["content"]
        choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}]
        return self.answer or RawAnswer(200, orjson.dumps({"id": "1", "choices": choices}))


def endpoint(transport: Echo) -> AnswerEndpoint:
    return AnswerEndpoint("", {}, 10.0, 2, transport)


def test_answers_come_in_the_order_of_the_questions_by_a_way_of_its_own():
    bodies = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(5)]
    assert complete(endpoint(Echo()), bodies) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RawAnswer(0, b"", error="ReadTimeoutError"), ProviderUnavailableError),
        (RawAnswer(403, b'{"error": {"code": "AccessDenied"}}'), CredentialsError),
    ],
)
def test_what_goes_wrong_there_means_what_it_means_everywhere(answer, error):
    with pytest.raises(error):
        complete(endpoint(Echo(answer)), [BODY])


def test_the_key_goes_in_the_header_that_the_endpoint_names(tmp_path):
    with embedded_server(tmp_path, api_key="the-right-key", settings={"dialect": "foundry"}) as server:
        url = server.url.replace("/v1", "/openai/v1/chat/completions")
        assert complete(AnswerEndpoint(url, {"api-key": "the-right-key"}, 30.0, 2), [BODY])

"""Each dialect over a socket, from the upload to the last deletion, with a server that speaks it and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from openai import NotFoundError

from tasks.errors import ProviderRefusedError
from tests.embedded import RunningServer, embedded_server
from tests.providers.speaking import BASE, NAMES, TOKEN, answer, ended, looks, order, rows, speaker

DEPLOYING = ["foundry", "nebius", "crusoe"]
MADE = ("deployments.put", "custom.create", "loras.create")


@dataclass
class Tune:
    """What a dialect has trained."""

    file: str
    job: str
    model: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("dialects")) as running:
        yield running


@pytest.fixture(scope="module")
def tunes(server: RunningServer) -> dict[str, Tune]:
    """One of each dialect."""
    jobs = {}
    for name in NAMES:
        provider = speaker(server, name)
        file = provider.upload(f"{name}.jsonl", rows(name))
        jobs[name] = file, provider.create_job(order(name, file, metadata={"intent": f"of {name}"})).id
    return {name: Tune(file, job, str(ended(speaker(server, name), job).model)) for name, (file, job) in jobs.items()}


@pytest.fixture(autouse=True)
def management_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", TOKEN)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_by_the_content_that_was_handed_in(name, server, tunes):
    provider = speaker(server, name)
    assert provider.find_file(f"{name}.jsonl", rows(name)) == tunes[name].file
    assert provider.find_file(f"{name}.jsonl", rows(name) + b"\n") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_found_by_its_file_and_where_it_carries_one_by_its_intent(name, server, tunes):
    provider = speaker(server, name)
    by_intent = [job.id for job in provider.find_jobs(f"of {name}", "")]
    assert by_intent == ([tunes[name].job] if provider.capabilities.metadata else [])
    assert [job.id for job in provider.find_jobs("", tunes[name].file)] == [tunes[name].job]


@pytest.mark.parametrize("name", NAMES)
def test_a_job_tells_its_history_in_order_whichever_way_it_is_listed(name, server, tunes):
    events = speaker(server, name).events(tunes[name].job)
    assert events[0].message.startswith("Created")
    assert "success" in events[-1].message


def test_each_dialect_names_a_tune_in_its_own_way_and_nebius_in_none(server, tunes):
    names = {name: tune.model for name, tune in tunes.items()}
    assert names["openai"].startswith(f"ft:{BASE}:")
    assert names["foundry"].startswith(f"{BASE}.ft-")
    assert names["crusoe"].startswith("ftmodel-")
    assert names["bedrock_openai"].startswith("arn:aws:bedrock:")
    assert names["nebius"].startswith(f"{tunes['nebius'].job}:ftckpt_")
    raw = speaker(server, "nebius")._client.fine_tuning.jobs.retrieve(tunes["nebius"].job)
    assert raw.fine_tuned_model is None


@pytest.mark.parametrize("name", NAMES)
def test_the_base_model_answers_by_its_own_name(name, server):
    assert answer(speaker(server, name), BASE)


@pytest.mark.parametrize("name", NAMES)
def test_a_tune_answers_once_it_is_served_under_the_name_that_serving_gives(name, server, tunes):
    provider = speaker(server, name)
    *_, last = looks(provider, tunes[name].model)
    assert last.state == "ready"
    assert answer(provider, last.model)


@pytest.mark.parametrize("name", DEPLOYING)
def test_a_tune_answers_only_while_it_is_deployed_and_is_deployed_once(name, server, tunes):
    provider, model = speaker(server, name), tunes[name].model
    provider.withdraw(model)
    with pytest.raises(NotFoundError):
        answer(provider, model)
    before = made(server)
    first, *_, last = looks(provider, model)
    assert (first.state, last.state) == ("starting", "ready")
    assert first.reason
    assert provider.serve(model) == last
    assert made(server) == before + 1
    provider.withdraw(model)
    provider.withdraw(model)
    with pytest.raises(NotFoundError):
        answer(provider, last.model)


def made(server: RunningServer) -> int:
    return sum(line["call"] in MADE for line in server.log())


def test_crusoe_says_what_a_job_will_cost_and_the_others_do_not(server, tunes):
    quotes = {name: speaker(server, name).quote(order(name, tunes[name].file)) for name in NAMES}
    assert quotes.pop("crusoe") > 0
    assert set(quotes.values()) == {None}


@pytest.mark.parametrize("name", NAMES)
def test_in_the_end_nothing_is_left_but_what_only_a_person_can_delete(name, server, tunes):
    provider, tune = speaker(server, name), tunes[name]
    provider.withdraw(tune.model)
    for _ in range(2):
        provider.delete_file(tune.file)
        if provider.capabilities.deletes_models:
            provider.delete_model(tune.model)
    assert not provider.has_file(tune.file)
    if provider.capabilities.deletes_models:
        assert not provider.has_model(tune.model)
    else:
        with pytest.raises(ProviderRefusedError, match="portal"):
            provider.delete_model(tune.model)

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.embedded import RunningServer
from tests.providers.local import support


def test_an_uploaded_file_comes_back_byte_for_byte(openai: OpenAI):
    content = support.training_bytes()
    file = openai.files.create(file=("t.jsonl", content), purpose="fine-tune")
    assert openai.files.content(file.id).content == content
    assert (file.bytes, file.filename, file.status) == (len(content), "t.jsonl", "processed")
    assert openai.files.retrieve(file.id) == file


def test_a_deleted_file_is_gone_with_its_content(openai: OpenAI):
    file = support.upload(openai)
    assert openai.files.delete(file).deleted
    with pytest.raises(NotFoundError):
        openai.files.retrieve(file)
    with pytest.raises(NotFoundError):
        openai.files.content(file)


def test_pages_of_files_hold_each_file_once_in_the_order_asked_for(openai: OpenAI):
    made = [openai.files.create(file=("e.txt", b"x"), purpose="user_data").id for _ in range(5)]
    newest_first = [file.id for file in openai.files.list(purpose="user_data", limit=2)]
    oldest_first = [file.id for file in openai.files.list(purpose="user_data", limit=2, order="asc")]
    assert newest_first == made[::-1]
    assert oldest_first == made


def test_only_jsonl_is_taken_for_fine_tuning(openai: OpenAI):
    with pytest.raises(BadRequestError, match=r"Must be \.jsonl"):
        openai.files.create(file=("t.csv", b"a,b\n"), purpose="fine-tune")


def test_an_empty_file_is_refused(openai: OpenAI):
    with pytest.raises(BadRequestError, match="0 bytes"):
        openai.files.create(file=("t.jsonl", b""), purpose="fine-tune")


def test_an_expiry_shorter_than_an_hour_is_refused(openai: OpenAI):
    with pytest.raises(BadRequestError) as refused:
        openai.files.create(
            file=("t.jsonl", b"{}"), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 60}
        )
    assert refused.value.param == "expires_after.seconds"


def test_a_file_expires_by_the_servers_clock(settable: RunningServer):
    openai = support.client(settable.url)
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = openai.files.create(file=("t.jsonl", b"{}\n"), purpose="fine-tune", expires_after=expiry)
    assert file.expires_at is not None
    assert 3600 <= file.expires_at - file.created_at <= 3601
    settable.change_settings(clock_offset_s=3602)
    with pytest.raises(NotFoundError):
        openai.files.retrieve(file.id)
    assert file.id not in [left.id for left in openai.files.list()]


def test_a_file_is_processed_after_as_long_as_the_settings_say_and_no_job_takes_it_before(settable: RunningServer):
    openai = support.client(settable.url)
    settable.change_settings(file_seconds=3600)
    file = support.upload(openai)
    assert openai.files.retrieve(file).status == "uploaded"
    with pytest.raises(BadRequestError, match="still being processed"):
        support.create_job(openai, file)
    settable.change_settings(file_seconds=3600, clock_offset_s=3601)
    assert openai.files.wait_for_processing(file, max_wait_seconds=1).status == "processed"


def test_deleting_a_file_deletes_its_bytes(openai: OpenAI, server: RunningServer):
    canary = b"canary-deleted-bytes"
    file = openai.files.create(file=("t.txt", canary), purpose="user_data").id
    assert _holding(server, canary)
    openai.files.delete(file)
    assert _holding(server, canary) == []


def _holding(server: RunningServer, canary: bytes) -> list[str]:
    return [path.name for path in server.state.rglob("*") if path.is_file() and canary in path.read_bytes()]

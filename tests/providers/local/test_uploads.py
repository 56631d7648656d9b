import hashlib
import io

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.embedded import RunningServer
from tests.providers.local import support

CONTENT = support.training_bytes()


def begin(openai: OpenAI, size: int = len(CONTENT)) -> str:
    return openai.uploads.create(bytes=size, filename="t.jsonl", mime_type="text/jsonl", purpose="fine-tune").id


def add(openai: OpenAI, upload: str, content: bytes) -> str:
    return openai.uploads.parts.create(upload, data=content).id


def test_parts_make_a_file_in_the_order_asked_for(openai: OpenAI):
    upload = begin(openai)
    second, first = add(openai, upload, CONTENT[100:]), add(openai, upload, CONTENT[:100])
    done = openai.uploads.complete(upload, part_ids=[first, second], md5=hashlib.md5(CONTENT).hexdigest())
    assert (done.status, done.file.bytes, done.file.purpose) == ("completed", len(CONTENT), "fine-tune")
    assert openai.files.content(done.file.id).content == CONTENT
    assert support.wait_for(openai, support.create_job(openai, done.file.id).id, "succeeded")


def test_the_sdk_sends_a_large_file_in_chunks(openai: OpenAI):
    done = openai.uploads.upload_file_chunked(
        file=CONTENT, bytes=len(CONTENT), filename="t.jsonl", mime_type="text/jsonl", purpose="fine-tune", part_size=999
    )
    assert openai.files.content(done.file.id).content == CONTENT


def test_a_cancelled_upload_takes_nothing_more_and_leaves_no_bytes(openai: OpenAI, server: RunningServer):
    upload = begin(openai)
    part = add(openai, upload, CONTENT)
    assert openai.uploads.cancel(upload).status == "cancelled"
    with pytest.raises(BadRequestError, match="is cancelled"):
        openai.uploads.complete(upload, part_ids=[part])
    assert not (server.state / "uploads" / upload).exists()


def test_fewer_bytes_than_announced_or_another_checksum_are_refused(openai: OpenAI):
    upload = begin(openai, len(CONTENT) + 1)
    part = add(openai, upload, CONTENT)
    with pytest.raises(BadRequestError, match="bytes arrived"):
        openai.uploads.complete(upload, part_ids=[part])
    whole = begin(openai)
    part = add(openai, whole, CONTENT)
    with pytest.raises(BadRequestError) as refused:
        openai.uploads.complete(whole, part_ids=[part], md5="0" * 32)
    assert refused.value.param == "md5"
    assert openai.uploads.complete(whole, part_ids=[part]).status == "completed", "a refusal leaves it as it was"


def test_parts_of_another_upload_and_unknown_uploads_are_refused(openai: OpenAI):
    other, upload = begin(openai), begin(openai)
    with pytest.raises(BadRequestError) as refused:
        openai.uploads.complete(upload, part_ids=[add(openai, other, CONTENT)])
    assert refused.value.param == "part_ids"
    with pytest.raises(NotFoundError):
        openai.uploads.cancel("upload_unknown")


def test_an_upload_expires_by_the_servers_clock(settable: RunningServer):
    openai = support.client(settable.url)
    upload = begin(openai)
    settable.change_settings(clock_offset_s=3601)
    with pytest.raises(BadRequestError, match="is expired"):
        openai.uploads.parts.create(upload, data=io.BytesIO(b"x"))

"""Training files at Together: announced, put where its storage says, checked, and never sent anywhere else."""

import hashlib
from collections.abc import Iterator

import pytest

from tasks.errors import AmbiguousAnswerError, ProviderRefusedError, ProviderUnavailableError, TunegateError
from tests.fake_clock import FakeClock
from tests.providers.together_account import Account, Fault
from tests.providers.together_server import KEY, together_account
from tests.providers.together_setup import NAME, ROWS, together


@pytest.fixture
def account() -> Iterator[Account]:
    with together_account() as found:
        yield found


def test_the_rows_arrive_once_and_are_checked(account: Account) -> None:
    clock = FakeClock()
    file = together(account, clock).upload(NAME, ROWS)
    assert account.contents == {file: ROWS}
    assert account.files[file]["processing_status"] == "COMPLETED"
    assert account.files[file]["filename"] == NAME
    assert account.files[file]["checksum"] == hashlib.sha256(ROWS).hexdigest()
    assert clock.slept == [1, 2], "the check is waited for, longer each time"


def test_the_storage_gets_the_rows_without_the_key(account: Account) -> None:
    together(account).upload(NAME, ROWS)
    put = account.calls("files.put")[0]
    assert not any(KEY in value for value in put.headers.values())


def test_a_file_is_found_by_name_and_size(account: Account) -> None:
    provider = together(account)
    file = provider.upload(NAME, ROWS)
    assert provider.find_file(NAME, ROWS) == file
    assert provider.find_file("other.jsonl", ROWS) is None
    assert provider.find_file(NAME, ROWS + b"\n") is None


def test_a_file_that_is_found_is_handed_on_only_once_it_is_checked(account: Account) -> None:
    clock = FakeClock()
    provider = together(account, clock)
    account.check = ["RUNNING", "RUNNING", "COMPLETED"]
    account.faults = [Fault("files.preprocess", "reset")]
    with pytest.raises(AmbiguousAnswerError):
        provider.upload(NAME, ROWS)
    assert provider.find_file(NAME, ROWS) == "file-1"
    assert clock.slept == [1, 2, 4]


def test_bytes_that_together_holds_already_are_not_sent_again(account: Account) -> None:
    provider = together(account)
    file = provider.upload(NAME, ROWS)
    assert provider.upload("another-name.jsonl", ROWS) == file
    assert len(account.calls("files.put")) == 1


def test_an_unfit_file_is_refused_for_good_with_what_the_check_found(account: Account) -> None:
    account.check = ["INVALID_FORMAT"]
    provider = together(account)
    for _ in range(2):
        with pytest.raises(ProviderRefusedError, match="line 3 has no messages"):
            provider.upload(NAME, ROWS)
    assert provider.find_file(NAME, ROWS) is None
    assert len(account.calls("files.put")) == 1


def test_a_check_that_breaks_off_leads_to_another_upload(account: Account) -> None:
    account.check = ["FAILED"]
    provider = together(account)
    with pytest.raises(AmbiguousAnswerError, match="check of it broke off"):
        provider.upload(NAME, ROWS)
    account.check = ["COMPLETED"]
    file = provider.upload(NAME, ROWS)
    assert account.files[file]["processing_status"] == "COMPLETED"


def test_a_check_without_end_is_waited_for_within_bounds(account: Account) -> None:
    account.check = ["RUNNING"]
    clock = FakeClock()
    with pytest.raises(ProviderUnavailableError, match="check of file file-1"):
        together(account, clock).upload(NAME, ROWS)
    assert 600 <= clock.elapsed <= 660


@pytest.mark.parametrize("call", ["files.announce", "files.put", "files.preprocess"])
@pytest.mark.parametrize("kind", ["reset", "status", "cut"])
def test_an_upload_whose_answer_was_lost_ends_in_one_whole_file(account: Account, call: str, kind: str) -> None:
    account.faults = [Fault(call, kind)]
    provider = together(account)
    file = None
    for _ in range(4):  # as submission does: look, then upload, and look again
        try:
            file = provider.find_file(NAME, ROWS) or provider.upload(NAME, ROWS)
            break
        except AmbiguousAnswerError:
            continue
    assert file is not None
    assert list(account.files) == [file]
    assert account.contents[file] == ROWS


def test_the_remains_of_a_broken_upload_do_not_stand_in_the_way(account: Account) -> None:
    account.faults = [Fault("files.put", "status", accepted=False, status=503)]
    provider = together(account)
    with pytest.raises(AmbiguousAnswerError, match="storage answered HTTP 503"):
        provider.upload(NAME, ROWS)
    with pytest.raises(AmbiguousAnswerError, match="broke off"):
        provider.upload(NAME, ROWS)
    file = provider.upload(NAME, ROWS)
    assert account.files[file]["bytes"] == len(ROWS)


@pytest.mark.parametrize("call", ["files.announce", "files.put", "files.preprocess"])
def test_no_redirect_carries_rows_or_key_elsewhere(account: Account, call: str) -> None:
    with together_account() as elsewhere:
        target = {"Location": f"{elsewhere.url}/storage/file-1"}
        account.faults = [Fault(call, "redirect", accepted=False, status=307, headers=target)]
        with pytest.raises(TunegateError):
            together(account).upload(NAME, ROWS)
        assert elsewhere.log == []


def test_rows_are_not_put_to_an_unencrypted_storage(account: Account) -> None:
    target = {"Location": "http://storage.example.com/file-1?signature=s1", "X-Together-File-Id": "file-1"}
    account.faults = [Fault("files.announce", "status", status=302, headers=target)]
    with pytest.raises(ProviderRefusedError, match="unencrypted"):
        together(account).upload(NAME, ROWS)


def test_an_answer_about_another_file_counts_as_none(account: Account) -> None:
    account.faults = [Fault("files.preprocess", "fields", fields={"id": "file-99"})]
    with pytest.raises(AmbiguousAnswerError, match="unreadable_answer"):
        together(account).upload(NAME, ROWS)


def test_a_deleted_file_is_gone_and_deleting_it_again_is_fine(account: Account) -> None:
    provider = together(account)
    file = provider.upload(NAME, ROWS)
    assert provider.has_file(file)
    provider.delete_file(file)
    provider.delete_file(file)
    assert not provider.has_file(file)

"""A key of one's own signs a file, offline, and whoever has the public one sees whether it is still that file."""

import sys
from pathlib import Path

import pytest

from tasks import signing
from tasks.errors import ConfigurationError
from tasks.run_folder import RunFolder
from tests.audited import flipped, make_keys

CONTENT = b'{"format": 1}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run with one file, and a pair of keys that the variables name."""
    keys = make_keys(tmp_path / "keys")
    monkeypatch.setenv(signing.SIGNING_KEY, str(keys / "key.pem"))
    monkeypatch.setenv(signing.VERIFY_KEY, str(keys / "key.pub"))
    made = RunFolder(tmp_path / "run")
    made.write_bytes("lineage.json", CONTENT)
    return made


def test_a_signed_file_is_good_and_its_signature_is_a_file_of_the_run(folder: RunFolder) -> None:
    signing.seal(folder, "lineage.json")
    assert set(folder.manifest()) == {"lineage.json", "lineage.sig"}
    assert signing.verify(CONTENT, folder.read_bytes("lineage.sig")) == "good"


def test_without_a_key_nothing_is_signed(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(signing.SIGNING_KEY)
    signing.seal(folder, "lineage.json")
    assert set(folder.manifest()) == {"lineage.json"}
    assert signing.verify(CONTENT, None) == "none"


def test_another_byte_in_file_or_signature_is_bad(folder: RunFolder) -> None:
    signing.seal(folder, "lineage.json")
    signature = folder.file("lineage.sig")
    assert signing.verify(CONTENT.replace(b"1", b"2"), signature.read_bytes()) == "bad"
    for position in range(0, signature.stat().st_size, 97):
        with flipped(signature, position):
            assert signing.verify(CONTENT, signature.read_bytes()) == "bad"


def test_nonsense_in_the_place_of_a_signature_is_bad(folder: RunFolder) -> None:
    for nonsense in (b"", b"{}", b"\xff\xfe", b'{"mediaType": 1}'):
        assert signing.verify(CONTENT, nonsense) == "bad"


def test_a_signature_by_another_key_is_bad(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.seal(folder, "lineage.json")
    monkeypatch.setenv(signing.VERIFY_KEY, str(make_keys(tmp_path / "other") / "key.pub"))
    assert signing.verify(CONTENT, folder.read_bytes("lineage.sig")) == "bad"


def test_without_the_public_key_nobody_judges(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.seal(folder, "lineage.json")
    monkeypatch.delenv(signing.VERIFY_KEY)
    assert signing.verify(CONTENT, folder.read_bytes("lineage.sig")) == "no key here"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file or directory"),
        (b"SECRET", "is no elliptic curve key"),
        (b"-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n", "is no elliptic curve key"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_by_its_variable_and_never_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(signing.SIGNING_KEY, str(path))
    with pytest.raises(ConfigurationError, match=problem) as stopped:
        signing.require_usable()
    assert signing.SIGNING_KEY in str(stopped.value)
    assert "openssl ecparam" in str(stopped.value)
    assert "SECRET" not in str(stopped.value)


def test_a_key_that_can_be_used_passes_and_so_does_none(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.require_usable()
    monkeypatch.delenv(signing.SIGNING_KEY)
    signing.require_usable()


def test_a_missing_library_is_told_with_what_to_install(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(ConfigurationError, match=r'pip install "tunegate\[signing\]"'):
        signing.require_usable()

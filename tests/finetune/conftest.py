"""A provider and a ledger of each test's own, and an order for them."""

import hashlib
from pathlib import Path

import pytest

from data_contracts.money import TrainingFile
from data_contracts.use_case import FineTune
from tasks.finetune.submit import Order
from tasks.ledger import Ledger
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import ScriptedProvider


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(clock: FakeClock) -> ScriptedProvider:
    return ScriptedProvider(clock)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Ledger:
    return Ledger(url, clock)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    training, validation = training_file(tmp_path, "training"), training_file(tmp_path, "validation")
    return Order("support", "run-1", training, validation, FineTune(base_model="base-1", settle_s=600))


def training_file(folder: Path, name: str) -> TrainingFile:
    content = f'{{"messages": "{name}"}}\n'.encode()
    (folder / f"{name}.jsonl").write_bytes(content)
    return TrainingFile(str(folder / f"{name}.jsonl"), hashlib.sha256(content).hexdigest(), examples=12, tokens=9)

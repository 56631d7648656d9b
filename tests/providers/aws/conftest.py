"""An AWS of each test's own: moto's server on a socket for S3 and jobs, botocore's Stubber for what moto lacks."""

import os
from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from botocore.loaders import create_loader
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from data_contracts.provider import Aws, ProviderSettings
from tasks.providers.aws.account import Account
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.aws.sagemaker import SageMaker
from tests.fake_clock import FakeClock

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/tuner"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(scope="package", autouse=True)
def models_are_read_once() -> Iterator[None]:
    """Each session would read botocore's megabytes of service models anew."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.loaders.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="package")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def bucket(endpoint: str) -> str:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys).create_bucket(Bucket="tunegate-tests")
    return "tunegate-tests"


@pytest.fixture
def storage(bucket: str) -> str:
    return f"s3://{bucket}/{uuid4().hex}"


@pytest.fixture
def aws(endpoint: str, storage: str) -> Aws:
    return Aws(region=REGION, role_arn=ROLE, storage=storage, endpoint_url=endpoint)


@pytest.fixture
def settings(aws: Aws) -> ProviderSettings:
    return ProviderSettings(name="bedrock", aws=aws, request_timeout_s=10, max_concurrency=4)


@pytest.fixture
def account(settings: ProviderSettings, clock: FakeClock) -> Account:
    return Account(settings, clock)


@pytest.fixture
def bedrock(settings: ProviderSettings, account: Account) -> Bedrock:
    return Bedrock(settings, account)


@pytest.fixture
def stub(account: Account) -> Iterator[Stubber]:
    """Answers of `bedrock` in the order they are asked for; each must fit botocore's model of the service."""
    with Stubber(account.client("bedrock")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def runtime(account: Account) -> Iterator[Stubber]:
    """The same of `bedrock-runtime`."""
    with Stubber(account.client("bedrock-runtime")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def sagemaker(aws: Aws, clock: FakeClock) -> SageMaker:
    own = aws.model_copy(update={"image": "123.dkr.ecr/trainer:1", "instance_type": "ml.m5.xlarge",
                                 "serving_image": "123.dkr.ecr/vllm:1"})  # fmt: skip
    settings = ProviderSettings(name="sagemaker", aws=own)
    return SageMaker(settings, Account(settings, clock))

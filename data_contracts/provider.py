"""Who trains and who answers: the `provider` section of a use-case file. A key's variable stands here, never a key."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_contracts.strict import Strict

ProviderName = Literal[
    "embedded", "openai", "foundry", "nebius", "crusoe", "bedrock_openai", "together", "bedrock", "sagemaker"
]


class OwnPrice(Strict):
    """USD per million tokens of one base model at an endpoint whose prices nobody publishes. Left out: unknown."""

    input: float | None = Field(None, ge=0)
    output: float | None = Field(None, ge=0)
    training: float | None = Field(None, ge=0)
    tuned_input: float | None = Field(None, ge=0)
    tuned_output: float | None = Field(None, ge=0)
    hosting_per_hour: float | None = Field(None, ge=0, description="USD an hour while the tuned model is deployed")


class Foundry(Strict):
    """Microsoft Foundry: where a tuned model is deployed, which is done through Azure's Resource Manager."""

    subscription: str
    resource_group: str
    account: str = Field(description="Name of the Foundry resource (Cognitive Services account)")
    training_type: Literal["Standard", "GlobalStandard", "developerTier"] = "GlobalStandard"
    sku: Literal["Standard", "GlobalStandard", "DeveloperTier"] = "GlobalStandard"
    capacity: int = Field(50, ge=1, description="Thousands of tokens a minute")
    token_env: str = Field("AZURE_MANAGEMENT_TOKEN", description="Variable that holds the Resource Manager token")
    management_url: str = "https://management.azure.com"


class Aws(Strict):
    """Amazon Bedrock and SageMaker: credentials come from AWS_* variables or the machine's role."""

    region: str | None = Field(None, description="None: AWS_REGION")
    role_arn: str = Field("", description="Role that the job takes on to read and write the storage below")
    storage: str = Field("", description="s3://bucket/prefix for training files and the job's output")
    kms_key: str | None = Field(None, description="Key that encrypts the tuned model")
    image: str = Field("", description="SageMaker: training image, where the job is no serverless customisation")
    instance_type: str = Field("", description="SageMaker: what trains, and what the endpoint runs on")
    serving_image: str = Field(
        "", description="SageMaker: image that answers OpenAI's chat completions at /invocations with the tuned model"
    )
    model_package_group: str = Field(
        "", description="SageMaker: ARN of the group that a serverless customisation puts the tuned model into"
    )
    accept_eula: bool = Field(False, description="SageMaker: you accept the licence of the base model from its hub")
    endpoint_url: str | None = Field(None, description="Another endpoint for AWS calls, http only on this machine")


class Together(Strict):
    """Together: how the tuned model is served."""

    serving: Literal["dedicated", "serverless"] = Field(
        "dedicated", description="serverless answers on few bases; a dedicated endpoint bills by the hour"
    )
    hardware: str = Field("", description="Dedicated endpoints: hardware id, as Together lists them")


class ProviderSettings(Strict):
    """Who answers and who trains."""

    name: ProviderName = Field(
        "embedded",
        description="embedded: the server that comes with tunegate. openai, foundry, nebius, crusoe and bedrock_openai "
        "speak OpenAI's protocol, each in its dialect; openai also stands for any other endpoint that does",
    )
    base_url: str | None = Field(None, description="Address of the endpoint, where it is not the provider's only one")
    api_key_env: str | None = Field(
        None, description="Variable that holds the key; None: the one that the provider's documentation names"
    )
    project: str | None = Field(None, description="Account or project a job belongs to")
    max_concurrency: int = Field(16, ge=1, le=512)
    request_timeout_s: float = Field(60.0, gt=0)
    stream: bool = Field(False, description="Let answers be streamed, to measure the time to the first token")
    batch: bool = Field(
        False,
        description="Ask through the provider's batch API, where it has one: half the price, within a day; "
        "latency is then unknown",
    )
    allow_private_address: bool = Field(
        False, description="Let base_url lead into a private network, for a gateway or a GPU machine of your own"
    )
    prices: dict[str, OwnPrice] = Field(default_factory=dict, description="By base model, over the published ones")
    foundry: Foundry | None = None
    aws: Aws | None = None
    together: Together | None = None

    @model_validator(mode="after")
    def _a_batch_does_not_stream(self) -> Self:
        if self.batch and self.stream:
            raise ValueError("batch and stream exclude each other: the answers of a batch come in a file")
        return self

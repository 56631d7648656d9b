"""The objects of Together's second API: models, configurations, endpoints. Ids are strict; the rest is let through."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tasks.providers.protocol import ModelInfo
from tasks.providers.together_records import epoch
from tasks.providers.wire_records import Id, WireRecord


class CamelRecord(WireRecord):
    """An object of Together's second API, which writes its names in camel case."""

    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class SupportedModel(CamelRecord):
    """A model that Together offers."""

    name: Id
    publisher: str = ""
    created_at: str = ""
    products: list[str] = Field(default_factory=list)

    @property
    def info(self) -> ModelInfo:
        """As every provider's model is handed on. Together names no day on which it retires."""
        tunable = "PRODUCT_FINE_TUNING" in self.products
        return ModelInfo(self.name, int(epoch(self.created_at)), self.publisher, tunable=tunable)


class RegistryModel(CamelRecord):
    """Weights in the project's model registry."""


class DeploymentStatus(BaseModel):
    """How far a deployment is."""

    state: str = "unknown"
    message: str = ""


class Deployment(CamelRecord):
    """A model on hardware of its own, by what an endpoint or the deployment itself says of it."""

    name: Id
    status: DeploymentStatus = DeploymentStatus()


class Endpoint(CamelRecord):
    """What deployments stand under."""

    name: Id
    deployments: list[Deployment] = Field(default_factory=list)


class Selector(BaseModel):
    """One requirement of a configuration."""

    key: str
    value: str


class Config(CamelRecord):
    """How a model may be run, and on what."""

    project_id: Id
    selectors: list[Selector] = Field(default_factory=list)

    @property
    def hardware(self) -> str:
        """Such as 1xnvidia-h100-80gb."""
        chosen = {item.key: item.value for item in self.selectors}
        return f"{chosen.get('accelerator_count', '?')}x{chosen.get('accelerator_type', '?')}"

    @property
    def merges(self) -> bool:
        """Whether an adapter is merged into its base model, rather than loaded beside others."""
        mode = next((item.value for item in self.selectors if item.key == "adapter_mode"), "disabled")
        return mode.lower().removeprefix("adapter_mode_") in ("disabled", "unspecified")


class Hardware(CamelRecord):
    """What one replica runs on."""

    name: str
    price_cents_per_hour: float


class Project(WireRecord):
    """Where models and endpoints belong to."""


class Whoami(BaseModel):
    """Whose key it is; one of an organisation names no project."""

    project: Project | None = None

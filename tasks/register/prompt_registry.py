"""MLflow's prompt registry of one use case, `tunegate.<use case>.prompt`: a version for each prompt, by its hash."""

from collections.abc import Mapping

from data_contracts.adoption import AdoptionRecord
from data_contracts.candidate import Prompt
from data_contracts.trial import TrialRecord
from tasks.prompting.prompt import as_text
from tasks.register.store import Store

ABOUT = (
    "Prompts that took part in a final comparison of `{use_case}`. `{{{{input}}}}` is the row, `{{{{examples}}}}` "
    "stands for few-shot turns: their texts are kept with the registered model, where the text policy admits them."
)
MAX_TEXT = 100_000  # characters that MLflow takes as a template
OURS = "tunegate.digest"


class PromptRegistry:
    """Versions are known by `Prompt.digest` and text: other labels in the contract make another text of one prompt."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.client = store.client
        self.name = f"tunegate.{store.use_case}.prompt"

    def register(self, trial: TrialRecord | AdoptionRecord) -> dict[str, int]:
        """Version by digest of every prompt of the final comparison; made where the registry has none yet."""
        self._create()
        prompts = {item.candidate.prompt.digest: item.candidate.prompt for item in trial.comparison.candidates}
        texts = {digest: as_text(prompt, trial.case.contract, trial.labels) for digest, prompt in prompts.items()}
        return {
            digest: self._found(digest, text) or self._make(prompts[digest], text, trial.run)
            for digest, text in texts.items()
            if len(text) <= MAX_TEXT
        }

    def link(self, version: int, run_id: str) -> None:
        """Let a run's page lead to the prompt that it asked with."""
        self.client.link_prompt_version_to_run(run_id, self.client.get_prompt_version(self.name, version))

    def follow(self, champion: Mapping[str, str]) -> None:
        """Move the alias `champion` to the prompt of the champion, whose tags these are; not where it is unknown."""
        version = max((version for version, _ in self._versions(champion.get("tunegate.prompt_digest", ""))), default=0)
        if version:
            self.client.set_prompt_alias(self.name, "champion", version)

    def uri(self, version: int) -> str:
        """What `mlflow.genai.load_prompt` takes."""
        return f"prompts:/{self.name}/{version}"

    def _found(self, digest: str, text: str) -> int | None:
        return max((version for version, known in self._versions(digest) if known == text), default=None)

    def _versions(self, digest: str) -> list[tuple[int, str]]:
        from mlflow.prompt.constants import IS_PROMPT_TAG_KEY, PROMPT_TEXT_TAG_KEY

        wanted = f"name = '{self.name}' and tags.`{IS_PROMPT_TAG_KEY}` = 'true' and tags.`{OURS}` = '{digest}'"
        found = self.client.search_model_versions(wanted)
        return [(int(version.version), version.tags.get(PROMPT_TEXT_TAG_KEY, "")) for version in found]

    def _create(self) -> None:
        """Not by `register_prompt`, which ties a prompt to whatever experiment is active, in a thread of its own."""
        from mlflow.exceptions import MlflowException
        from mlflow.prompt.constants import PROMPT_EXPERIMENT_IDS_TAG_KEY

        about = ABOUT.format(use_case=self.store.use_case)
        tags = {PROMPT_EXPERIMENT_IDS_TAG_KEY: f",{self.store.experiment_id},"}
        try:
            self.client.create_prompt(self.name, description=about, tags=tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _make(self, prompt: Prompt, text: str, run: str) -> int:
        tags = {f"tunegate.{name}": value for name, value in _tags(prompt, run).items()}
        config = prompt.decoding.model_dump(include={"temperature", "top_p", "max_tokens"}, exclude_none=True)
        made = self.client.create_prompt_version(
            self.name, template=text, description=prompt.description or None, tags=tags, model_config=config
        )
        return int(made.version)


def _tags(prompt: Prompt, run: str) -> dict[str, str]:
    decoding, shots = prompt.decoding, prompt.few_shot
    return {
        "digest": prompt.digest,
        "name": prompt.name,
        "run": run,
        "temperature": str(decoding.temperature),
        "top_p": "not sent" if decoding.top_p is None else str(decoding.top_p),
        "max_tokens": str(decoding.max_tokens),
        "seed": "not sent" if decoding.seed is None else str(decoding.seed),
        "few_shot": f"{shots.count} {shots.choose}" if shots.count else "none",
        "structured": str(prompt.structured),
        "reasoning": str(prompt.reasoning),
    }

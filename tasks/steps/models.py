"""Whether the models that a trial is about to ask and to train are there, before anything is paid."""

from collections.abc import Sequence

from data_contracts.money import Estimate
from data_contracts.prompting import ModelAt
from tasks.errors import ConfigurationError, ProviderRefusedError
from tasks.workspace import Edge, Workspace

ELSEWHERE = "The same data trains elsewhere: name another provider or base model, or compare prompts with --no-train."


def require_models(space: Workspace, edge: Edge, found: Estimate) -> None:
    """For what is still to be asked or bought.

    Raises ConfigurationError for a model that its endpoint does not list, ProviderRefusedError for closed training.
    """
    case = space.case.use_case
    if not space.folder.has("prompt_search.json"):
        _require_listed(edge, "prompts.base_models", case.prompts.models)
        if writer := case.prompts.optimiser:
            _require_listed(edge, "prompts.optimiser.model", [ModelAt(model=writer.model, endpoint=writer.endpoint)])
    if (judge := case.evaluation.judge) and not space.folder.has("judge.json"):
        _require_listed(edge, "evaluation.judge.model", [ModelAt(model=judge.model, endpoint=judge.endpoint)])
    if space.options.train and not found.already_paid and not space.folder.has("submission.json"):
        base_model = case.fine_tune.base_model
        if edge.provider.capabilities.lists_bases:
            _require_listed(edge, "fine_tune.base_model", [ModelAt(model=base_model)])
        access = edge.provider.training_access(base_model)
        if access.open is False:
            raise ProviderRefusedError(f"a job on {base_model}", "training_closed", access.reason, ELSEWHERE)


def _require_listed(edge: Edge, where: str, wanted: Sequence[ModelAt]) -> None:
    listed = {name: sorted(info.id for info in edge.at(name).models()) for name in {at.endpoint for at in wanted}}
    for at in wanted:
        known = listed[at.endpoint]
        if not any(name == at.model or name.startswith(f"{at.model}-") for name in known):  # undated names are aliases
            whose = f"endpoint {at.endpoint}" if at.endpoint else "the provider"
            remedy = f"It lists: {', '.join(known) or 'none'}."
            raise ConfigurationError(where, f"{whose} has no model {at.model}", remedy)

"""The mission sentence as a Prefect flow.

No `from __future__ import annotations` here: with it the form appears and every run of the deployment crashes.
"""

from prefect import flow

from data_contracts.contest import VerdictRef
from data_contracts.trial import TrialOptions
from flows import hooks
from flows.approval import approved, bought, promotable
from flows.moving import concluded
from tasks import prefect_tasks as stage


@flow(
    name="trial",
    flow_run_name=hooks.name_of_flow_run,
    on_failure=[hooks.note_stop],
    on_crashed=[hooks.note_stop],
    on_cancellation=[hooks.note_cancellation],
)
def trial(use_case: str, options: TrialOptions = TrialOptions()) -> VerdictRef:
    """Curate, partition, fine-tune, evaluate against the best prompt, register the winner.

    Args:
        use_case: Name of a use case under deployments/, or the path of a use-case file
        options: What this one trial does differently; leave it as it is for a normal trial
    """
    started = stage.load(use_case, options)
    validated = stage.validate(stage.curate(started))
    leak_free = stage.check_leakage(stage.partition(validated))
    estimated = stage.estimate(leak_free)
    searched = stage.search_prompts(approved(estimated))
    tuned = stage.wait(bought(searched, estimated))
    judged = stage.judge(stage.evaluate(tuned))
    return concluded(stage.register(promotable(judged)))

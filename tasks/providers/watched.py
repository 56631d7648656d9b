"""A provider whose looks at a job are overheard: what is shown while somebody waits costs no call of its own."""

from collections.abc import Callable
from typing import Any, cast

from data_contracts.money import Job
from tasks.providers.protocol import Provider


def watched(provider: Provider, on_job: Callable[[Job], None]) -> Provider:
    """The same provider; `on_job` is told what each look at a job found."""
    return cast(Provider, _Watched(provider, on_job))


class _Watched:
    def __init__(self, provider: Provider, on_job: Callable[[Job], None]) -> None:
        self._provider, self._on_job = provider, on_job

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the provider has by that name
        return getattr(self._provider, name)

    def job(self, job_id: str) -> Job:
        """Its present state, which is told."""
        job = self._provider.job(job_id)
        self._on_job(job)
        return job

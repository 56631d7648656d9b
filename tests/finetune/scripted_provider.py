"""A provider in memory whose misfortunes are scripted: each call takes the next entry of its script, then works."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from data_contracts.money import Job, JobEvent, Price
from tasks.errors import AmbiguousAnswerError, ProviderRefusedError
from tasks.providers.protocol import AnswerEndpoint, Capabilities, JobRequest, ModelInfo, Serving, TrainingAccess
from tests.fake_clock import FakeClock

Step = Exception | Callable[[], None]
LOST = AmbiguousAnswerError("creating a job", "the connection broke", "Look for it before asking again.")


class ProcessKilled(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


class ScriptedProvider:
    """Files, jobs and models of one account. `accept_then` of a call happens after the call took effect."""

    name = "scripted"
    base_url = "https://provider.example/v1"
    account = "team-a"
    capabilities = Capabilities(methods=frozenset({"supervised", "dpo", "reinforcement"}))

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.files: dict[str, tuple[str, bytes]] = {}
        self.jobs: dict[str, Job] = {}
        self.visible_from: dict[str, float] = {}
        self.list_lag_s = 0.0
        self.requests: list[JobRequest] = []
        self.served: list[str] = ["base-1"]
        self.quoted: float | None = None
        self.undeletable: set[str] = set()
        self.misnamed: str | None = None
        self.deployment: Serving | None = None
        self.history: list[JobEvent] = []
        self.calls: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.refuse: defaultdict[str, list[Step]] = defaultdict(list)
        self.accept_then: defaultdict[str, list[BaseException]] = defaultdict(list)

    def add_job(self, intent: str, training_file: str = "file-1", state: str = "running") -> Job:
        number = len(self.jobs) + 1
        job = Job(
            id=f"job-{number}",
            state=state,
            raw_state=state,
            base_model="base-1",
            training_file=training_file,
            created_at=self.clock.now() + number,
            metadata={"intent": intent},
        )
        self.jobs[job.id] = job
        self.visible_from[job.id] = self.clock.monotonic() + self.list_lag_s
        return job

    def set_job(self, job_id: str, **fields: object) -> None:
        changes = {"raw_state": fields["state"], **fields} if "state" in fields else fields
        self.jobs[job_id] = self.jobs[job_id].model_copy(update=changes)

    def models(self) -> Sequence[ModelInfo]:
        self._count("models")
        return [ModelInfo(name, 0, "scripted") for name in self.served]

    def training_access(self, base_model: str) -> TrainingAccess:
        return TrainingAccess(base_model in self.served, "as scripted")

    def find_file(self, name: str, content: bytes) -> str | None:
        self._count("find_file")
        return next((key for key, known in self.files.items() if known == (name, content)), None)

    def has_file(self, file_id: str) -> bool:
        return file_id in self.files

    def quote(self, request: JobRequest) -> float | None:
        self._count("quote")
        return self.quoted

    def upload(self, name: str, content: bytes) -> str:
        self._count("upload")
        key = f"file-{self.calls['upload']}"
        self.files[key] = (name, content)
        self._lose_answer("upload")
        return key

    def create_job(self, request: JobRequest) -> Job:
        self._count("create_job")
        self.requests.append(request)
        job = self.add_job(request.metadata["intent"], request.training_file)
        self._lose_answer("create_job")
        return job.model_copy(update={"id": self.misnamed}) if self.misnamed else job

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        self._count("find_jobs")
        return [
            job
            for job in self.jobs.values()
            if (job.metadata.get("intent") == intent or job.training_file == training_file)
            and self.visible_from[job.id] <= self.clock.monotonic()
        ]

    def job(self, job_id: str) -> Job:
        self._count("job")
        if job_id not in self.jobs:
            raise ProviderRefusedError("reading the job", "not_found", "no such job", "Check its name.")
        return self.jobs[job_id]

    def events(self, job_id: str) -> Sequence[JobEvent]:
        self._count("events")
        return list(self.history)

    def cancel(self, job_id: str) -> Job:
        self._count("cancel")
        self.set_job(job_id, state="cancelled")
        return self.jobs[job_id]

    def serve(self, model: str) -> Serving:
        self._count("serve")
        if self.deployment:
            return self.deployment
        return Serving("ready" if model in self.served else "starting", model, "as scripted")

    def withdraw(self, model: str) -> None:
        self._count("withdraw")

    def has_model(self, model: str) -> bool:
        return model in self.served

    def delete_file(self, file_id: str) -> None:
        self._count("delete_file")
        if file_id not in self.undeletable:
            self.files.pop(file_id, None)

    def delete_model(self, model: str) -> None:
        self.served.remove(model)

    def price(self, model: str, tuned: bool) -> Price:
        return Price(model=model, input=None, output=None, source="none", as_of="2026-01-01")

    def answer_endpoint(self) -> AnswerEndpoint:
        return AnswerEndpoint(self.base_url, {}, 60.0, 1)

    def _count(self, call: str) -> None:
        self.calls[call] += 1
        self.times[call].append(self.clock.monotonic())
        if script := self.refuse[call]:
            step = script.pop(0)
            if isinstance(step, Exception):
                raise step
            step()

    def _lose_answer(self, call: str) -> None:
        if self.accept_then[call]:
            raise self.accept_then[call].pop(0)

"""What a fault can do to a call: a few general kinds, each with its own fields."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A piece of the fault list; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Lossy(Part):
    accepted: bool = Field(False, description="true: the call takes effect first, and only its answer is lost")


class Status(_Lossy):
    """Another status, with OpenAI's error body unless `body` is given; a redirect is one with a `location` header."""

    kind: Literal["status"]
    status: int = Field(ge=300, le=599)
    code: str | None = None
    type: str | None = Field(None, description="Of the error body; None: the one that goes with the status")
    message: str = "A fault that was asked for."
    headers: dict[str, str] = Field(default_factory=dict, description="For instance retry-after")
    retry_after_date_s: float | None = Field(None, description="retry-after as the HTTP date so many seconds ahead")
    body: str | None = None


class Reset(_Lossy):
    """The connection is reset without an answer."""

    kind: Literal["reset"]


class Hang(_Lossy):
    """No answer comes; after `seconds` the connection is reset."""

    kind: Literal["hang"]
    seconds: float = Field(3600, gt=0)


class Exit(_Lossy):
    """The server dies on the spot, as by kill -9. Started again, it does not die of the same hit again."""

    kind: Literal["exit"]


class Delay(Part):
    """The call waits, then goes on as usual."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0)


class Truncate(Part):
    """The call takes effect; its answer breaks off after a share of its bytes."""

    kind: Literal["truncate"]
    keep: float = Field(0.5, ge=0, lt=1)
    ends_well: bool = Field(False, description="true: the part is sent as if it were the whole, with its own length")


class Trickle(Part):
    """The call takes effect; its answer comes in `pieces` spread over `seconds`."""

    kind: Literal["trickle"]
    seconds: float = Field(gt=0)
    pieces: int = Field(10, ge=2)


class Replace(Part):
    """The answer is something else: an HTML page, broken JSON, null, nothing."""

    kind: Literal["replace"]
    accepted: bool = Field(True, description="false: the call takes no effect, as behind a network's sign-in page")
    body: str = "<!doctype html><html><body>Please sign in to the network.</body></html>"
    content_type: str = "text/html"
    status: int = Field(200, ge=200, le=599)


class Fields(Part):
    """The call takes effect; its JSON answer, or each object of a list, has these fields set."""

    kind: Literal["fields"]
    set: dict[str, Any] = Field(description="Path such as status or choices.0.message.content, to its value")


class Paging(Part):
    """A list forgets query parameters (`after`, `metadata`, ...), lies about `has_more`, turns round or repeats."""

    kind: Literal["paging"]
    ignores: list[str] = Field(default_factory=list)
    has_more: bool | None = None
    reverse: bool = False
    repeats: bool = Field(False, description="Each object comes twice")
    empty: bool = Field(False, description="The objects are left out")
    overlap: int = Field(0, ge=0, description="A page begins so many objects before its cursor")


class JobError(Part):
    """Why a job failed."""

    code: str = "server_error"
    message: str = "The job failed, as was asked for."
    param: str | None = None


class JobFate(Part):
    """Only for `jobs.create`: what becomes of the job. Seconds of a model and of results count from its success."""

    kind: Literal["job"]
    stays: Literal["validating_files", "queued", "running", "paused"] | None = Field(
        None, description="It never leaves this state by itself; paused: somebody else paused it"
    )
    ends: Literal["failed", "cancelled"] | None = Field(None, description="How it ends instead of succeeding")
    during: Literal["validating_files", "running"] = Field("running", description="When it ends so")
    error: JobError = JobError()
    no_model: bool = Field(False, description="It succeeds with fine_tuned_model null")
    model_unnamed_s: float = Field(0, ge=0, description="fine_tuned_model is null for so long")
    model_late_s: float = Field(0, ge=0, description="Its model is not found for so long")
    model_unlisted_s: float = Field(0, ge=0, description="Its model answers, but models.list lacks it for so long")
    model_mute_s: float = Field(0, ge=0, description="Its model is listed, but does not answer for so long")
    model_gone_s: float | None = Field(None, ge=0, description="From then on its model is gone")
    no_results: bool = Field(False, description="It succeeds without a result file")
    empty_results: bool = Field(False, description="Its result file has no line")
    results_late_s: float = Field(0, ge=0, description="result_files is empty for so long")
    hidden_s: float = Field(0, ge=0, description="jobs.list does not show it for so long after its creation")


class FileFate(Part):
    """Only for `files.create`: what becomes of the file."""

    kind: Literal["file"]
    stays: Literal["uploaded"] | None = Field(None, description="It is never processed")
    ends: Literal["error"] | None = Field(None, description="Processing it fails")
    details: str = "The file could not be read."
    hidden_s: float = Field(0, ge=0, description="files.list does not show it for so long")


class BatchFate(Part):
    """Only for `batches.create`: what becomes of the batch."""

    kind: Literal["batch"]
    stays: Literal["validating", "in_progress", "finalizing"] | None = Field(
        None, description="It never leaves this state by itself"
    )
    ends: Literal["failed", "expired", "cancelled"] | None = Field(None, description="How it ends instead")
    error: JobError = Field(JobError(message="The batch failed, as was asked for."), description="Of one that failed")
    answered: float = Field(1, ge=0, le=1, description="Share of its requests, the first ones, that are got to at all")
    refused: int = Field(0, ge=0, description="So many of its first requests are answered with 500")
    shuffled: bool = Field(False, description="Its answers are in another order than its requests")
    hidden_s: float = Field(0, ge=0, description="batches.list does not show it for so long after its creation")


Action = Annotated[
    Status
    | Reset
    | Hang
    | Exit
    | Delay
    | Truncate
    | Trickle
    | Replace
    | Fields
    | Paging
    | JobFate
    | FileFate
    | BatchFate,
    Field(discriminator="kind"),
]

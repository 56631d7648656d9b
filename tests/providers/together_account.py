"""What Together holds for one key, and what it answers about files, jobs and completions.

The answers follow the types of together 3.1.1 and docs.together.ai (read 2026-11-22). How the real one behaves in what
these leave open, only the real one tells.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BASE = "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference"
PROJECT = "proj_1"
HARDWARE = "1xnvidia-h100-80gb"
LIFE = ("pending", "queued", "running", "compressing", "uploading", "completed")
Record = dict[str, Any]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Record, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Fault:
    """What happens to the next request of a call. `accepted`: it takes effect before."""

    call: str
    kind: str  # reset, hang, status, html, cut, fields, redirect
    accepted: bool = True
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    fields: Record = field(default_factory=dict)


@dataclass
class Request:
    """One line of the log."""

    call: str
    body: bytes
    headers: dict[str, str]

    @property
    def sent(self) -> Record:
        found: Record = json.loads(self.body)
        return found


@dataclass
class Account:
    """What Together holds for one key."""

    url: str = ""
    files: dict[str, Record] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, Record] = field(default_factory=dict)
    weights: set[str] = field(default_factory=set)
    endpoints: dict[str, Record] = field(default_factory=dict)
    check: list[str] = field(default_factory=lambda: ["RUNNING", "COMPLETED"])
    price: Record = field(default_factory=lambda: {"estimation_available": True, "estimated_total_price": 1.25})
    metrics: list[Record] = field(default_factory=list)
    configs: list[str] = field(default_factory=lambda: [HARDWARE])
    deployed: list[str] = field(default_factory=lambda: ["PROVISIONING", "READY"])
    chat_error: tuple[int, Record] | None = None
    names_jobs: bool = True  # whether a listing tells a job's suffix and output name
    key_names_project: bool = True
    faults: list[Fault] = field(default_factory=list)
    log: list[Request] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    released: threading.Event = field(default_factory=threading.Event)

    def calls(self, name: str) -> list[Request]:
        return [request for request in self.log if request.call == name]

    def file(self, ident: str) -> Record:
        if ident not in self.files:
            raise Refused(404, {"message": f"file {ident} not found"})
        return self.files[ident]

    def job(self, ident: str) -> Record:
        if ident not in self.jobs:
            raise Refused(404, {"message": f"job {ident} not found"})
        return self.jobs[ident]


Handler = Callable[..., tuple[Record, dict[str, str]] | Record]
HANDLERS: dict[str, Handler] = {}


def answers(name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


@answers("files.announce")
def announce(account: Account, request: Request) -> Record:
    form = dict(re.findall(r'name="(\w+)"\r\n\r\n([^\r]*)\r\n', request.body.decode()))
    known = next((one for one in account.files.values() if one["checksum"] == form["checksum"]), None)
    if known:
        raise Refused(409, {"file_id": known["id"], "message": "file already exists"})
    ident = f"file-{len(account.files) + 1}"
    account.files[ident] = {
        "id": ident,
        "object": "file",
        "created_at": 1,
        "filename": form["file_name"],
        "bytes": 0,
        "FileType": form["file_type"],
        "purpose": form["purpose"],
        "checksum": form["checksum"],
        "checks": list(account.check),
    }
    raise Refused(302, {}, {"Location": f"{account.url}/storage/{ident}?signature=s1", "X-Together-File-Id": ident})


@answers("files.put")
def put(account: Account, request: Request, ident: str) -> Record:
    account.contents[ident] = request.body
    return {}


@answers("files.preprocess")
def preprocess(account: Account, request: Request, ident: str) -> Record:
    file = account.file(ident)
    file |= {"bytes": len(account.contents[ident]), "processing_status": "PENDING"}
    return shown_file(file)


@answers("files.get")
def get_file(account: Account, request: Request, ident: str) -> Record:
    file = account.file(ident)
    if file["checks"] and "processing_status" in file:
        file["processing_status"] = file["checks"].pop(0)
    return shown_file(file)


@answers("files.list")
def list_files(account: Account, request: Request) -> Record:
    return {"data": [shown_file(file) for file in account.files.values()]}


@answers("files.delete")
def delete_file(account: Account, request: Request, ident: str) -> Record:
    account.file(ident)
    del account.files[ident]
    return {"id": ident, "deleted": True}


def shown_file(file: Record) -> Record:
    report = {"valid": False, "error_type": "INVALID_FORMAT", "error": "line 3 has no messages"}
    found = {"validation_report": report} if file.get("processing_status") == "INVALID_FORMAT" else {}
    return {name: value for name, value in file.items() if name not in ("checksum", "checks")} | found


@answers("jobs.limits")
def limits(account: Account, request: Request) -> Record:
    if request.headers["query"] != f"model_name={BASE.replace('/', '%2F')}":
        raise Refused(404, {"message": "model not found or not available for fine-tuning"})
    return {"model_name": BASE, "max_num_epochs": 20, "max_seq_length_sft": 8192}


@answers("jobs.price")
def price(account: Account, request: Request) -> Record:
    return account.price


@answers("jobs.create")
def create_job(account: Account, request: Request) -> Record:
    asked = request.sent
    account.file(asked["training_file"])
    ident = f"ft-{len(account.jobs) + 1}"
    account.jobs[ident] = {
        "id": ident,
        "status": "pending",
        "created_at": f"2026-11-22T10:00:0{len(account.jobs) % 10}Z",
        "updated_at": "2026-11-22T10:00:00Z",
        "user_id": "user-1",
        "model": asked["model"],
        "training_file": asked["training_file"],
        "suffix": asked["suffix"],
        "model_output_name": f"acct/{asked['model'].rpartition('/')[2]}:{asked['suffix']}:{ident}",
        "total_price": 0,
        "token_count": 0,
        "events": [],
    }
    return listed(account, account.jobs[ident])


@answers("jobs.list")
def list_jobs(account: Account, request: Request) -> Record:
    return {"data": [listed(account, job) for job in reversed(account.jobs.values())]}


@answers("jobs.get")
def get_job(account: Account, request: Request, ident: str) -> Record:
    job = account.job(ident)
    if job["status"] not in LIFE[:-1]:
        return job
    job["status"] = LIFE[LIFE.index(job["status"]) + 1]
    if job["status"] == "running":
        job |= {"progress": {"estimate_available": True, "seconds_remaining": 90}, "token_count": 4200}
    if job["status"] == "completed":
        job |= {"total_price": 1_230_000_000, "adapter_object_id": "ml_adapter", "model_object_id": "ml_merged"}
        account.weights |= {"ml_adapter", "ml_merged"}
    return job


@answers("jobs.cancel")
def cancel(account: Account, request: Request, ident: str) -> Record:
    job = account.job(ident)
    if job["status"] not in LIFE[:-1]:
        raise Refused(400, {"message": f"job is {job['status']}"})
    job["status"] = "cancel_requested"
    return listed(account, job)


@answers("jobs.delete")
def delete_job(account: Account, request: Request, ident: str) -> Record:
    account.job(ident)
    del account.jobs[ident]
    return {"message": "deleted"}


@answers("jobs.events")
def events(account: Account, request: Request, ident: str) -> Record:
    return {"data": account.job(ident)["events"]}


@answers("jobs.metrics")
def metrics(account: Account, request: Request, ident: str) -> Record:
    account.job(ident)
    return {"metrics": account.metrics}


def listed(account: Account, job: Record) -> Record:
    hidden = {"events", "model_object_id", "adapter_object_id"}
    if not account.names_jobs:
        hidden |= {"suffix", "model_output_name"}
    return {name: value for name, value in job.items() if name not in hidden}


@answers("chat")
def chat(account: Account, request: Request) -> Record:
    if account.chat_error:
        raise Refused(*account.chat_error)
    return {"id": "c1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "refund"}}]}

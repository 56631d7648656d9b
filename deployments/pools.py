"""What a work pool starts a run with: Prefect's own template of its type, and what a run of ours needs besides.

A password or key is in none of them: a process inherits them, a container gets them from its worker's environment when
it starts, a pod from the Secret `tunegate`.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

from flows.environment import OTHERS
from tasks.providers.dialects import dialects

TYPES = {
    "process": "prefect.workers.process.ProcessWorker",
    "docker": "prefect_docker.worker.DockerWorker",
    "kubernetes": "prefect_kubernetes.worker.KubernetesWorker",
}
STATE = "/var/lib/tunegate"  # run folders, Prefect's results: a run that suspends goes on from there, elsewhere maybe
VOLUME, SECRET, USER = "tunegate-home", "tunegate", 10001
HANDED_ON = (  # set where they are set for the worker, empty elsewhere
    *("TUNEGATE_LEDGER_URL", "TUNEGATE_PROVIDER_URL"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"),
    *("TOGETHER_API_KEY", "AZURE_MANAGEMENT_TOKEN"),
)
Plain = dict[str, Any]


def template(kind: str) -> Plain:
    """The base job template. Raises ModuleNotFoundError where Prefect's integration of that type is not installed."""
    module, _, worker = TYPES[kind].rpartition(".")
    plain: Plain = getattr(import_module(module), worker).get_default_base_job_template()
    variables = plain["variables"]["properties"]
    variables["env"]["default"] = {**OTHERS}
    _NEEDS[kind](plain, variables)
    return plain


def _process(_plain: Plain, _variables: Plain) -> None:
    """The worker's own environment is handed on as a whole."""


def _docker(_plain: Plain, variables: Plain) -> None:
    names = sorted({*HANDED_ON, *(dialect.key_env for dialect in dialects().values())})
    handed_on = {name: f"{{{{ ${name} }}}}" for name in names}  # Prefect fills them in on the worker
    variables["env"]["default"] |= {**_state(), **handed_on}
    variables["image"]["default"] = _image()
    variables["volumes"]["default"] = [f"{VOLUME}:{STATE}"]
    variables["auto_remove"]["default"] = True


def _kubernetes(plain: Plain, variables: Plain) -> None:
    variables["env"]["default"] |= _state()
    variables["image"]["default"] = _image()
    variables["volume_claim"] = _text("Volume claim", VOLUME, f"Claim that is mounted at {STATE}; ReadWriteMany")
    variables["secret"] = _text("Secret", SECRET, "Its entries become variables: addresses, passwords, keys")
    pod = plain["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "state", "persistentVolumeClaim": {"claimName": "{{ volume_claim }}"}}]
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": USER, "fsGroup": USER}
    [container] = pod["containers"]
    container["envFrom"] = [{"secretRef": {"name": "{{ secret }}"}}]
    container["volumeMounts"] = [{"name": "state", "mountPath": STATE}]


def _state() -> dict[str, str]:
    return {"TUNEGATE_HOME": STATE, "PREFECT_HOME": f"{STATE}/prefect"}


def _image() -> str:
    return f"tunegate:{version('tunegate')}"


def _text(title: str, default: str, description: str) -> dict[str, str]:
    return {"type": "string", "title": title, "default": default, "description": description}


_NEEDS: dict[str, Callable[[Plain, Plain], None]] = {
    "process": _process,
    "docker": _docker,
    "kubernetes": _kubernetes,
}

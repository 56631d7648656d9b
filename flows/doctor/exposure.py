"""Servers that answer whoever asks: harmless on this machine alone, a hole on a network."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

from flows.doctor.finding import Finding, broken, fine
from flows.environment import CREDENTIALS, address_shown
from tasks.providers.base_url import is_loopback

PREFECT_FIX = (
    "Set PREFECT_SERVER_API_AUTH_STRING where it starts and PREFECT_API_AUTH_STRING here, "
    "or let it listen on 127.0.0.1."
)
MLFLOW_FIX = (
    "Start it with --app-name basic-auth (pip install 'tunegate[auth]') and set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, or let it listen on 127.0.0.1."
)
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"
TIMEOUT_S = 5


def prefect_exposure(api: str) -> Iterator[Finding]:
    """Whether a stranger on the network may start, read and delete runs."""
    status, body = _anonymous(f"{api.rstrip('/')}/admin/settings")
    host = json.loads(body)["server"]["api"]["host"] if status == 200 else ""
    if host and not (is_loopback(api) and is_loopback(f"http://{host}")):
        yield broken(
            "prefect access", f"{address_shown(api)} listens on {host} and asks nobody for a password", PREFECT_FIX
        )
    else:
        yield fine("prefect access", "nobody else reaches it" if host else "it asks for a password")


def mlflow_exposure(uri: str) -> Iterator[Finding]:
    """Whether a stranger on the network may read trials and move a champion's alias."""
    status, _ = _anonymous(f"{uri.rstrip('/')}{EXPERIMENT}")
    if status in (200, 404) and not is_loopback(uri):
        yield broken("mlflow access", f"{address_shown(uri)} asks nobody for a password", MLFLOW_FIX)
    else:
        yield fine("mlflow access", "on this machine" if is_loopback(uri) else "it asks for a password")


def _anonymous(url: str) -> tuple[int, bytes]:
    """What a stranger gets; status 0 where nothing answers."""
    try:
        with urllib.request.urlopen(CREDENTIALS.sub("//", url), timeout=TIMEOUT_S) as response:  # noqa: S310 - an address of the user's own
            return int(response.status), response.read()
    except urllib.error.HTTPError as refused:
        return refused.code, b""
    except OSError:
        return 0, b""

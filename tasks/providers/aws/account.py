"""One AWS account in one region: clients that ask once, and patience of our own where a call may be repeated."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from data_contracts.provider import Aws, ProviderSettings
from tasks.clock import Clock, SystemClock
from tasks.errors import ConfigurationError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers.aws.errors import ErrorOf, GoneError, Trouble, paid_error, read_error, write_error
from tasks.providers.base_url import checked, is_loopback

ATTEMPTS = 6
PATIENCE_S = 120.0  # a longer wait that AWS asks for is handed to the caller
CONNECT_S = 10.0
MAX_PAGES = 100
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)
ENDPOINT = "provider.aws.endpoint_url"

Send = Callable[[], dict[str, Any]]


class Account:
    """Where AWS calls go, and how. `name` is the account's number, as far as the role's ARN tells it."""

    def __init__(self, settings: ProviderSettings, clock: Clock | None = None) -> None:
        self.aws = settings.aws or Aws()
        self.clock: Clock = clock or SystemClock()
        self._settings = settings
        self.region = self.aws.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        if not self.region:
            raise ConfigurationError("provider.aws.region", "is not set", "Set it, or AWS_REGION, to the job's region.")
        if self.aws.endpoint_url:
            checked(self.aws.endpoint_url, ENDPOINT, settings.allow_private_address)
        role = self.aws.role_arn.split(":")
        self.name = settings.project or (role[4] if len(role) > 4 else "") or "default"

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """A service's boto3 client, made once; it never sends a request twice."""
        return cache(self._client)

    def read(self, call: str, send: Send) -> dict[str, Any]:
        """Ask for what may be asked for again, with patience. What is gone is a ProviderRefusedError."""
        try:
            return self.find(call, send)
        except GoneError:
            remedy = "Check its name, the region and the account."
        raise ProviderRefusedError(call, "not_found", "AWS knows no such thing", remedy)

    def find(self, call: str, send: Send) -> dict[str, Any]:
        """The same, raising GoneError where AWS knows no such thing."""
        return self._patience(ask, call, send, read_error)

    def write(self, call: str, send: Send) -> dict[str, Any]:
        """The same for what is written once; raises TakenError where something is there already."""
        return self._patience(ask, call, send, write_error)

    def once(self, call: str, send: Send) -> dict[str, Any]:
        """The same without patience, for what costs nothing by itself and is looked for before it is asked again."""
        return ask(call, send, write_error)

    def forget(self, call: str, send: Send) -> None:
        """Delete with patience; what is gone already is fine."""
        with suppress(GoneError):
            self.find(call, send)

    def pay(self, call: str, send: Send) -> dict[str, Any]:
        """Ask once. Raises TakenError where AWS holds one of that name already."""
        return ask(call, send, paid_error)

    def pages(self, call: str, send: Callable[..., dict[str, Any]], records: str, token: str) -> Iterator[Any]:
        """Every record of a listing. One that does not come to its end proves nothing: ProviderUnavailableError."""
        after: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = self.read(call, lambda: send(**after))  # noqa: B023 - asked for before `after` changes
            yield from page.get(records, ())
            if not page.get(token):
                return
            after = {token: page[token]}
        remedy = "Ask AWS why its listing repeats itself, then run `tunegate resume RUN`."
        raise ProviderUnavailableError(call, "the listing does not come to its end", remedy)

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        from botocore.config import Config

        url = self._endpoint_url(service)
        style = {"addressing_style": "path"} if url and service == "s3" else {}
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},  # boto3's own would pay again for a lost answer
            connect_timeout=min(CONNECT_S, self._settings.request_timeout_s),
            read_timeout=self._settings.request_timeout_s,
            max_pool_connections=self._settings.max_concurrency,
            proxies={} if url and is_loopback(url) else None,
            s3=style,
        )
        client = self._session.client(service, region_name=self.region, endpoint_url=url, config=config)
        private = self._settings.allow_private_address
        checked(client.meta.endpoint_url, f"The address of AWS {service}", private)
        return client

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        import boto3

        return boto3.session.Session()

    def _endpoint_url(self, service: str) -> str | None:
        """Standard variables win over the use-case file: boto3 reads them where nothing is handed to it."""
        variables = (f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}", "AWS_ENDPOINT_URL")
        return next((os.environ[name] for name in variables if os.environ.get(name)), self.aws.endpoint_url)

    @cached_property
    def _patience(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(ProviderUnavailableError),
            wait=_pause,
            stop=lambda state: state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > PATIENCE_S,
            sleep=self.clock.sleep,
            reraise=True,
        )


def ask(call: str, send: Send, error_of: ErrorOf) -> dict[str, Any]:
    """One request. The error is raised outside the handler, so that none drags a request along."""
    try:
        return send()
    except Exception as error:  # botocore's parser stumbles, by errors of many classes, over what is no answer
        trouble = Trouble.of(error)
    raise error_of(call, trouble)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderUnavailableError) else None
    return max(asked or 0.0, BACKOFF(state))

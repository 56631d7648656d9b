"""Reports the end of a job to the address in the settings, in OpenAI's form ("Webhooks",
https://platform.openai.com/docs/guides/webhooks, 2026-11): three headers, the last an HMAC-SHA256 of id, time and body.

A message that nobody takes is tried again for a while; one that is under way when the server dies is lost, as a
receiver must expect of any message: whoever waits for a job polls as well.
"""

import asyncio
import base64
import hashlib
import hmac
import sys
import time
import urllib.request
from http.client import HTTPException

import orjson

from tasks.providers.local.settings import SettingsFile, Webhooks
from tasks.providers.local.store import new_id

_TIMEOUT_S = 10.0


class WebhookSender:
    """Sends in the background."""

    def __init__(self, settings: SettingsFile) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    def job_ended(self, job_id: str, status: str) -> None:
        """Say that a job has succeeded, failed or been cancelled."""
        if webhooks := self._settings.current().webhooks:
            task = asyncio.create_task(_deliver(webhooks, _event(job_id, status)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def signed(message_id: str, sent_at: int, body: bytes, key: bytes) -> dict[str, str]:
    """The headers of a message: its id, the time and `v1,` with the base64 of HMAC-SHA256 over `id.time.body`."""
    digest = hmac.new(key, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "tunegate-embedded",
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def _event(job_id: str, status: str) -> bytes:
    event = {"id": new_id("evt_"), "object": "event", "created_at": int(time.time())}
    return orjson.dumps({**event, "type": f"fine_tuning.job.{status}", "data": {"id": job_id}})


async def _deliver(webhooks: Webhooks, body: bytes) -> None:
    message_id = new_id("wh_")
    for attempt in range(webhooks.tries):
        try:
            await asyncio.to_thread(_post, webhooks, message_id, body)
        except (OSError, HTTPException, ValueError) as problem:
            print(f"A webhook was not delivered: {type(problem).__name__}", file=sys.stderr, flush=True)
        else:
            return
        await asyncio.sleep(webhooks.backoff_s * 2**attempt)


def _post(webhooks: Webhooks, message_id: str, body: bytes) -> None:
    """Send once. Raises OSError for any answer but 2xx, and for a redirect, which is not followed."""
    headers = signed(message_id, int(time.time()), body, webhooks.key)
    request = urllib.request.Request(webhooks.url, body, headers)  # noqa: S310 - the settings allow http(s) only
    with urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({})).open(request, timeout=_TIMEOUT_S):
        pass


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Go nowhere else: the answer itself is then the error."""

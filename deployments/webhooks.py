"""Where a provider's webhooks arrive: `python -m deployments.webhooks --port 8700`, behind a proxy that speaks https.

A verified message about a job is noted in the ledger; whoever waits for that job then looks at the provider at once.
"""

import logging
import sys

import click
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.providers.webhooks import SECRET_VARIABLE, Verifier, WebhookRefusedError

PATH = "/webhooks/openai"
MAX_BODY_BYTES = 64 * 1024  # a job's event has some 200 bytes
log = logging.getLogger("tunegate.webhooks")


def create_app(verifier: Verifier, ledger: Ledger) -> Starlette:
    """204 for what the provider signed, 400 for anything else, 413 for what is too long. No body is logged."""

    async def receive(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        try:
            moved = verifier.job_moved(body, request.headers)
        except WebhookRefusedError as refused:
            log.warning("a message was refused: %s", refused)
            return Response(status_code=400)
        if moved is not None:
            await run_in_threadpool(ledger.nudge, moved.job, moved.state)
            log.info("job %s: %s", moved.job, moved.state)
        return Response(status_code=204)

    return Starlette(routes=[Route(PATH, receive, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """The whole body, or None as soon as it is too long, whatever its Content-Length says."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8700, show_default=True, help="0 takes a free port.")
@click.option("--secret-env", default=SECRET_VARIABLE, show_default=True, help="Variable with the signing secret.")
def main(host: str, port: int, secret_env: str) -> None:
    """Take in webhooks about fine-tuning jobs."""
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        app = create_app(Verifier(secret_env), Ledger())
    except TunegateError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="info")


if __name__ == "__main__":
    main()

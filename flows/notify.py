"""Who hears of what happens to a use case: the Prefect notification blocks that `approvals.notify` names."""

import logging
from collections.abc import Iterator
from typing import Any

from data_contracts.use_case import UseCase
from tasks.errors import TunegateError

log = logging.getLogger("tunegate")
SHAPE = "write it as type/name, such as slack-webhook/team"
MISSING = "Prefect has no such block: create it in its UI under Blocks, or take it out of `approvals.notify`"
MUTE = "it is no notification block: those for Slack, mail, webhooks and the like are"


class NobodyToTellError(TunegateError):
    """A name in `approvals.notify` leads to nobody."""

    exit_code = 2


def tell(case: UseCase, subject: str, body: str) -> None:
    """Send a message through every block of `approvals.notify`. One that fails is a warning: it stops nothing.

    Names, figures and addresses may stand in it; no key, no row text.
    """
    for name in case.approvals.notify:
        if problem := _problem(name, subject, body):
            log.warning("notify     %s was not told: %s", name, problem)


def problems(case: UseCase) -> Iterator[tuple[str, str]]:
    """Names in `approvals.notify` that lead to nobody, and what to do; nothing is sent."""
    for name in case.approvals.notify:
        try:
            _notifier(name)
        except NobodyToTellError as error:
            yield name, str(error)


def _problem(name: str, subject: str, body: str) -> str:
    """Why a message could not be sent; empty: it was. A receiver's own words are left out: they may name its key."""
    try:
        _notifier(name).notify(body, subject)
    except NobodyToTellError as error:
        return str(error)
    except Exception as error:  # whatever a service, its library or the network can do
        return f"{type(error).__name__}; see that its address and key are right and that this machine reaches it"
    return ""


def _notifier(name: str) -> Any:  # noqa: ANN401 - a NotificationBlock, imported late
    import prefect.blocks.notifications  # noqa: F401 - its classes are found by their names
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block

    if name.count("/") != 1:
        raise NobodyToTellError(SHAPE)
    try:
        block = Block.load(name)
    except ValueError:
        raise NobodyToTellError(MISSING) from None
    if not isinstance(block, NotificationBlock):
        raise NobodyToTellError(MUTE)
    return block

"""A page as a browser reads it: its tags in order, its texts, and what the tests of the report change in a record."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from pydantic import BaseModel

from data_contracts.trial import TrialRecord
from tasks.register.report import render

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Text and tags of a page; AssertionError where a tag is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, *names: str) -> list[dict[str, str | None]]:
        """Attributes of every tag of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]


def shown(record: TrialRecord) -> str:
    """The page's text, as it is read."""
    return Page(render(record)).text


def with_changes(record: TrialRecord, field: str, change: Callable[[Any], None]) -> TrialRecord:
    """The record with one of its documents changed, as JSON."""
    document: BaseModel = getattr(record, field)
    plain = document.model_dump()
    change(plain)
    return replace(record, **{field: type(document).model_validate(plain)})


def with_use_case(record: TrialRecord, **changes: Any) -> TrialRecord:
    use_case = record.case.use_case.model_copy(update=changes)
    return replace(record, case=record.case.model_copy(update={"use_case": use_case}))

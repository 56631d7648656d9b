"""A text is known again whole, cut off and quoted in part, but not by what everybody says."""

import pyarrow as pa
import pytest

from tasks.steps.forgotten.stretches import GONE, WINDOW, Stretches

TEXT = "My name is Quimby Vandermolen and I live at nine Tulip Lane, please send the kettle there."


def test_a_text_is_struck_wherever_it_stands() -> None:
    assert Stretches([TEXT]).strike(f"He wrote: {TEXT} That was all.") == f"He wrote: {GONE} That was all."


@pytest.mark.parametrize("cut", [TEXT[:40], TEXT[17:60], TEXT[-35:]])
def test_a_part_of_it_is_struck_as_far_as_it_goes(cut: str) -> None:
    assert Stretches([TEXT]).strike(f"<<{cut}>>") == f"<<{GONE}>>"


def test_a_text_that_quotes_nothing_stays_as_it_is() -> None:
    assert Stretches([TEXT]).strike("My name is somebody else's.") == "My name is somebody else's."


def test_every_quotation_of_31_characters_is_found() -> None:
    found = Stretches([TEXT])
    quotes = [TEXT[start : start + 31] for start in range(len(TEXT) - 30)]
    assert all(found.are_in(f"... {quote} ...") for quote in quotes)


def test_a_greeting_that_others_use_too_is_left_to_them() -> None:
    greeting = "Dear Sir or Madam, thank you very much for your kind help. "
    found = Stretches([greeting + TEXT])
    found.leave_out(pa.array([f"{greeting}Where is my lamp?"]))
    assert found.strike(f"{greeting}Where is my lamp?") == f"{greeting}Where is my lamp?"
    assert found.strike(TEXT) == GONE


def test_a_short_text_counts_only_where_it_stands_alone() -> None:
    short = "Tulip Lane 9"
    assert len(short) < WINDOW
    found = Stretches([short])
    assert found.strike(short) == GONE
    assert found.strike(f"{short}, second floor") == f"{short}, second floor"
    assert found.strike_nodes(f"<code>{short}</code>") == f"<code>{GONE}</code>"


def test_a_short_text_that_another_row_has_too_is_nobodys_own() -> None:
    found = Stretches(["thanks"])
    found.leave_out(pa.array(["thanks", "no thanks"]))
    assert not found


def test_the_same_stretch_is_found_in_the_form_of_a_file() -> None:
    text = 'She said "the kettle & the lamp" are <both> late again'
    escaped = Stretches([text]).written(lambda one: one.replace("&", "&amp;").replace("<", "&lt;"))
    assert escaped.strike('Case: She said "the kettle &amp; the lamp" are &lt;both> late again.') == f"Case: {GONE}."


def test_texts_in_a_column_that_hold_a_stretch_are_told() -> None:
    column = pa.array([f"a {TEXT}", "nothing", None])
    assert Stretches([TEXT, "short one"]).held(column).tolist() == [True, False, False]

"""Values in a text: what they read as, and where they were copied from."""

import pytest

from tasks.providers.local.learning.passages import passages
from tasks.providers.local.learning.renderings import copies, iso_date, number
from tasks.providers.local.learning.spans import cut, kind, things, tokens


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("45.90", 45.9), ("1,200.50", 1200.5), ("1.200,50", 1200.5), ("45,9", 45.9), ("1,200", 1200)],
)
def test_numbers_are_read_in_english_and_continental_writing(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["2024-03-05", "5 March 2024", "5th of March, 2024", "March 5, 2024", "05.03.2024"])
def test_dates_are_read_as_iso_dates(text):
    assert iso_date(text) == "2024-03-05"


def test_an_impossible_date_and_a_word_are_none():
    assert iso_date("31.02.2024") is None
    assert number("twelve") is None


def test_a_number_date_code_or_address_is_one_token():
    text = "Order FH-13262 of 03/04/2025: $1,200.50, anna.lee@example.com."
    assert [token.text for token in tokens(text) if kind(token.text) != "word"] == [
        *("Order", "FH-13262", "03/04/2025", "1,200.50", "anna.lee@example.com")
    ]


def test_things_are_dates_codes_numbers_and_names_but_no_word_that_opens_a_sentence():
    text = "Yesterday Anna Lee sent FH-12345 on 5 March 2024. She paid 7."
    assert [cut(text, span) for span in things(text)] == ["5 March 2024", "FH-12345", "7", "Yesterday Anna Lee"]


@pytest.mark.parametrize(
    ("value", "rendering"),
    [("fh-123", "lower"), ("Lamp", "title"), (1200.5, "decimal"), (3, "whole"), ("2024-03-05", "date")],
)
def test_a_copied_value_is_found_whatever_its_case_and_format(value, rendering):
    text = "FH-123 was a lamp for 1,200.50, 3 pieces, on March 5, 2024"
    assert rendering in {name for name, _ in copies(value, text)}


@pytest.mark.parametrize("value", [None, True, "absent", 99, "FH-12"])
def test_what_does_not_stand_in_a_text_was_not_copied(value):
    assert list(copies(value, "FH-123, 3 pieces, 1 lamp")) == []


def test_an_answers_names_and_numbers_make_room_for_new_ones():
    found = passages([("Hi, order AB-1 is late. Regards, Anna Lee", "Dear Anna Lee, order AB-1 is on its way.")], 1)
    assert found[0].outline == "Dear <name|dear>, order <code|order> is on its way."
    assert found[0].slots == {"name|dear": "Anna Lee", "code|order": "AB-1"}

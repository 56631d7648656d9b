from tasks.evaluate.failing import likeness
from tasks.evaluate.failing.likeness import Likeness

TEXTS = {
    "a1": "the parcel is late again",
    "a2": "the parcel is late today",
    "a3": "the parcel is late, really",
    "b1": "how do I close my account",
    "b2": "how can I close my account",
    "b3": "how may I close my account",
    "c1": "zebra crossing",
}


def test_neighbours_are_the_inputs_that_are_alike_and_never_oneself():
    found = Likeness(TEXTS).neighbours
    assert set(found["a1"]) == {"a2", "a3"}
    assert set(found["b2"]) == {"b1", "b3"}
    assert found["c1"] == []


def test_many_copies_of_an_input_are_neighbours_up_to_a_number_and_still_not_oneself():
    found = Likeness({f"c{number}": "the very same words" for number in range(20)}).neighbours
    assert {len(others) for others in found.values()} == {likeness.NEIGHBOURS}
    assert all(case not in others for case, others in found.items())


def test_groups_are_of_three_or_more_and_need_no_number():
    assert Likeness(TEXTS).groups(list(TEXTS)) == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]
    assert Likeness(TEXTS).groups(["a1", "a2", "c1"]) == []


def test_the_words_of_a_group_are_those_that_the_others_lack():
    found = Likeness(TEXTS).terms(["a1", "a2", "a3"])
    assert {"parcel", "late"} <= set(found[:4])
    assert "account" not in found


def test_numbers_are_no_words():
    texts = {"a": "iban 12345678", "b": "hello there"}
    assert Likeness(texts).terms(["a"]) == ["iban"]


def test_of_very_many_inputs_every_second_is_grouped(monkeypatch):
    monkeypatch.setattr(likeness, "GROUPED", 6)
    texts = {f"c{number:02}": "the very same words" for number in range(12)}
    assert Likeness(texts).groups(list(texts)) == [[f"c{number:02}" for number in range(0, 12, 2)]]

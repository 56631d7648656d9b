import sys

import pytest

from tasks.errors import ConfigurationError
from tasks.evaluate.scores.own_score import OwnScore, ScorerError, load


def own(folder, source, named="scoring:closeness"):
    (folder / "scoring.py").write_text(source)
    return load(named, folder)


def test_a_module_beside_the_use_case_is_found(tmp_path):
    scorer = own(tmp_path, "def closeness(output, expected, input):\n    return len(output) / 10\n")
    assert scorer("c1", "12345", "x", "y") == 0.5
    assert scorer.name == "scoring:closeness"


def test_a_module_in_a_folder_beside_the_use_case_is_found(tmp_path):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "closeness.py").write_text("def of(*_):\n    return 0.5\n")
    assert load("scores.closeness:of", tmp_path)("c", "", "", "") == 0.5


def test_an_installed_module_is_found(tmp_path):
    assert load("operator:eq", tmp_path).name == "operator:eq"


def test_two_use_cases_may_name_their_modules_alike(tmp_path):
    scorers = []
    for figure in ("0.25", "0.75"):
        folder = tmp_path / figure
        folder.mkdir()
        scorers.append(own(folder, f"def closeness(output, expected, input):\n    return {figure}\n"))
    assert [scorer("c", "", "", "") for scorer in scorers] == [0.25, 0.75]


def test_the_module_may_import_its_neighbours_and_the_path_is_left_as_it_was(tmp_path):
    (tmp_path / "neighbour_of_scoring.py").write_text("HALF = 0.5\n")
    path = [*sys.path]
    source = "from neighbour_of_scoring import HALF\n\ndef closeness(*_):\n    return HALF\n"
    assert own(tmp_path, source)("c", "", "", "") == 0.5
    assert sys.path == path


@pytest.mark.parametrize(
    ("source", "named", "told"),
    [
        ("", "scoring", "module:function"),
        ("", ":closeness", "module:function"),
        ("", "no_such_module_here:closeness", "no module no_such_module_here"),
        ("", "no_such_module_here.scoring:closeness", "no module no_such_module_here"),
        ("import no_such_neighbour", "scoring:closeness", "no module no_such_neighbour"),
        ("closeness = 1", "scoring:closeness", "no function closeness"),
        ("", "scoring:closeness", "no function closeness"),
        ("1 / 0", "scoring:closeness", "importing scoring raised ZeroDivisionError"),
        ("def", "scoring:closeness", "importing scoring raised SyntaxError"),
    ],
)
def test_a_function_that_is_not_there_is_a_configuration_error(tmp_path, source, named, told):
    with pytest.raises(ConfigurationError, match=told) as stopped:
        own(tmp_path, source, named)
    assert stopped.value.where == "evaluation.scorer"


@pytest.mark.parametrize(("value", "score"), [(True, 1.0), (0, 0.0), (1, 1.0), (0.5, 0.5)])
def test_a_number_from_0_to_1_is_a_score_and_so_is_right_or_wrong(value, score):
    assert OwnScore("m:f", lambda *_: value)("c", "", "", "") == score


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "returned nan"),
        (float("inf"), "returned inf"),
        (1.01, r"returned 1\.01"),
        (-0.1, r"returned -0\.1"),
        ("0.5", "returned str"),
        (None, "returned NoneType"),
        ([0.5], "returned list"),
    ],
)
def test_anything_else_is_an_error_that_names_function_and_case(value, told):
    with pytest.raises(ScorerError, match=told) as stopped:
        OwnScore("m:f", lambda *_: value)("c017", "", "", "")
    assert "m:f" in str(stopped.value)
    assert "c017" in str(stopped.value)


def test_what_the_function_raises_is_told_by_its_type_and_no_text_of_the_row_hangs_on_to_it():
    def quoting(output, expected, asked):
        raise ValueError(f"cannot score {output}, {expected}, {asked}")

    with pytest.raises(ScorerError, match="raised ValueError for case c017") as stopped:
        OwnScore("m:f", quoting)("c017", "secret", "secret", "secret")
    error = stopped.value
    assert "secret" not in f"{error} {error.args} {error.__context__} {error.__cause__}"
    assert error.exit_code == 75

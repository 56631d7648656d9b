"""A score of your own: a Python function that the use case names."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from numbers import Real
from pathlib import Path
from types import ModuleType

from tasks.errors import ConfigurationError, ResumableError

WHERE = "evaluation.scorer"


class ScorerError(ResumableError):
    """Your own function gave no score for a case. Only the case's id is told, never its text."""


@dataclass(frozen=True)
class OwnScore:
    """A function of (output, expected, input) that says how right an answer is, 0 to 1; and its name."""

    name: str
    function: Callable[[str, str, str], object]

    def __call__(self, case: str, output: str, expected: str, asked: str) -> float:
        """The score of one case. `output` is the answer as it was read: label, canonical JSON or text.

        Raises ScorerError where the function raises, or returns anything but a number from 0 to 1.
        """
        try:
            value = self.function(output, expected, asked)
        except Exception as error:
            problem = f"raised {type(error).__name__}"
        else:
            if isinstance(value, Real) and 0 <= float(value) <= 1:  # false for NaN
                return float(value)
            problem = f"returned {float(value) if isinstance(value, Real) else type(value).__name__}"
        # Raised here, not above: the function's own exception may quote the row, and would hang on to this one.
        remedy = "Mend the function, then `tunegate resume`: the answers are kept. It returns a number from 0 to 1."
        raise ScorerError(f"Scoring with {self.name}", f"it {problem} for case {case}", remedy)


def load(named: str, folder: Path) -> OwnScore:
    """The function that "module:function" names; the module lies in `folder`, the use case's own, or is installed.

    Raises ConfigurationError where there is no such module or function.
    """
    module_name, _, function_name = named.partition(":")
    if not module_name or not function_name:
        raise ConfigurationError(WHERE, f"{named} is not of the form module:function", "Write scoring:closeness, say.")
    function = getattr(_module(module_name, folder), function_name, None)
    if not callable(function):
        remedy = "Name one that takes (output, expected, input)."
        raise ConfigurationError(WHERE, f"module {module_name} has no function {function_name}", remedy)
    return OwnScore(named, function)


def _module(name: str, folder: Path) -> ModuleType:
    try:
        with _first_on_path(folder):
            return _of_folder(name, folder) or importlib.import_module(name)
    except ModuleNotFoundError as missing:
        problem, remedy = f"there is no module {missing.name}", f"Put it into {folder}, or install it."
    except Exception as error:
        problem, remedy = f"importing {name} raised {type(error).__name__}: {error}", "Mend the module."
    raise ConfigurationError(WHERE, problem, remedy)


def _of_folder(name: str, folder: Path) -> ModuleType | None:
    """The module of that folder, loaded anew: another use case's may have the same name."""
    *parents, _ = name.split(".")
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(name, [str(folder.joinpath(*parents))])
    if spec is None or spec.loader is None or not spec.has_location:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))

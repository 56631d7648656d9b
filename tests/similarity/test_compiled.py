import subprocess
import sys

import pytest

from tasks.similarity import warm
from tasks.similarity.compiled import CACHE

MODULES = ("texts", "phrases", "pairs", "clusters", "sketch", "search", "reading")
LOOPS = {"reader.read", "counting.count_rows", "listing.choose", "comparing.compare_words", "sketch_loops.meet"}


def test_nothing_is_compiled_or_loaded_before_something_is_compared() -> None:
    imports = "; ".join(f"import tasks.similarity.{name}" for name in MODULES)
    code = f"import sys; {imports}; print('numba' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.skipif(not CACHE.parent.exists(), reason="compiled code is kept elsewhere")
def test_what_was_compiled_is_kept_beside_the_source_of_this_very_version() -> None:
    warm()
    assert {path.name.split("-")[0] for path in CACHE.rglob("*.nbi")} >= LOOPS

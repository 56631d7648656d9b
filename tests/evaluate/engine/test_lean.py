"""An engine process starts in the time of its HTTP client: nothing heavy comes along."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
HEAVY = ["pandas", "numpy", "scipy", "prefect", "mlflow", "openai", "pydantic", "sqlalchemy", "httpx", "sklearn"]
PROGRAM = f"""
import sys
import tasks.evaluate.answer, tasks.evaluate.engine.journal, tasks.providers.protocol
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_the_engine_and_its_journal_bring_no_heavy_library_along() -> None:
    shown = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

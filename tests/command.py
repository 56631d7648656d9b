"""The `tunegate` command as a user calls it: a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TUNEGATE = Path(sys.executable).with_name("tunegate")


@dataclass(frozen=True)
class Shell:
    """A working folder with its TUNEGATE_HOME in it, and further variables."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / ".tunegate"

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `tunegate ...` to its end, whatever its exit code."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "TUNEGATE_HOME": str(self.home), **self.variables}
        command = [TUNEGATE, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def json(self, *arguments: str | Path) -> dict[str, Any]:
        """What `tunegate ... --json` says; standard output holds that object and nothing else."""
        done = self(*arguments, "--json")
        content = json.loads(done.stdout)
        assert isinstance(content, dict)
        return content

"""Run as a program: reads the files named on its command line, and prints by how many MB its memory peak grew."""

import json
import sys
from pathlib import Path

from tasks.errors import TunegateError
from tests.curate.cases import jsonl, read_file, row, use_case


def peak() -> int:
    """Most memory that this process ever held, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main(path: str) -> dict[str, int | str]:
    """Growth of the peak, the counts, and the error if there was one. A small file is read first, for the imports."""
    from tasks.curate.quarantine import Quarantine
    from tasks.curate.read import read

    folder = Path(path).parent
    read_file(folder / "small.jsonl", jsonl(row()))
    before = peak()
    with Quarantine(folder / "quarantine.lines") as quarantine:
        try:
            raw = read(use_case(path), folder / "raw.examples", quarantine)
        except TunegateError as error:
            return {"grown": peak() - before, "error": str(error)}
    return {"grown": peak() - before, "rows": raw.rows, "rejected": raw.rejected}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))

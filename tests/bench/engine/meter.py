"""What a command takes as a whole process, children included: `python -I -S meter.py RESULT SECONDS COMMAND...`.

A process of its own, with next to nothing in memory: Linux counts into a child's peak what its parent held at the fork.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Write wall_s, cpu_s, peak_mb (the largest single process) and code into the file RESULT."""
    result, most_s, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, setpgroup=0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, most_s)
    _, status, used = os.wait4(child, 0)
    taken = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w") as file:  # noqa: PTH123 - pathlib would be most of what this process holds
        json.dump(taken, file)


if __name__ == "__main__":
    main()

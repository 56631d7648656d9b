"""`python -m tests.bench [PART]... [--rows N]... [--runs N] [--folder F] [--full] ...`; without PART everything."""

import argparse
from pathlib import Path

from tests.bench import answers, curation, leakage, polling, speed, trials
from tests.bench.options import PARTS, Options


def main() -> None:
    """Measure the parts asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them without one")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes for `leakage`")
    parser.add_argument("--curation-rows", type=int, default=100_000, help="size for `curation`")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts")
    parser.add_argument("--methods", nargs="+", help="only these of `leakage` (the limit always)")
    parser.add_argument("--folder", type=Path, help="keeps the generated data; without it the temporary folder does")
    parser.add_argument("--tuning", action="store_true", help="the seed to tune on, and nothing that is held out")
    parser.add_argument("--contenders", nargs="+", help="only these of `answers` (tunegate always)")
    parser.add_argument("--full", action="store_true", help="every row of `answers`, and more repeats")
    given = vars(parser.parse_args())
    parts = given.pop("parts") or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    options = Options(**given)
    if "speed" in parts:
        speed.bench(options)
    if "answers" in parts:
        answers.bench(options)
    if "polling" in parts:
        polling.bench(options)
    if "leakage" in parts:
        leakage.bench(options)
    if "curation" in parts:
        curation.bench(options)
    if "trials" in parts:
        trials.bench(options)


if __name__ == "__main__":
    main()

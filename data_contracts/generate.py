"""Rows of a bundled use case: `python -m data_contracts.generate support_intents --seed 7 > rows.jsonl`."""

import argparse
import sys

from data_contracts.generators import order_mails, support_intents

GENERATORS = {"order_mails": order_mails.generate, "support_intents": support_intents.generate}


def main() -> None:
    """Write the rows to standard output, one JSON object a line."""
    parser = argparse.ArgumentParser(description="Write the rows of a bundled use case to standard output.")
    parser.add_argument("use_case", choices=sorted(GENERATORS))
    parser.add_argument("--seed", type=int, default=7, help="the committed rows.jsonl was made with 7")
    options = parser.parse_args()
    lines = GENERATORS[options.use_case](options.seed).lines
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()

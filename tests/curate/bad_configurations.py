"""Mistakes in a use-case file or its contract, each one text put in the place of another: where it is, and the fix."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A text of use_case.yaml or contract.yaml and what takes its place."""

    name: str
    file: str
    old: str
    new: str
    place: str  # the message names it: the key, or the line
    fix: str  # stands in the message


CASE, CONTRACT = "use_case.yaml", "contract.yaml"
MISTAKES = [
    Mistake("unknown key", CASE, "test: 0.25", "tset: 0.25", "split.tset", "Mend these keys"),
    Mistake("key twice", CASE, "alpha: 0.05", "alpha: 0.05\n  alpha: 0.01", "line", "Mend the YAML there"),
    Mistake("alias", CASE, "alpha: 0.05", "alpha: &a 0.05\n  min_score: *a", CASE, "Write the value out"),
    Mistake("tab", CASE, "  alpha: 0.05", "\talpha: 0.05", "line", "Mend the YAML there"),
    Mistake("text for a number", CASE, "test: 0.25", "test: a quarter", "split.test", "valid number"),
    Mistake("no room for train", CASE, "test: 0.25", "test: 0.8", "split", "leave at least 0.1 for train"),
    Mistake("unknown kind", CASE, "kind: classification", "kind: sorting", "kind", "'classification', 'extraction'"),
    Mistake(
        "metric of another kind",
        CASE,
        "alpha: 0.05",
        "alpha: 0.05\n  metric: text_f1",
        "gates.metric",
        "set accuracy or",
    ),
    Mistake("no such contract", CASE, "/contract.yaml", "/contrat.yaml", "contrat.yaml", "Check the path"),
    Mistake("extraction without a schema", CASE, "kind: classification", "kind: extraction", CONTRACT, "output_schema"),
    Mistake(
        "limit below zero", CASE, "source:\n", "source:\n  max_tokens: -1\n", "source.max_tokens", "greater than 0"
    ),
    Mistake(
        "unknown rule of privacy",
        CASE,
        "    default: block",
        "    rules: {mail: mask}\n    default: block",
        "mail",
        "Mend",
    ),
    Mistake(
        "format that nobody reads",
        CASE,
        "files:\n",
        "files:\n    - {path: a, format: xml}\n",
        "format",
        "'jsonl', 'csv'",
    ),
    Mistake("column that is not declared", CONTRACT, "group: customer", "group: account", "account", "Declare them"),
    Mistake("tools that are not declared", CONTRACT, "group: customer", "tools: tools", "tools", "Declare them"),
    Mistake("unknown type", CONTRACT, "{type: datetime,", "{type: date,", "columns.received_at.type", "'datetime'"),
    Mistake("chat and flat at once", CONTRACT, "  input: text", "  messages: text\n  input: text", "mapping", "either"),
    Mistake("question without an answer", CONTRACT, "  output: intent\n", "", "mapping", "needs an `output`"),
    Mistake(
        "pair without an answer",
        CONTRACT,
        "  input: text\n  output: intent",
        "  messages: text\n  rejected: intent",
        "mapping",
        "as `output`",
    ),
    Mistake(
        "unknown turns", CONTRACT, "  input: text", "  compare: system\n  input: text", "mapping.compare", "'last_user'"
    ),
    Mistake("unknown severity", CONTRACT, "severity: warning", "severity: mild", "severity", "'critical', 'warning'"),
]

"""The gate between the partitions and everything that is uploaded, trained or scored."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.data_policy import Leakage
from data_contracts.records import LeakageReport, LeakFreePartitions, Partitions
from tasks.errors import DataError, LeakageError
from tasks.partition.leaks import findings
from tasks.partition.leaks.links import SAME_MEANING
from tasks.partition.leaks.search import JUDGES, Context, Search, evaluation_rows
from tasks.partition.placing.memory import COPIED, LEAK
from tasks.similarity.spread import Machine, machines

NOWHERE = Context()


@dataclass(frozen=True)
class Found:
    """What gives evaluation rows away, and the search that found it, to look again once rows are withheld."""

    report: LeakageReport
    pairs: pd.DataFrame  # PAIR_COLUMNS: the worst of each evaluation row, then what retrieval corpora hold
    links: pd.DataFrame  # all of them, by position
    search: Search


def find(partitions: Partitions, inputs: pa.ChunkedArray, policy: Leakage, context: Context = NOWHERE) -> Found:
    """Validation and test against everything that is trained on, or was.

    `inputs` are the texts of all curated rows, in which a row's `position` is its number. Nothing is changed, and
    nothing leaves the machine but the texts that `policy.semantic` is asked about.
    """
    with machines(policy.workers) as machine:
        search = Search.of(inputs, policy, context, machine)
        links = search.links(partitions, machine)
    report, pairs = findings.report(partitions, links, search)
    return Found(report, pairs, links, search)


def check(partitions: Partitions, found: Found, report_path: str) -> LeakFreePartitions:
    """Let clean partitions pass; stop with LeakageError, or withhold the train side, as the policy says.

    The report keeps what was found before anything was withheld. DataError where no train or test row would be left.
    """
    links = _leaks(found.links, partitions, found.search, report_path)
    clean = _without_leaks(partitions, links, found.search, report_path) if len(links) else partitions
    report = found.report.model_copy(update={"withheld": len(partitions.train) - len(clean.train)})
    return LeakFreePartitions(clean, report, found.pairs)


def _leaks(links: pd.DataFrame, partitions: Partitions, search: Search, report_path: str) -> pd.DataFrame:
    """The links that are no mere review. LeakageError where one of them stops the run."""
    leaks = links[~links["review"]]
    policy, meaning = search.policy, leaks["severity"] == SAME_MEANING
    stops = meaning & (policy.semantic is not None and policy.semantic.on_leak == "stop")
    stops |= ~meaning & (policy.on_leak == "stop")
    stopping = evaluation_rows(partitions)["partition"].loc[leaks["evaluation"][stops].unique()]
    if len(stopping):
        names = [name for name in JUDGES if (stopping == name).any()]
        raise LeakageError(" and ".join(names), len(stopping), report_path)
    return leaks


def _without_leaks(partitions: Partitions, links: pd.DataFrame, search: Search, report_path: str) -> Partitions:
    """Withhold and look again, until nothing is found."""
    with machines(search.policy.workers) as machine:
        while len(links):
            partitions = _withhold(partitions, links, search, machine)
            links = _leaks(search.links(partitions, machine), partitions, search, report_path)
    return partitions


def _withhold(partitions: Partitions, links: pd.DataFrame, search: Search, machine: Machine) -> Partitions:
    """Only train shrinks, with one exception: what an earlier tune was trained on cannot be taken back, so that the
    evaluation row leaves that is a copy of it.
    """
    copied = links.loc[links["source"] == "uploaded", "evaluation"].unique()
    links = links[~links["evaluation"].isin(copied)]
    copies = search.sources(links["evaluation"].unique(), partitions, machine)
    leaking = np.union1d(links["train"], copies)
    return _moved(_moved(partitions, JUDGES, copied, COPIED), ("train",), leaking, LEAK)


def _moved(partitions: Partitions, names: tuple[str, ...], positions: np.ndarray, reason: str) -> Partitions:
    """The partitions with these rows among the withheld."""
    frames = {name: getattr(partitions, name) for name in ("train", *JUDGES)}
    leaving = {name: frames[name]["position"].isin(positions) for name in names}
    left = {name: frames[name][gone].assign(reason=reason) for name, gone in leaving.items()}
    frames |= {name: frames[name][~gone].reset_index(drop=True) for name, gone in leaving.items()}
    for name in ("train", "test"):
        if frames[name].empty and name in names:
            raise DataError("leakage", f"every {name} row leaks", "Give files that do not overlap.")
    return Partitions(**frames, withheld=pd.concat([partitions.withheld, *left.values()], ignore_index=True))

"""Several answers to one question: which of them stays, by the use case's policy."""

from typing import Literal

import numpy as np
import pandas as pd

from tasks.curate.cleaning.columns import Positions

Policy = Literal["quarantine", "majority", "newest"]


def same_words(rows: pd.DataFrame, policy: Policy) -> tuple[Positions, pd.DataFrame]:
    """Rows with a rival answer to the same question, and the losers among them with a `rival` each.

    rows: question, output, created, indexed by position.
    """
    answers = rows.groupby("question")["output"]
    disputed = rows[answers.transform("min") != answers.transform("max")]
    votes = disputed.assign(weight=1)
    losers = disputed[_winners(votes, policy).reindex(disputed["question"]).to_numpy() != disputed["output"].to_numpy()]
    return disputed.index.to_numpy(), losers.assign(rival=_rivals(disputed).loc[losers.index])


def near_words(pairs: pd.DataFrame, rows: pd.DataFrame, policy: Policy) -> tuple[Positions, pd.DataFrame]:
    """The same for rows of which some say nearly the same; each is judged among its own neighbours, never by chains.

    pairs: left, right (positions) with close enough words; rows: output, created, weight (copies), by position.
    """
    both = np.concatenate([pairs[["left", "right"]].to_numpy(), pairs[["right", "left"]].to_numpy()])
    around = pd.DataFrame(both, columns=["question", "row"])
    outputs = rows["output"]
    rival = outputs.loc[around["question"]].to_numpy() != outputs.loc[around["row"]].to_numpy()
    disputed = np.unique(around["question"][rival])
    itself = pd.DataFrame({"question": disputed, "row": disputed})
    asked = pd.concat([itself, around[around["question"].isin(disputed)]])
    votes = asked.join(rows[["output", "created", "weight"]], on="row")
    losers = disputed[_winners(votes, policy).reindex(disputed).to_numpy() != outputs.loc[disputed].to_numpy()]
    first = around[rival].groupby("question")["row"].first()
    return disputed, pd.DataFrame({"rival": first.loc[losers]}, index=losers)


def _winners(votes: pd.DataFrame, policy: Policy) -> pd.Series:
    """Question -> the answer that stays: of most rows, or of the newest row. A tie has none.

    votes: question, output, created (0 where undated), weight.
    """
    if policy == "quarantine":
        return pd.Series(dtype="float64")
    given = votes.groupby(["question", "output"])
    weight = given["weight"].sum() if policy == "majority" else given["created"].max()
    best = weight[weight == weight.groupby("question").transform("max")].reset_index()
    return best.drop_duplicates("question", keep=False).set_index("question")["output"]


def _rivals(disputed: pd.DataFrame) -> pd.Series:
    """For each row the position of one with the same question and another answer."""
    at = disputed.index.to_series()
    first = disputed["output"].groupby(disputed["question"]).transform("first")
    differs = disputed["output"] != first
    other = at.where(differs).groupby(disputed["question"]).transform("first")
    return at.groupby(disputed["question"]).transform("first").where(differs, other).astype("int64")

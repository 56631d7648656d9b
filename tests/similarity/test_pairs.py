"""Which pairs are alike, and of which kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.data_policy import Leakage
from tasks.similarity import search, workers
from tasks.similarity.pairs import KINDS, best_pairs, candidates
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts
from tests.planted.data import TuningError, plant
from tests.similarity.made import POLICY, found, pairs_of, unrelated_texts

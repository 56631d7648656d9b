import numpy as np
import pytest

from tasks.evaluate.comparison.clusters import Clusters, Sampling


def test_cases_of_a_group_are_one_cluster_and_a_case_without_a_group_is_one_by_itself():
    found = Clusters.of(["a", "b", "c", "d"], {"a": "x", "c": "x", "d": "b"})
    assert (list(found.codes), found.count, found.single) == ([0, 1, 0, 2], 3, False)  # group b is not case b


def test_without_groups_each_case_is_by_itself():
    assert Clusters.of(["a", "b"], {}).single
    assert Clusters.of(["a", "b"], {"a": "x", "b": "y"}).single


def test_clusters_are_drawn_whole_and_as_many_as_there_are():
    clusters = Clusters(np.array([0, 1, 1, 2, 2, 2]))
    weights = np.concatenate(list(clusters.draws(Sampling(seed=1, resamples=50))))
    assert weights.shape == (50, 6)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_the_design_effect_is_1_for_single_cases_and_the_size_of_groups_of_like_ones():
    values = np.random.default_rng(1).random(60)
    assert Clusters(np.arange(60)).design_effect(values) == pytest.approx(1)
    assert Clusters(np.repeat(np.arange(60), 4)).design_effect(np.repeat(values, 4)) == pytest.approx(4)


def test_where_nothing_varies_a_group_is_worth_one_case():
    assert Clusters(np.repeat(np.arange(10), 3)).design_effect(np.ones(30)) == 3


def test_a_part_keeps_who_belongs_together():
    assert list(Clusters(np.array([0, 1, 2, 2, 4, 3])).at(np.array([2, 3, 5])).codes) == [0, 0, 1]

"""Which rows are alike: by the rare phrases they share, never by stock phrases."""


def warm() -> None:
    """Compile every loop, once a machine: some ten seconds, then kept on disk."""
    from data_contracts.data_policy import Leakage
    from tasks.similarity.clusters import clusters
    from tasks.similarity.pairs import best_pairs
    from tasks.similarity.phrases import RowCounts
    from tasks.similarity.sketch import sketch_matches, sketches
    from tasks.similarity.texts import Texts

    texts, policy = Texts.of(["where is the card that you sent to me", "Où est la carte ?"]), Leakage()
    counts = RowCounts.of(texts)
    best_pairs(texts, texts, counts, policy)
    clusters(texts, counts, policy)
    counts.boilerplate(texts, policy)
    sketch = sketches(texts, counts, policy)
    sketch_matches(sketch, sketch, policy)

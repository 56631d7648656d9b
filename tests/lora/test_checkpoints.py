from tasks.providers.local.lora.checkpoints import Checkpoints


def _checkpoint(folder, step, whole):
    (folder / f"checkpoint-{step}").mkdir()
    (folder / f"checkpoint-{step}" / "optimizer.pt").touch()
    if whole:
        Checkpoints(folder, b"rows").mark_whole(step)


def test_training_goes_on_from_the_last_whole_checkpoint_and_a_torn_one_is_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path / "found", b"rows")
    for step, whole in ((8, True), (40, True), (120, False)):
        _checkpoint(checkpoints.folder, step, whole)
    assert checkpoints.latest() == checkpoints.folder / "checkpoint-40"
    assert not (checkpoints.folder / "checkpoint-120").exists()


def test_there_is_none_at_first(tmp_path):
    assert Checkpoints(tmp_path / "found", b"rows").latest() is None


def test_checkpoints_of_other_rows_or_another_recipe_are_thrown_away(tmp_path):
    before = Checkpoints(tmp_path / "found", b"rows")
    _checkpoint(before.folder, 8, whole=True)
    assert Checkpoints(tmp_path / "found", b"rows").latest() is not None
    assert Checkpoints(tmp_path / "found", b"other rows").latest() is None
    assert list(before.folder.glob("checkpoint-*")) == []


def test_nothing_is_left_once_they_are_discarded(tmp_path):
    checkpoints = Checkpoints(tmp_path / "found", b"rows")
    _checkpoint(checkpoints.folder, 8, whole=True)
    checkpoints.discard()
    assert list(tmp_path.iterdir()) == []

"""Laws of the batches of a training."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.training import pipeline


def read(batches):
    return [[array.numpy() for array in batch] for batch in batches]


@pytest.mark.parametrize("whole", [True, False])
def test_an_epoch_takes_every_matrix_once(whole):
    chosen = pipeline.shuffled(103, 10, [1, 2], whole)
    assert [len(rows) for rows in chosen] == [10] * 10 + [3] * (not whole)
    rows = np.concatenate(chosen)
    assert len(set(rows)) == len(rows) and set(rows) <= set(range(103))
    assert all((np.diff(rows) > 0).all() for rows in chosen)
    assert not (np.diff(np.concatenate(chosen)) > 0).all()


def test_seed_and_epoch_set_the_order():
    orders = [
        np.concatenate(pipeline.shuffled(50, 5, seed))
        for seed in ([1, 2], [1, 2], [1, 3], [2, 2])
    ]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert all((orders[0] != other).any() for other in orders[2:])


def test_batches_hold_the_chosen_matrices_of_an_array_or_a_memory_map(h, tmp_path):
    chosen = pipeline.shuffled(len(h), 30, [1, 2])
    np.save(tmp_path / "h.npy", h)
    for source in (h, np.load(tmp_path / "h.npy", mmap_mode="r")):
        batches = read(pipeline.csi_batches(source, chosen, 30))
        assert len(batches) == len(chosen)
        for rows, (x,) in zip(chosen, batches):
            np.testing.assert_array_equal(x, transforms.to_real(h[rows]))


def test_batches_in_order_have_a_shorter_one_at_the_end(h):
    batches = read(pipeline.csi_batches(h[:70], pipeline.in_order(70, 30)))
    assert [len(x) for (x,) in batches] == [30, 30, 10]
    x = np.concatenate([x for (x,) in batches])
    np.testing.assert_array_equal(x, transforms.to_real(h[:70]))


def test_arrays_that_belong_together_stay_together():
    arrays = [np.arange(20, dtype="f4"), np.arange(40, dtype="f4").reshape(20, 2)]
    chosen = pipeline.shuffled(20, 6, [0], whole=False)
    for rows, (one, two) in zip(chosen, read(pipeline.array_batches(arrays, chosen))):
        np.testing.assert_array_equal(one, rows)
        np.testing.assert_array_equal(two[:, 0], 2 * rows)


def test_an_error_of_the_reader_arrives_as_it_is_when_its_batch_is_due(h):
    class Broken(np.ndarray):
        def __getitem__(self, key):
            if isinstance(key, slice) and key.start == 60:
                raise OSError("the disk is gone")
            return super().__getitem__(key)

    batches = pipeline.csi_batches(h.view(Broken), pipeline.in_order(100, 20))
    for _ in range(3):
        next(batches)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)

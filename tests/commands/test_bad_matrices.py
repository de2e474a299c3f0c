"""A matrix that cannot be used is named by its number in the file, in one line."""

import numpy as np
import pytest
import scipy.io

from tests.conftest import slow
from tfcsi.__main__ import main


@pytest.fixture
def told(tmp_path, capsys):
    """The function (file, codec) -> what compress says when it must fail."""

    def told(path, codec="paths"):
        flags = [f"--codec={codec}", f"--input={path}", f"--output={tmp_path}/p.tcsi"]
        assert main(["tfcsi", "compress", *flags]) == 1
        return capsys.readouterr().err

    return told


@pytest.mark.parametrize("value", [np.nan, slow(np.inf)])
def test_a_number_that_is_not_finite(tmp_path, told, draw_csi, value):
    h = np.tile(draw_csi(30, (32, 32)), (40, 1, 1))
    h[1103, 3, 4] = value  # In the second block.
    np.save(tmp_path / "h.npy", h)
    assert "h.npy: 'array', matrix 1103: NaN or infinite" in told(tmp_path / "h.npy")


def test_a_number_that_is_not_of_the_published_form(tmp_path, told):
    ht = np.random.default_rng(0).uniform(0.4, 0.6, (1200, 2048)).astype(np.float32)
    ht[1011, 5] = 7
    scipy.io.savemat(tmp_path / "DATA_Htestin.mat", {"HT": ht})
    error = told(tmp_path / "DATA_Htestin.mat")
    assert "'HT', matrix 1011: in [0.4" in error and ", 7], expected [0, 1]" in error


@pytest.mark.parametrize("scale", [0, 9])
def test_a_matrix_of_another_scale(tmp_path, told, h, workdir, scale):
    sent = h[300:340].copy()
    sent[37] *= scale
    np.save(tmp_path / "h.npy", sent)
    assert "h[37] has max |h| = " in told(tmp_path / "h.npy", workdir)

"""Laws of the matrices that a training draws from a batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import metrics, transforms
from tfcsi.codecs.schema import AUGMENTATIONS
from tfcsi.training import augment


def augmented(h, kind, seed=5):
    x = augment.augment(transforms.to_real(h), kind, tf.constant([1, seed], tf.int64))
    return transforms.to_complex(np.asarray(x))


def test_phase_augmentation_is_a_rotation_of_each_matrix(h):
    ratio = augmented(h, "phase") * np.exp(1j) / (h * np.exp(1j))
    strong = np.abs(h) > 0.05
    turn = np.array([r[s].mean() for r, s in zip(ratio, strong)])
    np.testing.assert_allclose(np.abs(turn), 1, atol=1e-4)
    np.testing.assert_allclose(ratio[strong], np.repeat(turn, strong.sum((1, 2))), 1e-3)
    assert abs(turn.mean()) < 0.2  # All directions, none preferred.
    assert np.array_equal(augmented(h, "none"), h)


def test_a_flip_turns_angle_k_into_minus_k(h):
    flipped = augmented(h, "phase_flip")
    # A centred DFT over antennas m has -k for k if m becomes -m, modulo their number.
    antennas = np.fft.ifft(np.fft.ifftshift(h, axes=1), axis=1)
    mirror = np.roll(antennas[:, ::-1], 1, axis=1)
    mirror = np.fft.fftshift(np.fft.fft(mirror, axis=1), axes=1)

    def alike(a, b):
        inner = np.abs(np.sum(a.conj() * b, (1, 2)))
        return (
            inner**2 / np.sum(np.abs(a) ** 2, (1, 2)) / np.sum(np.abs(b) ** 2, (1, 2))
        )

    same, turned = alike(flipped, h) > 0.9999, alike(flipped, mirror) > 0.9999
    assert (same | turned).all()
    assert 0.4 < turned.mean() < 0.6


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_augmentation_keeps_energy_and_peak_and_depends_on_the_seed(h, kind):
    out = augmented(h, kind)
    for measure in (lambda a: np.abs(a).max((1, 2)), lambda a: metrics.nmse(h, 0 * a)):
        np.testing.assert_allclose(measure(out), measure(h), rtol=1e-5)
    np.testing.assert_allclose(
        np.sum(np.abs(out) ** 2, (1, 2)), np.sum(np.abs(h) ** 2, (1, 2)), rtol=1e-4
    )
    np.testing.assert_array_equal(out, augmented(h, kind))
    assert np.array_equal(out, augmented(h, kind, seed=6)) == (kind == "none")

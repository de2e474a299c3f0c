"""Files in the form of a DeepMIMO data set: conventions, splits, refusals."""

import numpy as np
import pytest

from tfcsi import metrics, responses
from tfcsi.datasets import raytraced

NAME = "munich_3p5ghz.npz"
SPACING = 3.125e6


def load(folder, scenario, split, domain="angular_delay", **options):
    return raytraced.load(folder, scenario, split, domain, **options)


def channel(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 1, 32, 32, 2)).astype(np.float32)
    return x.view(np.complex64)[..., 0]


def plane_wave(u, delay):
    """[1, 32, 32], of phase pi u from antenna to antenna; delay in s."""
    antennas = np.exp(1j * np.pi * u * np.arange(32))
    subcarriers = np.exp(-2j * np.pi * delay * SPACING * np.arange(32))
    return np.outer(antennas, subcarriers)[None]


def write(folder, channel, **arrays):
    np.savez(folder / NAME, channel=channel, los=np.ones(len(channel)), **arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a file of 640 matrices."""
    folder = tmp_path_factory.mktemp("raytraced")
    write(folder, channel(640))
    return folder


def test_a_plane_wave_is_one_angle_and_one_delay(tmp_path):
    angles = np.arange(620) % 32
    delays = np.arange(620) % 29
    waves = [
        plane_wave((angle - 16) / 16, delay / (32 * SPACING))
        for angle, delay in zip(angles, delays)
    ]
    write(tmp_path, np.array(waves, np.complex64))
    h = load(tmp_path, "munich", "test")
    expected = np.zeros((620, 32, 32))
    expected[np.arange(620), angles, delays] = 0.5
    np.testing.assert_allclose(np.abs(h), expected[-400:], atol=1e-5)


def test_the_convention_is_that_of_cost_2100(tmp_path):
    u, delay = 0.377, 43e-9  # Between bins, where phases of neighbours show.
    write(tmp_path, np.tile(plane_wave(u, delay), (601, 1, 1, 1)))
    (h,) = load(tmp_path, "munich", "train")
    one = np.ones(1)
    path = responses.Paths(np.zeros(1, int), one, delay * one, -u * one, 0 * one)
    carrier = (32 - 1) / 2 * SPACING  # Its band begins at 0 Hz.
    band = responses.Band(32 * SPACING, 32, 32, "first", carrier - 31 / 2 * SPACING)
    antennas = responses.Antennas(32)
    ((cost2100,),) = responses.matrices(path, 1, antennas, band, True, True)
    cost2100 *= 0.5 / np.abs(cost2100).max()
    np.testing.assert_allclose(h, cost2100, atol=1e-4)


def test_no_energy_is_lost_and_the_scale_is_0_5_a_matrix(folder):
    h = load(folder, "munich", "val")
    assert h.dtype == np.complex64 and h.shape == (200, 32, 32)
    np.testing.assert_allclose(np.abs(h).max((1, 2)), 0.5, rtol=1e-6)
    sent = channel(640)[40:240, 0]
    ratio = (np.abs(sent) ** 2).sum((1, 2)) / (np.abs(h) ** 2).sum((1, 2))
    back = np.fft.ifft(np.fft.ifftshift(h, 1), axis=1, norm="ortho")
    back = np.fft.fft(back, axis=2, norm="ortho") * np.sqrt(ratio)[:, None, None]
    assert metrics.nmse(sent, back).max() < 1e-10


def test_synchronised_delays_count_from_the_strongest_echo(tmp_path):
    tap = 1 / (32 * SPACING)
    late = [3.25 * tap, 11.75 * tap, 30 * tap]
    waves = [
        plane_wave(0.2, delay) + 0.3 * plane_wave(-0.5, delay + 2 * tap)
        for delay in np.resize(late, 601)
    ]
    write(tmp_path, np.array(waves, np.complex64))
    h = load(tmp_path, "munich", "test", timing="strongest")
    alike = [abs(np.vdot(one, two)) for one, two in zip(h, h[1:])]
    energies = [np.linalg.norm(one) * np.linalg.norm(two) for one, two in zip(h, h[1:])]
    np.testing.assert_allclose(alike, energies, rtol=1e-5)
    assert (np.abs(h).sum(1).argmax(1) == 0).all()
    before = load(tmp_path, "munich", "test")
    assert (np.abs(before).sum(1).argmax(1) == np.resize([3, 12, 30], 400)).all()
    with pytest.raises(ValueError, match="timing is 'now'; it must be one of"):
        load(tmp_path, "munich", "test", timing="now")


def test_the_splits_are_the_file_in_order(folder):
    parts = [load(folder, "munich", s) for s in ("train", "val", "test")]
    assert [len(part) for part in parts] == [40, 200, 400]
    assert len({matrix.tobytes() for part in parts for matrix in part}) == 640


def spoilt(x, place, value):
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x[:600], r"600 matrices in 'channel', expected at least 601"),
        (lambda x: x[:, 0], r"'channel' is complex \[640, 32, 32\], expected complex"),
        (lambda x: x.real, r"is real \[640, 1, 32, 32\], expected complex channel"),
        (lambda x: spoilt(x, (39, 0, 3, 3), np.nan), "matrix 39: NaN or infinite"),
        (lambda x: spoilt(x, (slice(0, 40),), 0), "all 40 matrices are zero, NaN"),
        (lambda x: x.astype("U1"), "'channel' is not numeric"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, spoil, words):
    write(tmp_path, spoil(channel(640)))
    with pytest.raises(raytraced.DataError, match=f"{NAME}: .*{words}"):
        load(tmp_path, "munich", "train")


def test_a_file_without_the_variable_says_what_it_has(tmp_path):
    np.savez(tmp_path / NAME, channels=channel(2), los=np.ones(2))
    words = "no variable 'channel', expected complex .*; found channels .*, los"
    with pytest.raises(raytraced.DataError, match=words):
        load(tmp_path, "munich", "test")


def test_missing_truncated_and_foreign_files_are_refused(tmp_path, folder):
    with pytest.raises(raytraced.DataError, match=f"{NAME}: no such file; .*nothing"):
        load(tmp_path, "munich", "test")
    written = (folder / NAME).read_bytes()
    np.save(tmp_path / "array.npy", channel(2))
    array = (tmp_path / "array.npy").read_bytes()[:-100]
    for content in (written[: len(written) // 2], b"", b"no zip", array):
        (tmp_path / NAME).write_bytes(content)
        with pytest.raises(raytraced.DataError, match=f"{NAME}: cannot be read"):
            load(tmp_path, "munich", "test")


def test_unknown_names_are_refused_with_the_known_ones(folder):
    with pytest.raises(
        ValueError, match="unknown scenario 'm'; known: munich, street_c"
    ):
        load(folder, "m", "test")
    with pytest.raises(ValueError, match="unknown split 'dev'; known: train, val, te"):
        load(folder, "munich", "dev")

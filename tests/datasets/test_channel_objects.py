"""Channel objects of QuaDRiGa, written here in each form that its users have."""

import h5py
import numpy as np
import pytest
import scipy.io
from foreign_writers import hdf5_write, matlab5, matlab73

from tfcsi import metrics, transforms
from tfcsi.datasets import inputs, quadriga

COMPOUND = np.dtype([("real", "<f4"), ("imag", "<f4")])
BAND = {"bandwidth": 20e6, "num_fft": 64, "num_sc": 32}


def load(folder, scenario, split, domain="angular_delay", **options):
    return quadriga.load(folder, scenario, split, domain, **options)


def objects(num=203, snapshots=3, individual=False, seed=0):
    """Coefficients [rx, tx, path, snapshot] and delays of each channel, as saved."""
    rng = np.random.default_rng(seed)
    out = []
    for number in range(num):
        paths = 4 + number % 3
        shape = (2, 32, paths, snapshots)
        coeffs = rng.standard_normal((*shape, 2)).astype(np.float32)
        delays = rng.uniform(0, 2e-6, shape if individual else shape[2:])
        out.append((coeffs.view(np.complex64)[..., 0], delays.astype(np.float32)))
    return out


def variables(channels):
    mat = {"ChannelDims": np.array([[len(channels), 1, 1, 1]])}
    for number, (coeffs, delays) in enumerate(channels, 1):
        stem = f"channel_{number:05d}_"
        mat |= {stem + "Name": "Tx1_Rx1", stem + "CenterFrequency": np.float32(5.3e9)}
        mat |= {stem + "Coeffs": coeffs, stem + "Delays": delays}
        mat |= {stem + "rx_position": np.zeros((3, coeffs.shape[-1]), np.float32)}
    return mat


def write_objects(path, mat, version):
    """As `qd_channel.mat_save` does, version -v6 or -v7.3."""
    if version == "6":
        return scipy.io.savemat(path, mat)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in mat.items():
            if isinstance(value, str):
                value = np.frombuffer(value.encode("utf-16le"), np.uint16)[:, None]
            value = np.asarray(value)
            complex_ = value.dtype == np.complex64
            value = np.ascontiguousarray(np.atleast_2d(value).T)
            file.create_dataset(name, data=value.view(COMPOUND) if complex_ else value)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def responses(channels, rx=1):
    """[n, 32, 64] of all snapshots, by the sum over paths."""
    k, h = np.arange(64) * 20e6 / 64, []
    for coeffs, delays in channels:
        delays = delays[rx] if delays.ndim == 4 else delays[None]
        tones = np.exp(-2j * np.pi * delays[..., None] * k)
        h.append(np.einsum("apt,bptk->tabk", coeffs[rx], tones))
        one = tones.shape[0] == 1
        h[-1] = h[-1][:, :, 0] if one else np.einsum("taak->tak", h[-1])
    return np.concatenate(h)


@pytest.mark.parametrize("individual", [False, True])
@pytest.mark.parametrize("version", ["6", "7.3"])
def test_channel_objects_become_the_matrices_of_their_paths(
    tmp_path, version, individual
):
    channels, few = objects(23, individual=individual), {"num_val": 20, "num_test": 40}
    write_objects(tmp_path / "c.mat", variables(channels), version)
    h_sf = responses(channels)
    for domain, sent in (
        ("space_frequency", h_sf[..., ::2]),
        ("angular_delay", transforms.to_angular_delay(h_sf, 32)),
    ):
        for split, part in (("train", sent[:9]), ("test", sent[-40:])):
            h = load(tmp_path, "c.mat", split, domain, rx=1, **few, **BAND)
            assert h.dtype == np.complex64 and h.shape == (len(part), 32, 32)
            assert metrics.nmse(transforms.to_peak(part)[0], h).max() < 1e-9


@pytest.mark.parametrize("version", ["6", "7.3"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.pop("channel_00002_Delays"), "channel_00002_Delays is missing"),
        (
            lambda m: m.update(channel_00002_Delays=np.zeros((9, 9), np.float32)),
            r"delays of channel_00002 are \[9, 9, 1, 1\], coefficients \[2, 32, 5, 3\]",
        ),
        (
            lambda m: m.update(channel_00001_Delays=-m["channel_00001_Delays"]),
            "delays of channel_00001 have NaN, infinite or negative",
        ),
        (
            lambda m: m.update(channel_00001_Coeffs=m["channel_00001_Coeffs"][:, :8]),
            r"channels differ in antennas of the BS: \[8, 32\]",
        ),
    ],
)
def test_malformed_channel_objects_are_refused(tmp_path, version, spoil, words):
    mat = variables(objects(3))
    spoil(mat)
    write_objects(tmp_path / "c.mat", mat, version)
    with pytest.raises(quadriga.DataError, match=words):
        load(tmp_path, "c.mat", "train")


def test_too_few_snapshots_and_no_such_antenna_are_refused(tmp_path):
    write_objects(tmp_path / "c.mat", variables(objects(3)), "6")
    with pytest.raises(quadriga.DataError, match="9 snapshots, expected at least 601"):
        load(tmp_path, "c.mat", "train")
    with pytest.raises(ValueError, match="rx is 2; .* has antennas 0 to 1"):
        load(tmp_path, "c.mat", "train", rx=2)


def test_channel_objects_that_python_wrote_have_its_axes(tmp_path):
    channels = objects()
    with h5py.File(tmp_path / "c.mat", "w") as file:
        for name, value in variables(channels).items():
            if name.endswith(("Coeffs", "Delays")):
                file[name] = value
    sent = transforms.to_peak(responses(channels)[-400:, :, ::2])[0]
    h = load(tmp_path, "c.mat", "test", "space_frequency", rx=1, **BAND)
    assert metrics.nmse(sent, h).max() < 1e-9


def write_structs(write):
    """The objects as one array of structs, such as `h_channel = struct(h_channel)`."""

    def of(path, channels):
        structs = tuple({"coeff": coeffs, "delay": delay} for coeffs, delay in channels)
        write(path, {"h_channel": structs})

    return of


@pytest.mark.parametrize("individual", [False, True])
@pytest.mark.parametrize("snapshots", [1, 3])
@pytest.mark.parametrize(
    ("name", "write_form"),
    [
        ("a.mat", write_structs(matlab5)),
        ("b.mat", write_structs(matlab73)),
        ("c.h5", hdf5_write),
        ("c.hdf5", hdf5_write),
    ],
)
def test_structs_and_quadrigas_own_file_hold_channel_objects(
    tmp_path, name, write_form, snapshots, individual
):
    sent = objects(12, snapshots, individual)
    write_form(tmp_path / name, sent)
    own = {"rx": 1, "num_val": 2, "num_test": 5, **BAND}
    h = load(tmp_path, name, "test", "space_frequency", **own)
    expected = transforms.to_peak(responses(sent)[-5:, :, ::2])[0]
    assert metrics.to_db(metrics.nmse(expected, h).max()) < -70
    config = {"dataset": "quadriga", "source": own}
    read = inputs.read(tmp_path / name, "space_frequency", config)
    assert len(read) == 12 * snapshots
    np.testing.assert_array_equal(read[-5:], h)


def test_blocked_snapshots_and_delays_in_another_unit(tmp_path, caplog):
    channels = objects(20)
    channels[19][0][..., 1] = 0
    channels[18][0][..., 2] = np.nan
    write_objects(tmp_path / "c.mat", variables(channels), "6")
    options = {**BAND, "num_val": 10, "num_test": 20}
    h = load(tmp_path, "c.mat", "test", **options)
    assert len(h) == 18 and "2 of 20 matrices are zero, NaN or empty" in caplog.text
    h = load(tmp_path, "c.mat", "test", keep_empty=True, **options)
    assert len(h) == 20 and not h[18].any() and not h[16].any() and h[17].any()
    with pytest.raises(ValueError, match="for 20 MHz give 2e.07"):
        load(tmp_path, "c.mat", "test", **{**options, "bandwidth": 20})
    late = [(coeffs, 1e6 * delays) for coeffs, delays in channels]
    write_objects(tmp_path / "c.mat", variables(late), "6")
    with pytest.raises(quadriga.DataError, match="they are in s, .* microseconds"):
        load(tmp_path, "c.mat", "test", **options)

"""The search of paths as a TFLite network finds the paths of the pursuit."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import tfcsi
from tests.conftest import slow
from tfcsi import metrics, ue
from tfcsi.__main__ import main
from tfcsi.channels import cost2100
from tfcsi.coding import pursuit
from tfcsi.coding.contexts import MASS
from tfcsi.coding.path_laws import Law
from tfcsi.coding.path_lists import FIELDS, lattice
from tfcsi.coding.path_network import NetworkEncoder, PathNetwork
from tfcsi.coding.path_sending import PathSender
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.tflite import exports, flatbuffer, path_convert, path_prices, runner

pytestmark = pytest.mark.tflite
FORMS = {
    "taps": ((32, 32), 257, "angular_delay"),
    "all_taps": ((16, 12), 12, "angular_delay"),
    "subcarriers": ((16, 12), 12, "space_frequency"),
}


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load("paths_cost2100_indoor")


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [12, 32, 32]."""
    return cost2100.simulate(12, 5, "indoor")


@pytest.fixture(scope="module")
def content(codec):
    """The network of the default effort."""
    return path_convert.convert(codec.sender, "float32", "default")


def with_network(codec, content):
    """The encoder of a codec, with the search of a network."""
    sender = PathSender(codec.atoms, codec.tables, codec.step)
    network = PathNetwork(runner.interpreter(content), codec.shape)
    sender.encoder = functools.partial(NetworkEncoder, network)
    return sender


def of_form(codec, form, h):
    """The codec for matrices of a form, and a part of matrices of that form."""
    shape, num_fft, domain = FORMS[form]
    codec = codec.resized(shape, num_fft, domain)
    return codec, np.ascontiguousarray(h[:, : shape[0], : shape[1]])


@pytest.mark.parametrize(
    "limits",
    [{}, slow({"max_bits": 90}), slow({"step": 0.03, "max_bits": 120})],
    ids=str,
)
def test_packets_are_those_of_the_pursuit(codec, matrices, content, limits):
    packets = with_network(codec, content).send(matrices, **limits)
    assert packets == codec.compress(matrices, **limits)


def test_a_path_too_strong_for_the_lattice_is_shared_as_in_the_pursuit(codec, content):
    h = np.zeros((3, 32, 32), np.complex64)
    h[:, 9, 4] = 2.0 ** np.array([0.0, 0.2, 0.45])  # Norms are sent in half octaves.
    packets = with_network(codec, content).send(h, step=2 ** (-63 / 8))
    assert packets == codec.compress(h, step=2 ** (-63 / 8))
    assert metrics.nmse(h, codec.decompress(packets)).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_packets_of_any_form_are_those_of_the_light_pursuit(codec, matrices, form):
    codec, h = of_form(codec, form, matrices)
    content = path_convert.convert(codec.sender, "float32", "light", 64)
    packets = with_network(codec, content).send(h)
    assert packets == codec.compress(h, effort="light")
    assert codec.receive_lists(packets)[2].count.mean() > 3


@pytest.mark.slow
def test_half_precision_costs_nothing(codec, matrices):
    content = path_convert.convert(codec.sender, "float16", "light")
    packets = with_network(codec, content).send(matrices)
    expected = codec.compress(matrices, effort="light")
    nmse = [
        metrics.to_db(metrics.nmse(matrices, codec.decompress(sent)).mean())
        for sent in (packets, expected)
    ]
    assert nmse[0] < nmse[1] + 0.2
    assert sum(map(len, packets)) < 1.02 * sum(map(len, expected))


@pytest.mark.slow
def test_a_list_has_no_more_paths_than_the_network(codec, matrices):
    content = path_convert.convert(codec.sender, "float32", "light", num_paths=3)
    lists = codec.receive_lists(with_network(codec, content).send(matrices))[2]
    assert lists.count.max() == 3


def test_the_network_has_builtin_operations_alone(content):
    operations = flatbuffer.operations(content)
    assert operations["WHILE"] and not operations["CUSTOM"]
    assert not any(name.startswith("FLEX") for name in operations)


def test_numbers_of_lattice_points_are_those_of_the_coder():
    points = lattice()
    numbers = path_prices.Numbers()(points.re, points.im).numpy()
    np.testing.assert_array_equal(numbers, np.arange(len(points.re)))


@pytest.mark.parametrize("form", FORMS)
def test_the_shares_of_cells_are_those_of_the_coder(codec, matrices, form):
    coder = of_form(codec, form, matrices)[0].coder
    laws, graph = coder.laws, path_prices.PriceGraph(coder.prices)
    for name, law in vars(laws).items():
        if isinstance(law, Law):
            cell, flat = 16, law.table.reshape(-1, law.table.shape[-1])
            low = np.arange(law.origin, law.origin + law.table.shape[-1] - cell)
            for row in range(0, len(flat), 7):
                below = Law(flat[row], law.origin, law.period).below
                expected = (below(low + cell) - below(low)) / MASS
                share = getattr(graph, f"_{name}").of_cells(low, cell, row)
                np.testing.assert_array_equal(share, expected.astype(np.float32))


def test_what_a_network_cannot_be_is_refused(codec, content):
    sender, shape = codec.sender, codec.shape
    with pytest.raises(ValueError, match="precision is 'int8'; for paths it must be"):
        path_convert.convert(sender, "int8", "light")
    with pytest.raises(ValueError, match="effort is 'high'; it must be one of"):
        path_convert.convert(sender, "float32", "high")
    with pytest.raises(ValueError, match="num_paths is 129; it must be 1 to 128"):
        path_convert.convert(sender, "float32", "light", 129)
    with pytest.raises(ValueError, match="is no network of paths for 8 x 8 matrices"):
        PathNetwork(runner.interpreter(content), (8, 8))
    with pytest.raises(ValueError, match="noise_variance is for the pursuit"):
        with_network(codec, content).send(
            np.ones((1, *shape), np.complex64), noise_variance=0.1
        )


def test_every_effort_of_a_network_is_one_of_the_pursuit():
    assert set(exports.EFFORTS) < set(pursuit.EFFORTS)
    assert not any(pursuit.EFFORTS[name].more for name in exports.EFFORTS)
    assert FIELDS == ("re", "im", "angle", "delay")


@pytest.mark.slow
def test_the_phone_sends_with_the_exported_files(codec, matrices, tmp_path, capsys):
    flags = ["--codec=paths_cost2100_indoor", "--precision=float32", "--effort=light"]
    command = ["tfcsi", "export", *flags]
    assert main(command) == 2 and "give --folder=DIR" in capsys.readouterr().err
    assert main([*command, f"--folder={tmp_path}"]) == 0
    assert "builtin operations: ABS" in capsys.readouterr().out
    encoder = tmp_path / exports.file_name("float32", kind="light")
    phone = ue.PathUe(tmp_path / TABLES_FILE, encoder)
    packets = [phone.encode(h) for h in matrices]
    assert packets == [codec.compress(h[None], effort="light")[0] for h in matrices]
    np.save(tmp_path / "h.npy", matrices)
    names = {"tables": TABLES_FILE, "encoder": encoder.name, "input": "h.npy"}
    call = [f"--{name}={tmp_path / file}" for name, file in names.items()]
    call.append(f"--output={tmp_path / 'h.tcsi'}")
    assert ue.main([*call, "--max_bits=100"]) == 0
    assert ue.main([*call, "--effort=light"]) == 1
    assert "effort is that of the encoder" in capsys.readouterr().err
    encoder.write_bytes(encoder.read_bytes() + b"\0")
    assert ue.main(call) == 1
    assert "none of the encoders that were exported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--precision=int8"], "--precision has int8; the codec paths takes float32"),
        (["--effort=light"], "--effort and --num_paths go with --precision"),
        (["--sparsity=0.5"], "--sparsity is not for the codec paths"),
        (["--output=symbols"], "--output is not for the codec paths"),
    ],
)
def test_what_cannot_be_exported_is_refused(flags, words, tmp_path, capsys):
    command = ["tfcsi", "export", "--codec=paths", f"--folder={tmp_path}"]
    assert main([*command, *flags]) == 2
    assert words in capsys.readouterr().err

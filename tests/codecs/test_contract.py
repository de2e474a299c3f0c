"""One contract for every codec: what is saved is loaded, what is sent arrives, and
what is foreign, damaged or of another kind is refused.

The neural codecs are the tiny runs of `tests/golden/workdirs`: with side information,
with fake quantisation, with the released noise path, and quantised after training.
"""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import tfcsi
from tfcsi.__main__ import main
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packets import PacketError
from tfcsi.evaluation.measure import evaluate

SHAPE = (8, 8)
RUNS = sorted((pathlib.Path(__file__).parents[1] / "golden" / "workdirs").iterdir())
CODECS = {"klt": None, "topk": None, **{folder.name: folder for folder in RUNS}}


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [60, 8, 8]; the last ten are sent."""
    return draw_csi(60, SHAPE)


@pytest.fixture(scope="module", params=CODECS)
def each(request, matrices):
    if request.param == "klt":
        return Klt.at_bits(matrices[:50], 120)
    if request.param == "topk":
        return TopK(SHAPE, 6, 4, 10.0)
    return tfcsi.load(CODECS[request.param])


@pytest.fixture
def folder(each, tmp_path):
    each.save(tmp_path / "run")
    return tmp_path / "run"


def test_what_is_saved_is_loaded_and_writes_the_same_packets(each, folder, matrices):
    again, sent = tfcsi.load(folder), matrices[-10:]
    assert type(again) is type(each) and again.session == each.session
    packets = each.compress(sent)
    assert again.compress(sent) == packets
    np.testing.assert_allclose(
        again.decompress(packets), each.decompress(packets), atol=1e-6
    )


def test_csi_arrives_in_its_shape_and_bits_are_those_of_packets(each, matrices):
    sent = matrices[-10:]
    packets = each.compress(sent)
    assert all(isinstance(packet, bytes) for packet in packets)
    h_hat = each.decompress(packets)
    assert h_hat.shape == sent.shape and h_hat.dtype == np.complex64
    point = evaluate(each, sent)
    assert point["bits"] == 8 * np.mean([len(packet) for packet in packets])


def test_no_matrices_are_no_packets(each, matrices):
    assert each.compress(matrices[:0]) == []
    assert each.decompress([]).shape == (0, *SHAPE)


def test_it_describes_itself(each):
    facts = each.describe()
    assert facts["codec"] == each.name
    assert facts["config"]["model"] == each.name
    assert tuple(facts["config"]["shape"]) == SHAPE


def test_the_commands_take_it(each, folder, matrices, tmp_path, capsys):
    h, packets, h_hat = (tmp_path / n for n in ("h.npy", "h.tcsi", "h_hat.npy"))
    np.save(h, matrices[-10:])
    run = f"--workdir={folder}"
    assert main(["tfcsi", "compress", run, f"--input={h}", f"--output={packets}"]) == 0
    flags = [run, f"--input={packets}", f"--output={h_hat}"]
    assert main(["tfcsi", "decompress", *flags]) == 0
    assert np.load(h_hat).shape == (10, *SHAPE)
    assert main(["tfcsi", "info", str(folder)]) == 0
    assert main(["tfcsi", "info", str(packets), run, "--packet=3"]) == 0
    assert each.session.fingerprint.hex() in capsys.readouterr().out


def test_packets_of_another_session_are_refused(each, matrices):
    foreign = TopK(SHAPE, 5, 3, 0.0).compress(matrices[-10:])
    with pytest.raises(PacketError, match="packet 0"):
        each.decompress(foreign)


def test_one_bytes_object_is_refused(each, matrices):
    packets = each.compress(matrices[-3:])
    for whole in (packets[0], b"".join(packets), bytearray(packets[0])):
        with pytest.raises(PacketError, match="give a list of packets"):
            each.decompress(whole)


@pytest.mark.parametrize("shape", [(3, 8, 9), (3, 9, 8), (8, 8), (3, 8, 8, 2)])
def test_csi_of_another_shape_is_refused(each, shape):
    with pytest.raises(ValueError, match=r"\[n, 8, 8\]"):
        each.compress(np.zeros(shape, np.complex64))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_csi_that_is_not_finite_is_refused(each, matrices, bad):
    h = matrices[-3:].copy()
    h[1, 2, 3] = bad
    with pytest.raises(ValueError, match="NaN|infinit|finite"):
        each.compress(h)


def test_a_damaged_file_of_weights_is_refused_by_name(each, folder):
    path = folder / "codec.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="codec.npz is damaged"):
        tfcsi.load(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no codec.npz"):
        tfcsi.load(folder)


def test_a_config_that_does_not_fit_is_refused(each, folder):
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="config.json is damaged"):
        tfcsi.load(folder)

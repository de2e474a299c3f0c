"""The encoder of the codec `learned` on a phone: TFLite, tables, packets, check."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tests.conftest import slow
from tfcsi import metrics, results
from tfcsi.__main__ import main
from tfcsi.channels import cost2100 as simulator
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.datasets import cost2100
from tfcsi.tflite import flatbuffer, token_convert
from tfcsi.ue import PathUe, TokenUe, Ue
from tfcsi.ue import main as phone_main

pytestmark = pytest.mark.tflite
NAME = "learned_cost2100_indoor"
SCENARIO = "--scenario=cost2100_indoor"


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load(NAME)


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [12, 32, 32]."""
    return simulator.simulate(12, 5, "indoor")


@pytest.fixture(scope="module")
def phone(tmp_path_factory, matrices):
    """What a phone gets, beside files of simulated matrices."""
    folder = tmp_path_factory.mktemp("phone")
    for split, h in (
        ("train", simulator.simulate(40, 1, "indoor")),
        ("test", matrices),
    ):
        cost2100.write(folder / cost2100.file_name(split, "indoor"), h)
    words = [f"--codec={NAME}", f"--folder={folder}", f"--data_dir={folder}", SCENARIO]
    assert main(["tfcsi", "export", *words, "--precision=float32,int8"]) == 0
    return folder


def ue_of(phone, precision, **limits):
    encoder = phone / f"encoder_{precision}.tflite"
    return TokenUe(phone / TABLES_FILE, encoder, **limits)


@pytest.mark.parametrize("limits", [{}, slow({"max_bits": 200})], ids=str)
def test_a_phone_writes_packets_that_the_base_station_reads(
    codec, matrices, phone, limits
):
    ue, matrices = ue_of(phone, "float32", **limits), matrices[:4]
    assert ue.session == codec.session
    packets = [ue.encode(h) for h in matrices]
    expected = codec.compress(matrices, **limits)
    # Sums in another order change a symbol now and then.
    assert np.mean([one == other for one, other in zip(packets, expected)]) > 0.7
    nmse = [
        metrics.to_db(metrics.nmse(matrices, codec.decompress(each)).mean())
        for each in (packets, expected)
    ]
    assert abs(nmse[0] - nmse[1]) < 0.02
    assert max(map(len, packets)) <= limits.get("max_bits", 8000) // 8


def test_symbols_of_a_phone_arrive_unchanged(codec, matrices, phone):
    ue = ue_of(phone, "int8")
    rate = np.arange(12) % 16
    norm, y = ue.sender.tokens(matrices)
    arrived = codec.receive(ue.sender.packets_at(norm, y, rate))
    for sent, read in zip((rate, norm, ue.sender.rounded(y, rate)), arrived):
        np.testing.assert_array_equal(read, sent)


def test_integers_lose_little(codec, matrices, phone):
    ue = ue_of(phone, "int8")
    norm, x = ue.sender.network_input(matrices)
    exact, rounded = codec.sender.analysis(x), ue.sender.analysis(x)
    error, energy = (np.square(part).sum() for part in (exact - rounded, x))
    assert 0 < error < 10**-2.5 * energy
    content = (phone / "encoder_int8.tflite").read_bytes()
    assert flatbuffer.constants(content)["INT8"] > 36000  # All weights but 1024.
    assert len(content) < 100_000


def test_the_command_of_the_phone_writes_what_decompress_reads(
    codec, matrices, phone, tmp_path, capsys
):
    matrices = matrices[:3]
    np.save(tmp_path / "h.npy", matrices)
    words = [f"--tables={phone / TABLES_FILE}", f"--input={tmp_path / 'h.npy'}"]
    words.append(f"--encoder={phone / 'encoder_float32.tflite'}")
    output = tmp_path / "h.tcsi"
    assert phone_main([*words, f"--output={output}", "--max_bits=250"]) == 0
    session, packets = read_file(output)
    assert session == codec.session and max(map(len, packets)) <= 31
    assert metrics.nmse(matrices, codec.decompress(packets)).mean() < 0.1
    assert phone_main([*words, f"--output={output}", "--nmse_db=-10"]) == 1
    assert "--nmse_db is not for the codec learned" in capsys.readouterr().err


@pytest.mark.slow
def test_the_check_measures_each_rate_beside_numpy(phone, capsys):
    words = [f"--codec={NAME}", f"--folder={phone}", f"--data_dir={phone}", SCENARIO]
    words.append("--max_loss_db=0.5")  # There are few matrices.
    assert main(["tfcsi", "check", *words, "--rates=4,12", "--html"]) == 0
    points = results.read(phone / "tflite_check.json")["points"]
    names = ["NumPy", "TFLite float32", "TFLite int8"]
    rates = [4] * 3 + [12] * 3
    assert [point["rate"] for point in points] == rates
    expected = [f"learned at rate {r}, {n}" for r, n in zip(rates, names * 2)]
    assert [point["codec"] for point in points] == expected
    for numpy, full, integer in (points[:3], points[3:]):
        assert abs(full["nmse_loss_db"]) < 0.01 and abs(full["bits_more"]) < 0.005
        assert full["symbols_changed"] < integer["symbols_changed"] < 0.02
        assert integer["ue_bytes"] < full["ue_bytes"]
        assert numpy["bits"] * (1 + integer["bits_more"]) == integer["bits"]
    assert points[3]["bits"] > points[0]["bits"]
    capsys.readouterr()
    assert main(["tfcsi", "check", *words, "--max_loss_db=-1"]) == 1
    assert "learned at rate 8, TFLite int8 loses" in capsys.readouterr().err


def test_tables_of_another_kind_are_refused(phone, tmp_path):
    encoder = phone / "encoder_float32.tflite"
    with pytest.raises(ValueError, match="it is of the codec learned: use TokenUe"):
        Ue(encoder, phone / TABLES_FILE)
    tables = tmp_path / TABLES_FILE
    tfcsi.load("paths_cost2100_indoor").save_ue(tables)
    with pytest.raises(ValueError, match="it is of the codec paths, not of learned"):
        TokenUe(tables, encoder)
    with pytest.raises(ValueError, match="not a tables.npz"):
        PathUe(phone / TABLES_FILE)


def test_what_cannot_be_wished_is_refused_when_the_phone_is_made(phone):
    with pytest.raises(ValueError, match="nmse_db needs the decoder"):
        ue_of(phone, "float32", nmse_db=-9.0)
    with pytest.raises(ValueError, match="max_bits is nan"):
        ue_of(phone, "float32", max_bits=float("nan"))


def test_an_encoder_of_another_export_is_refused(codec, phone, tmp_path):
    (tmp_path / "encoder.tflite").write_bytes(b"TFL3")
    with pytest.raises(ValueError, match="is none of the encoders"):
        TokenUe(phone / TABLES_FILE, tmp_path / "encoder.tflite")
    with pytest.raises(ValueError, match="'int8' needs training matrices"):
        token_convert.convert(codec, "int8")
    with pytest.raises(ValueError, match="precision is 'int4'"):
        token_convert.convert(codec, "int4")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--precision=int8"], "needs training matrices"),
        (["--precision=int8_full"], "the codec learned takes float32, float16"),
        (["--clusters=16"], "--clusters is not for the codec learned"),
        (["--effort=light"], "--effort is only for the codec paths"),
    ],
    ids=str,
)
def test_flags_that_do_not_go_with_the_codec_are_refused(
    tmp_path, capsys, flags, words
):
    assert main(["tfcsi", "export", f"--codec={NAME}", f"--folder={tmp_path}", *flags])
    assert words in capsys.readouterr().err

"""The command line: what it does, and what it says when it cannot."""

import shutil

import numpy as np
import pytest

from tfcsi import metrics, models, results
from tfcsi.__main__ import main
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.workdir import load
from tfcsi.coding.packet_file import read_file, write_file
from tfcsi.coding.packets import Session, pack
from tfcsi.coding.tables import Tables
from tfcsi.commands import flags as kinds
from tfcsi.commands import generate
from tfcsi.datasets import cost2100, generated


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


@pytest.fixture
def sent(tmp_path, workdir, h):
    """Folder with csi.npy and its packets, packets.tcsi."""
    np.save(tmp_path / "csi.npy", h[300:320])
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/packets.tcsi"]
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 0
    return tmp_path


@pytest.fixture(scope="module")
def measured(tmp_path_factory, dense, make_config, draw_csi):
    """Folder of two runs, a and b, and of 40 test matrices in the published form."""
    folder = tmp_path_factory.mktemp("measured")
    h = draw_csi(140, (32, 32))
    cost2100.write(folder / cost2100.file_name("test"), h[100:])
    config = make_config(model=dense, shape=(32, 32), latent_dim=16)
    config.update(dataset="cost2100", scenario="indoor")
    codec = Codec(config)
    models.get(dense).initialize_klt(codec.encoder, codec.decoder, h[:100])
    for name, slope in (("a", 1e-4), ("b", 1e-2)):
        codec.quantizer.initialize(codec.codewords(h[:100])[0], slope)
        codec.use(Tables.from_counts(codec.symbols(h[:100])[0]))
        codec.save(folder / name)
    return folder


def evaluate(folder, *arguments, workdir="a"):
    workdir = ",".join(f"{folder}/{name}" for name in workdir.split(","))
    flags = [f"--workdir={workdir}", f"--data_dir={folder}"]
    return tfcsi("evaluate", *flags, *arguments)


def decompress(workdir, folder):
    flags = [f"--input={folder}/packets.tcsi", f"--output={folder}/back.npy"]
    return tfcsi("decompress", f"--workdir={workdir}", *flags)


def test_a_file_of_csi_comes_back(sent, workdir, codec, h):
    assert decompress(workdir, sent) == 0
    h_hat = np.load(sent / "back.npy")
    expected = codec.decompress(codec.compress(h[300:320]))
    np.testing.assert_allclose(h_hat, expected, atol=1e-6)
    assert metrics.nmse(h[300:320], h_hat).mean() < 0.5
    assert {path.name for path in sent.iterdir()} == {
        "csi.npy",
        "packets.tcsi",
        "back.npy",
    }


def test_info_explains_a_file_a_packet_and_a_workdir(sent, workdir, codec, capsys):
    packet = read_file(sent / "packets.tcsi")[1][3]
    assert tfcsi("info", sent / "packets.tcsi") == 0
    assert "packets    20" in capsys.readouterr().out
    flags = ["--packet=3", f"--workdir={workdir}"]
    assert tfcsi("info", sent / "packets.tcsi", *flags) == 0
    shown = capsys.readouterr().out
    assert packet.hex(" ") in " ".join(shown.split())
    assert f"{8 * len(packet) - 11} bits follow" in shown
    assert all(len(line) <= 80 for line in shown.splitlines()[2:])
    symbols = codec.receive([packet])[0][0].tolist()
    assert " ".join(map(str, symbols)) in " ".join(shown.split())
    assert tfcsi("info", workdir) == 0
    shown = capsys.readouterr().out
    assert codec.session.fingerprint.hex() in shown and "codec.npz" in shown
    assert f"num_train              {codec.facts['num_train']}\n" in shown
    assert shown.count("num_train") == 1


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_damaged_file_is_refused_and_nothing_written(sent, workdir, position, capsys):
    content = bytearray((sent / "packets.tcsi").read_bytes())
    content[position] ^= 1
    (sent / "packets.tcsi").write_bytes(content)
    assert decompress(workdir, sent) == 1
    assert "packets.tcsi" in capsys.readouterr().err
    assert not (sent / "back.npy").exists()


def test_a_file_of_another_codec_is_refused(sent, workdir, capsys):
    _, packets = read_file(sent / "packets.tcsi")
    other = Session("stqenet", 16, 16, b"12345678")
    write_file(sent / "packets.tcsi", other, packets)
    assert decompress(workdir, sent) == 1
    write_file(sent / "packets.tcsi", other, pack([b"x"], other))
    assert decompress(workdir, sent) == 1
    assert (
        "fingerprint 3132333435363738, packets of version 2; the workdir"
        in capsys.readouterr().err
    )


def test_csi_of_another_scale_or_size_is_refused_with_the_remedy(
    tmp_path, workdir, h, capsys
):
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/packets.tcsi"]
    np.save(tmp_path / "csi.npy", 3 * h[:2])
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 1
    assert "to_peak" in capsys.readouterr().err
    np.save(tmp_path / "csi.npy", h[:2, :, :8])
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 1
    assert "expected complex [n, 16, 16]" in capsys.readouterr().err
    assert not (tmp_path / "packets.tcsi").exists()


def test_a_workdir_that_is_none_is_named(tmp_path, capsys):
    np.save(tmp_path / "csi.npy", np.zeros((1, 16, 16), np.complex64))
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/p.tcsi"]
    assert tfcsi("compress", f"--workdir={tmp_path}", *flags) == 1
    assert "has no config.json" in capsys.readouterr().err
    assert tfcsi("info", tmp_path / "nothing") == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_packet_number_out_of_range_is_refused(sent, capsys):
    assert tfcsi("info", sent / "packets.tcsi", "--packet=20") == 1
    assert "packets 0 to 19" in capsys.readouterr().err


def test_wrong_usage_exits_with_2_and_says_what_is_expected(capsys):
    assert tfcsi() == 2
    assert tfcsi("compact") == 2
    assert tfcsi("compress", "--workdir=a") == 2
    assert "expected --input, --output" in capsys.readouterr().err
    assert tfcsi("compress", "--wrokdir=a") == 2
    assert "wrokdir" in capsys.readouterr().err
    assert tfcsi("info") == 2
    assert tfcsi("data", "check", "DIR") == 2
    assert "tfcsi data verify DIR" in capsys.readouterr().err


# Channels and data.


def test_generate_writes_the_published_files_and_goes_on(tmp_path, capsys):
    flags = ["--channel=cost2100_indoor", f"--out={tmp_path}/out", "--processes=1"]
    assert tfcsi("generate", *flags, "--num=30,10,20") == 0
    shown = capsys.readouterr()
    names = ["DATA_Htrainin", "DATA_Hvalin", "DATA_Htestin", "DATA_HtestFin_all"]
    assert [line.split("/")[-1] for line in shown.out.split()] == [
        f"{name}.mat" for name in names
    ]
    assert "30/30" in shown.err
    sizes = [
        len(cost2100.load(tmp_path / "out", "indoor", split, "angular_delay"))
        for split in cost2100.SPLITS
    ]
    assert sizes == [30, 10, 20]
    assert tfcsi("generate", *flags, "--num=30") == 0
    assert "30/30" not in capsys.readouterr().err
    assert tfcsi("generate", *flags, "--num=30", "--seed=2") == 1
    assert "another data set: seed is 1, not 2" in capsys.readouterr().err
    assert tfcsi("generate", *flags, "--num=5") == 1
    assert "--overwrite to replace them" in capsys.readouterr().err
    assert tfcsi("generate", *flags, "--num=5", "--overwrite") == 0


def test_generate_takes_every_format_of_files_that_is_read():
    assert generate.FORMATS == tuple(generated.SUFFIXES)


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (["--num=x"], 2, "--num=x; give N, or three: train,val,test"),
        (["--num=1,2"], 2, "--num=1,2; give N"),
        (["--num=0"], 1, "one split or more has matrices"),
        (["--num=1", "--format=csv"], 2, "--format=csv; it must be one of mat, hdf5"),
        (["--num=1", "--channel=x_y"], 1, "unknown channel 'x_y'; known: cost2100_SC"),
        (["--num=1", "--processes=-1"], 2, "processes"),
        ([], 2, "expected --num"),
    ],
)
def test_generate_refuses_invalid_flags(tmp_path, flags, status, words, capsys):
    args = ["--channel=cost2100_indoor", f"--out={tmp_path}/out", *flags]
    assert tfcsi("generate", *args) == status
    assert words in capsys.readouterr().err


def test_statistics_of_two_sets_are_printed_and_drawn(tmp_path, draw_csi, capsys):
    np.save(tmp_path / "a.npy", draw_csi(60, (8, 8)))
    np.save(tmp_path / "b.npy", 2 * draw_csi(60, (8, 8)))
    page = tmp_path / "page.html"
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    assert tfcsi("data", "stats", *paths, f"--output={page}") == 0
    shown = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in shown if line}
    assert rows["energy_db_mean"].endswith("+6.02 dB")
    assert rows["peak_ratio"].endswith("+0.0 %")
    assert "hold 90 % of the variance" in " ".join(" ".join(shown).split())
    text = page.read_text()
    assert text.count("<img") == 3 and "energy_db_mean" in text
    assert tfcsi("data", "stats", paths[0], f"--output={page}") == 0
    assert "difference" not in capsys.readouterr().out
    assert tfcsi("data", "stats", tmp_path / "c.npy") == 1
    assert "c.npy: no such file" in capsys.readouterr().err


def test_statistics_of_files_with_long_paths_are_drawn(tmp_path, draw_csi):
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    paths = [str(folder / name) for name in ("a.npy", "b.npy")]
    for path in paths:
        np.save(path, draw_csi(8))
    output = tmp_path / "statistics.html"
    assert tfcsi("data", "stats", *paths, f"--output={output}") == 0
    assert output.stat().st_size > 10000


def test_a_table_is_put_between_its_markers(tmp_path, workdir, capsys):
    from tfcsi import results

    path = tmp_path / "a.json"
    results.write(path, [{"codec": "x", "nmse_db": -3.0}], 0)
    readme = tmp_path / "README.md"
    readme.write_text(f"top\n<!-- table: {path} -->\nold\n<!-- end -->\nbottom\n")
    assert tfcsi("table", path, f"--output={readme}") == 0
    text = readme.read_text()
    assert "old" not in text and "| x     |     -3.00 |" in text
    assert text.startswith("top\n") and text.endswith("<!-- end -->\nbottom\n")
    assert tfcsi("table", path) == 0
    assert "-3.00" in capsys.readouterr().out
    shutil.copy(path, tmp_path / "b.json")
    assert tfcsi("table", tmp_path / "b.json", f"--output={readme}") == 1
    assert "has no line" in capsys.readouterr().err


# Noise and bit errors.


def test_evaluate_writes_to_the_workdir_or_the_file_it_is_given(measured, tmp_path):
    assert evaluate(measured) == 0
    assert evaluate(measured, f"--output={tmp_path}/x.json") == 0
    own = results.read(measured / "a" / "evaluation_indoor_test.json")["points"]
    assert own == results.read(tmp_path / "x.json")["points"]
    assert own[0]["dataset"] == "cost2100_indoor" and own[0]["num_matrices"] == 40


def test_runs_are_measured_side_by_side(measured, tmp_path, capsys):
    assert evaluate(measured, f"--output={tmp_path}/x.json", workdir="a,b") == 0
    points = results.read(tmp_path / "x.json")["points"]
    assert [point["codec"] for point in points] == ["dense a", "dense b"]
    assert evaluate(measured) == 0
    own = results.read(measured / "a" / "evaluation_indoor_test.json")["points"]
    assert own[0]["nmse_db"] == points[0]["nmse_db"]
    capsys.readouterr()
    assert evaluate(measured, workdir="a,b") == 2
    assert "names 2 runs; give --output=FILE" in capsys.readouterr().err


def test_nmse_over_snr_is_written_and_drawn_with_a_label_a_run(
    measured, tmp_path, capsys
):
    flags = ["--snr_db=-5:40:15", f"--output={tmp_path}/noise.json"]
    assert evaluate(measured, *flags, workdir="a,b") == 0
    content = results.read(tmp_path / "noise.json")
    points = content["points"]
    assert [(point["codec"], point["snr_db"]) for point in points] == [
        (f"dense {name}", snr_db) for name in "ab" for snr_db in (-5, 10, 25, 40)
    ]
    assert {point["noise"] for point in points} == {"codeword"}
    assert points[0]["nmse_db"] > points[3]["nmse_db"] and content["seed"] == 1
    assert (tmp_path / "noise.png").read_bytes()[1:4] == b"PNG"
    assert "noise.json" in capsys.readouterr().out


def test_the_noise_and_its_seed_can_be_chosen(measured):
    nmse_db = []
    for seed in (1, 1, 2):
        assert evaluate(measured, "--snr_db=5,7", "--noise=csi", f"--seed={seed}") == 0
        content = results.read(measured / "a" / "evaluation_indoor_test_csi.json")
        assert content["seed"] == seed
        nmse_db.append([point["nmse_db"] for point in content["points"]])
    assert nmse_db[0] == nmse_db[1] != nmse_db[2]


def test_nmse_over_bit_errors_is_written_and_drawn(measured):
    assert evaluate(measured, "--bit_error_rate=0,1e-3,1e-2") == 0
    path = measured / "a" / "evaluation_indoor_test_bit_errors.json"
    points = results.read(path)["points"]
    assert [point["bit_error_rate"] for point in points] == [0, 1e-3, 1e-2]
    assert points[0]["refused"] == 0 < points[2]["refused"]
    assert points[0]["nmse_db"] < points[2]["nmse_db_zero"]
    assert path.with_suffix(".png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("-5:40:5", [-5, 0, 5, 10, 15, 20, 25, 30, 35, 40]),
        ("0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("0:9:5", [0, 5]),
        ("3:3:1", [3]),
        ("1e-5,1e-3", [1e-5, 1e-3]),
        ("-7", [-7]),
    ],
)
def test_a_range_has_both_its_ends(text, numbers):
    assert kinds.NUMBERS(text) == numbers


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--snr_db=a"], "--snr_db=a; give low:high:step"),
        (["--snr_db=5:0:1"], "--snr_db=5:0:1; give low:high:step"),
        (["--snr_db=0:5:0"], "with a positive step"),
        (["--snr_db=0:5"], "--snr_db=0:5; give"),
        (["--snr_db=nan"], "--snr_db=nan; give"),
        (["--snr_db=1,,2"], "numbers with commas between"),
        (["--snr_db=1", "--noise=air"], "--noise=air; it must be one of codeword, la"),
        (["--noise=csi"], "--noise=csi; it goes with --snr_db"),
        (["--bit_error_rate=2"], "--bit_error_rate=2; a rate is 0 to 1"),
        (["--bit_error_rate=0", "--snr_db=1"], "give one of them"),
        (["--snr_db=1", "--seed=x"], "flag --seed=x"),
        (["--snr_db=1", "--output=a.png"], "--output=a.png; give FILE.json"),
    ],
)
def test_noise_flags_that_make_no_sense_are_refused(measured, flags, words, capsys):
    assert evaluate(measured, *flags) == 2
    assert words in capsys.readouterr().err


def test_several_runs_need_a_file_and_a_scenario_must_be_known(measured, capsys):
    assert evaluate(measured, "--snr_db=1", workdir="a,b") == 2
    assert "--workdir names 2 runs; give --output" in capsys.readouterr().err
    assert evaluate(measured, "--snr_db=1", "--scenario=moon") == 1
    words = "unknown source 'cost2100_moon'; known: cost2100_indoor"
    assert words in capsys.readouterr().err
    assert evaluate(measured, "--split=val") == 1
    assert "DATA_Hvalin.mat: no such file" in capsys.readouterr().err


def test_a_run_without_a_scenario_needs_one(measured, tmp_path, capsys):
    codec = load(measured / "a")
    with codec.config.unlocked():
        del codec.config.scenario
    codec.save(tmp_path / "a")
    assert evaluate(tmp_path) == 1
    assert "has no scenario: give --scenario" in capsys.readouterr().err


def test_a_path_that_exists_wins_over_a_model(measured, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(measured / "a", tmp_path / "csinet")
    assert tfcsi("info", "csinet") == 0
    assert "session fingerprint" in capsys.readouterr().out


def test_arguments_of_a_network_are_numbers_words_or_truths():
    text = "a=1,b=0.5,c=word,d=True,e="
    expected = {"a": 1, "b": 0.5, "c": "word", "d": True, "e": ""}
    assert kinds.ARGUMENTS(text) == expected
    assert kinds.ARGUMENTS("") == {}

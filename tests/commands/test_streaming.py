"""Files of more than one block: what is read and written a block at a time is what
would be written all at once, and a stop loses nothing."""

from __future__ import annotations

import functools
import json

import h5py
import numpy as np
import pytest
import scipy.io

from tfcsi import datasets, transforms
from tfcsi.__main__ import main
from tfcsi.codecs import streams
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packet_file import read_file, write_file
from tfcsi.coding.tables import Tables
from tfcsi.coding.wishes import warn_of_missed
from tfcsi.datasets import cost2100, tfrecord
from tfcsi.datasets.any_file import open_csi
from tfcsi.datasets.statistics import statistics
from tfcsi.evaluation import measure
from tfcsi.matrices import BLOCK, Matrices

NUM, SHAPE = 2 * BLOCK + 300, (8, 8)


@pytest.fixture(scope="module")
def h(draw_csi):
    """Complex64 [2300, 8, 8]."""
    return draw_csi(NUM, SHAPE)


@pytest.fixture(scope="module")
def make(h, dense, make_config):
    """The function from the name of a codec to the codec, of 8 x 8."""

    def network():
        fields = {"model": dense, "shape": SHAPE, "latent_dim": 8, "init": "random"}
        codec = Codec(make_config(**fields))
        codec.quantizer.initialize(codec.codewords(h[:100])[0], 1e-3)
        codec.use(Tables.from_counts(codec.symbols(h[:100])[0]))
        return codec

    makers = {
        "klt": lambda: Klt.fit(h[:300], 0.05),
        "topk": lambda: TopK(SHAPE, 6, 4, 10.0),
        "dft_grid": lambda: DftGrid.fit(h[:100], 0.2),
        "gaussian_mixture": lambda: GaussianMixture.at_bits(h[:50], 120),
        "paths": lambda: Paths.fit(h[:20], 0.5, num_fft=8),
        "network": network,
    }
    return functools.lru_cache(maxsize=None)(lambda name: makers[name]())


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


def compress(folder, source="h.npy", *flags):
    files = [f"--input={folder}/{source}", f"--output={folder}/h.tcsi"]
    return tfcsi("compress", f"--workdir={folder}/codec", *files, *flags)


def decompress(folder):
    files = [f"--input={folder}/h.tcsi", f"--output={folder}/h_hat.npy"]
    return tfcsi("decompress", f"--workdir={folder}/codec", *files)


@pytest.fixture
def folder(tmp_path, h, make):
    """A folder with h.npy and the run of a KLT."""
    np.save(tmp_path / "h.npy", h)
    make("klt").save(tmp_path / "codec")
    return tmp_path


def slow(*names):
    """Parameters of the slow tests."""
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


SLOW = slow("paths", "dft_grid", "gaussian_mixture")


@pytest.mark.parametrize("name", ["klt", "topk", "network", *SLOW])
def test_a_file_of_several_blocks_is_coded_as_all_at_once(tmp_path, h, make, name):
    codec = make(name)
    codec.save(tmp_path / "codec")
    np.save(tmp_path / "h.npy", h)
    assert compress(tmp_path) == 0
    packets = codec.compress(h)
    write_file(tmp_path / "whole.tcsi", codec.session, packets)
    whole = (tmp_path / "whole.tcsi").read_bytes()
    assert (tmp_path / "h.tcsi").read_bytes() == whole
    assert decompress(tmp_path) == 0
    np.save(tmp_path / "whole.npy", codec.decompress(packets))
    whole = (tmp_path / "whole.npy").read_bytes()
    assert (tmp_path / "h_hat.npy").read_bytes() == whole


def write_npy_of_matlab(path, h):
    np.save(path.with_suffix(".npy"), np.asfortranarray(np.moveaxis(h, 0, -1)))


def write_h5(path, h):
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.create_dataset("h", data=h, chunks=(700, 8, 8), compression="gzip")


def write_mat73(path, h):
    with h5py.File(path.with_suffix(".mat"), "w", userblock_size=512) as file:
        item = file.create_dataset("H", data=h.T, chunks=(8, 4, 900))
        item.attrs["MATLAB_class"] = np.bytes_("single")


WRITERS = {
    "npy": write_npy_of_matlab,
    "npz": lambda path, h: np.savez(path.with_suffix(".npz"), h=h),
    "h5": write_h5,
    "mat": lambda path, h: scipy.io.savemat(path.with_suffix(".mat"), {"H": h}),
    "mat73": write_mat73,
    "pair": lambda path, h: scipy.io.savemat(
        path.with_suffix(".mat"), {"H_re": h.real, "H_im": h.imag}
    ),
    "tfrecord": lambda path, h: tfrecord.write(path.with_suffix(".tfrecord"), h),
}


@pytest.mark.parametrize("form", [*[*WRITERS][:-1], *slow("tfrecord")])
def test_every_form_of_file_gives_the_same_packets(folder, h, form):
    assert compress(folder) == 0
    packets = (folder / "h.tcsi").read_bytes()
    WRITERS[form](folder / "other", h)
    (other,) = folder.glob("other.*")
    assert compress(folder, other.name) == 0
    assert (folder / "h.tcsi").read_bytes() == packets


def test_matrices_can_be_read_again_and_from_any_number_on(folder, h):
    with open_csi(folder / "h.npy") as matrices:
        for first in (0, 1, BLOCK, NUM - 1, NUM, 0):
            blocks = list(matrices.blocks(first))
            assert all(len(block) == BLOCK for block in blocks[:-1])
            np.testing.assert_array_equal(np.concatenate([h[:0], *blocks]), h[first:])


class Stopped(KeyboardInterrupt):
    """Ctrl-C while matrices are read."""


def stopping(h, after):
    """Matrices of which only some can be read."""

    def parts(first):
        yield h[first:after]
        raise Stopped

    return Matrices(h.shape[1:], len(h), parts)


@pytest.mark.parametrize("cut", [0, 1, 5000, 50_000])
def test_a_stopped_compress_goes_on_to_the_same_bytes(folder, h, make, cut):
    codec, lines, done = make("klt"), [], []
    output = folder / "h.tcsi"
    job = streams.job_of(folder / "codec", folder / "h.npy")
    with pytest.raises(Stopped):
        streams.compress(codec, stopping(h, NUM - 100), output, job, lines.append)
    (part,) = folder.glob("h.tcsi.*.part")
    assert f"{part} keeps what is finished, 2000 matrices" in lines[0]
    assert not output.exists()
    content = part.read_bytes()
    part.write_bytes(content[: len(content) - cut])
    matrices = Matrices.of(h)
    sent = streams.compress(codec, matrices, output, job, lines.append, done.append)
    write_file(folder / "whole.tcsi", codec.session, codec.compress(h))
    assert output.read_bytes() == (folder / "whole.tcsi").read_bytes()
    assert sent.num == sum(done) == NUM and sent.file_bytes == output.stat().st_size
    assert sent.packet_bytes == sum(map(len, read_file(output)[1]))
    assert not part.exists()
    kept = {0: 2000, 1: 1000, 5000: 1000}.get(cut)
    assert bool(kept) == (f"after {kept} matrices" in lines[-1])


def test_a_damaged_part_of_a_file_is_made_anew(folder, h, make):
    codec, output = make("klt"), folder / "h.tcsi"
    job = streams.job_of(folder / "codec", folder / "h.npy")
    with pytest.raises(Stopped):
        streams.compress(codec, stopping(h, NUM - 100), output, job, print)
    (part,) = folder.glob("h.tcsi.*.part")
    content = bytearray(part.read_bytes())
    content[len(content) // 4] ^= 1
    part.write_bytes(content)
    streams.compress(codec, Matrices.of(h), output, job, print)
    assert read_file(output)[1] == codec.compress(h)


def test_a_stopped_decompress_goes_on_to_the_same_bytes(folder, h, make):
    codec, lines, output = make("klt"), [], folder / "h_hat.npy"
    packets = codec.compress(h)
    write_file(folder / "h.tcsi", codec.session, packets)
    source, job = folder / "h.tcsi", {"job": 1}
    blocks = [packets[i : i + BLOCK] for i in range(0, NUM, BLOCK)]

    def stopped():
        yield from blocks[:2]
        raise Stopped

    with pytest.raises(Stopped):
        streams.decompress(codec, stopped(), source, output, job, lines.append)
    (part,) = folder.glob("h_hat.npy.*.part")
    part.write_bytes(part.read_bytes()[:-700])
    streams.decompress(codec, iter(blocks), source, output, job, lines.append)
    assert "going on after 1000 matrices" in lines[-1]
    np.save(folder / "whole.npy", codec.decompress(packets))
    assert output.read_bytes() == (folder / "whole.npy").read_bytes()


def test_another_job_does_not_go_on_with_a_file(folder, h, make):
    codec, output = make("klt"), folder / "h.tcsi"
    job = streams.job_of(folder / "codec", folder / "h.npy")
    with pytest.raises(Stopped):
        streams.compress(codec, stopping(h, NUM - 100), output, job, print)
    (part,) = folder.glob("h.tcsi.*.part")
    before = part.read_bytes()
    np.save(folder / "h.npy", h[::-1])
    other = streams.job_of(folder / "codec", folder / "h.npy")
    assert other != job
    streams.compress(codec, Matrices.of(h[::-1]), output, other, print)
    assert read_file(output)[1] == codec.compress(h[::-1])
    assert part.read_bytes() == before


def test_a_bad_matrix_of_a_later_block_is_named_and_nothing_stays(folder, h, capsys):
    bad = h.copy()
    bad[BLOCK + 234, 0, 0] = np.nan
    np.save(folder / "h.npy", bad)
    assert compress(folder) == 1
    assert f"matrix {BLOCK + 234}: NaN" in capsys.readouterr().err
    assert not [*folder.glob("h.tcsi*")]


def test_what_a_codec_refuses_in_a_later_block_is_numbered(tmp_path, h, make, capsys):
    make("network").save(tmp_path / "codec")
    loud = h.copy()
    loud[BLOCK + 7] *= 3
    np.save(tmp_path / "h.npy", loud)
    assert compress(tmp_path) == 1
    message = capsys.readouterr().err
    assert "in the block from matrix 1000 on: h[7] has max |h| = 1.5" in message


def test_a_damaged_packet_of_a_later_block_is_numbered(folder, h, make, capsys):
    codec = make("klt")
    packets = codec.compress(h)
    packets[BLOCK + 12] = bytes([packets[BLOCK + 12][0] ^ 1]) + packets[BLOCK + 12][1:]
    write_file(folder / "h.tcsi", codec.session, packets)
    assert decompress(folder) == 1
    assert f"h.tcsi: packet {BLOCK + 12} fails" in capsys.readouterr().err
    assert not [*folder.glob("h_hat*")]


def test_two_processes_do_not_write_one_file(folder, h, make, capsys):
    codec, output = make("klt"), folder / "h.tcsi"
    job = streams.job_of(folder / "codec", folder / "h.npy")

    def parts(first):
        with pytest.raises(FileExistsError, match="being written by another process"):
            streams.compress(codec, Matrices.of(h), output, job, print)
        yield h[first:]

    streams.compress(codec, Matrices(SHAPE, NUM, parts), output, job, print)
    assert read_file(output)[1] == codec.compress(h)


class Missing(Klt):
    """A KLT that misses a target by its number of matrices in hundredths of a dB."""

    def compress(self, h, **wishes):
        wishes_db = wishes.pop("nmse_db")
        if len(h) < BLOCK:
            missed = np.full(3, 10 ** (wishes_db / 10 + len(h) / 1000))
            warn_of_missed(missed, len(h), wishes_db, stacklevel=1)
        return super().compress(h, **wishes)


def test_targets_that_are_missed_are_counted_over_all_blocks(folder, h, make):
    codec = Missing.fit(h[:300], 0.05)
    arguments = (Matrices.of(h), folder / "h.tcsi", None, print)
    sent = streams.compress(codec, *arguments, nmse_db=-20.0)
    assert str(sent.missed) == "3 of 2300 matrices miss -20.0 dB, by up to 3.00 dB"


@pytest.fixture(scope="module")
def published(tmp_path_factory, draw_csi):
    """A folder of 1020 test matrices in the published form."""
    folder = tmp_path_factory.mktemp("published")
    h = draw_csi(BLOCK + 20, (32, 32))
    cost2100.write(folder / cost2100.file_name("test"), h, "7.3")
    return folder


def test_the_published_form_is_read_by_blocks(published):
    names = ("cost2100_indoor", published, "test", "angular_delay")
    h = datasets.read(*names)
    path = published / cost2100.file_name("test")
    for opened in (
        cost2100.DATASET.open_file(path, "angular_delay"),
        datasets.open_split(*names),
    ):
        with opened as matrices:
            blocks = list(matrices.blocks())
        assert [len(block) for block in blocks] == [BLOCK, 20]
        np.testing.assert_array_equal(np.concatenate(blocks), h)


def test_a_split_is_evaluated_by_blocks_to_the_same_numbers(tmp_path, h, make):
    codec, done = make("klt"), []
    manifest = {"format": "hdf5", "channel": "mine", "setup": {}, "done": {"test": NUM}}
    (tmp_path / "generate.json").write_text(json.dumps(manifest))
    write_h5(tmp_path / "test", h)
    packets = codec.compress(h)
    whole = measure.measure(h, codec.decompress(packets), packets, "angular_delay")
    names = ("generated_mine", tmp_path, "test", "angular_delay")
    with datasets.open_split(*names) as matrices:
        point = measure.evaluate(codec, matrices, done=done.append)
    estimated = np.mean(codec.bits_estimated(codec.symbols(h)[0]))
    assert point == {**whole, "bits_estimated": estimated}
    assert done == [BLOCK, BLOCK, 300]


@pytest.mark.parametrize("domain", transforms.DOMAINS)
def test_statistics_of_a_file_are_those_of_its_array(folder, h, domain):
    with open_csi(folder / "h.npy") as matrices:
        assert statistics(matrices, domain) == statistics(h, domain)

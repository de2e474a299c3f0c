"""Each kind of bytes that tfcsi reads: sound examples, and the reader.

`make(folder)` writes the examples below a folder. A kind is one entry of `KINDS`: its
name, its examples, and a function that gives bytes to the reader of tfcsi.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import pathlib
import shutil
from collections.abc import Callable

import h5py
import numpy as np
import scipy.io

import tfcsi
from tests.codecs import learned_weights
from tests.conftest import correlated_csi
from tfcsi import files
from tfcsi.codecs import zoo
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.coding import grids, sending
from tfcsi.coding.packet_file import read_file, write_file
from tfcsi.coding.packet_index import PacketFile
from tfcsi.coding.packets import PacketError, Session, pack, unpack
from tfcsi.coding.tables import CODERS, Tables
from tfcsi.datasets import cost2100, inputs
from tfcsi.datasets._files import DataError
from tfcsi.serving import wire
from tfcsi.ue import PathUe, Ue
from tfcsi.weights import reading

RUNS = pathlib.Path(__file__).parents[1] / "golden" / "workdirs"
TORCH = pathlib.Path(__file__).parents[1] / "weights" / "files"
SHAPE, SIDE = (8, 8), (2, 3)
OF_NETWORKS = (  # Kinds of `network_kinds`, whose import starts TensorFlow.
    *("config.json:csinet", "codec.npz:csinet", "config.json:csi_inr_4bit"),
    *("codec.npz:csi_inr_4bit", "tfrecord", "tflite"),
)
PACKET = r"packet 0\b"
HEAD = Session("demo", *SIDE, bytes(range(8)))
OLD = dataclasses.replace(HEAD, version=1)


@dataclasses.dataclass(frozen=True)
class Kind:
    """Bytes of one kind.

    Attributes:
      name: Name of the kind.
      examples: Bytes that the reader takes.
      prepare: Puts bytes into a folder, and returns a function that reads them.
      says: Pattern that the message of a refusal holds.
      form: Form of the bytes, as of `mutations.mutated`.
    """

    name: str
    examples: tuple[bytes, ...]
    prepare: Callable[[bytes, pathlib.Path], Callable[[], object]]
    says: str = PACKET
    form: str = ""


def header(content: bytes) -> object:
    """Reads a header of a session."""
    return Session.from_bytes(content)


def check(session: Session, content: bytes) -> object:
    """Checks one packet."""
    return unpack([content], session)


def payload(codec: object, content: bytes) -> object:
    """Decodes a packet whose check was made to fit; the last three bits are cut."""
    size = 8 * len(content) - (3 if codec.session.version == 2 else 0)
    (packet,) = pack([content[:8191]], codec.session, [max(0, min(size, 65525))])
    h_hat = codec.decompress([packet])
    assert np.isfinite(h_hat).all() and h_hat.shape == (1, *codec.shape)
    return h_hat


@dataclasses.dataclass(frozen=True)
class Symbols:
    """What a neural codec does before its networks, as a codec for `payload`."""

    session: Session
    tables: Tables
    grid: object
    shape: tuple[int, int] = (1, 12)

    def decompress(self, packets: list[bytes]) -> np.ndarray:
        """Returns the codeword as CSI."""
        sent = sending.receive(packets, self.grid.num_side, self.session, self.tables)
        return self.grid.dequantize(*sent)[:, None, :]


def at_once(reader: Callable, *given: object) -> Callable:
    """Returns the `prepare` of bytes that are in no file."""
    return lambda content, _: functools.partial(reader, *given, content)


@dataclasses.dataclass(frozen=True)
class InFile:
    """The `prepare` of a file: its name, and the function that reads a path."""

    name: str
    reader: Callable[[pathlib.Path], object]

    def __call__(self, content: bytes, folder: pathlib.Path) -> Callable[[], object]:
        """Writes the file, and returns what reads it."""
        path = folder / self.name
        path.write_bytes(content)
        return functools.partial(self.reader, path)


def packet_file(path: pathlib.Path) -> object:
    """Reads a file of packets in its order, and then each packet by its number."""
    whole = read_file(path)
    with PacketFile(path) as stored:
        return whole, [stored[i] for i in range(len(stored))]


def path_tables(path: pathlib.Path) -> object:
    """Reads the tables of a phone for path coding."""
    return PathUe(path)


def phone_tables(path: pathlib.Path) -> object:
    """Reads the tables of a phone for a network; there is no encoder."""
    return Ue(path.with_name("encoder.tflite"), path)


def matrices(path: pathlib.Path) -> object:
    """Reads CSI as `tfcsi compress --input` does."""
    try:
        h = inputs.read(path, "angular_delay")
    except DataError:  # Perhaps it can be read in several ways.
        h = inputs.read(path, "angular_delay", shape=(17, 18))
    assert np.isfinite(h).all() and h.dtype == np.complex64 and h.ndim == 3
    return h


def weights(path: pathlib.Path) -> object:
    """Reads weights as `tfcsi import` does."""
    arrays = reading.read(path)
    assert all(np.isfinite(array).all() for array in arrays.values())
    return arrays


def manifest(path: pathlib.Path) -> object:
    """Reads the manifest of a zoo, and checks the files of its codecs."""
    for name, fields in zoo.read_manifest(path.parent).items():
        entry = zoo.Entry(name, path.parent, fields)
        assert entry.num_bytes >= 0 or not entry.is_here()
    return None


def codec_of(path: pathlib.Path) -> object:
    """Loads the codec of the folder of a file."""
    codec = tfcsi.load(path.parent)
    codec.describe()
    return codec


def codecs(h: np.ndarray) -> dict[str, object]:
    """A codec of each kind that needs no network, small."""
    weights = io.BytesIO()
    np.savez(weights, **learned_weights.arrays())
    place = pathlib.Path(tfcsi.__file__).parent / "zoo"
    return {
        "topk": TopK(SHAPE, 6, 4, 10.0),
        "topk_1": TopK(SHAPE, 6, 4, 10.0, 1),
        "klt": Klt.at_bits(h, 120),
        "dft_grid": DftGrid.fit(h, 0.1),
        "gaussian_mixture": GaussianMixture.at_bits(h, 120),
        "paths": Paths.fit(h[:12], num_fft=8),
        "paths_of_all": tfcsi.load(place / "paths"),
        "learned": weights.getvalue(),
    }


def symbol_codecs(h: np.ndarray) -> dict[str, Symbols]:
    """Grid, tables and coder of neural codecs, in both formats of packets."""
    rng = np.random.default_rng(0)
    y = rng.laplace(size=(500, 12)).astype(np.float32)
    out = {}
    for name, grid in (
        ("uniform", grids.UniformGrid(np.full(12, 0.3))),
        ("mulaw", grids.MuLawGrid(12, 5, 50.0)),
        ("float", grids.FloatGrid(12)),
    ):
        symbols, _ = grid.quantize(y)
        for coder in CODERS if name != "float" else CODERS[:1]:
            for session in (HEAD, OLD):
                kind = f"{name}_{coder}_{session.version}"
                if not symbols.size:
                    index = np.zeros(0, np.int32)
                    tables = Tables.from_pmf([[1.0]], 0, index, coder)
                else:
                    tables = Tables.from_counts(symbols, coder)
                out[kind] = Symbols(session, tables, grid)
    return out


def payloads(codec: object, h: np.ndarray) -> tuple[bytes, ...]:
    """What is behind the check of packets of a codec."""
    if isinstance(codec, Symbols):
        rng = np.random.default_rng(1)
        y = rng.laplace(size=(4, 12)).astype(np.float32)
        sent = codec.grid.quantize(y)
        packets = sending.packets(*sent, codec.session, codec.tables)
    else:
        packets = codec.compress(correlated_csi(4, codec.shape, seed=3))
    return tuple(unpack(packets, codec.session))


def data_files(folder: pathlib.Path) -> dict[str, list[bytes]]:
    """Files of CSI of each form, by their ending."""
    h = correlated_csi(20, (17, 18))
    forms: dict[str, list[bytes]] = {}

    def keep(kind: str, name: str) -> None:
        forms.setdefault(kind, []).append((folder / name).read_bytes())

    for code in ("<c8", ">c8", "<c16"):
        np.save(folder / "h.npy", h.astype(code))
        keep("npy", "h.npy")
    np.savez(folder / "h.npz", H=h, t=np.arange(3.0))
    keep("npz", "h.npz")
    np.savez_compressed(folder / "h.npz", H_re=h.real, H_im=h.imag)
    keep("npz", "h.npz")
    for pack_it in (False, True):
        scipy.io.savemat(
            folder / "h.mat",
            {"H": h, "s": {"a": 1.0}},
            False,
            "5",
            do_compression=pack_it,
        )
        keep("mat", "h.mat")
    scipy.io.savemat(folder / "h.mat", {"H": h[0].astype(np.complex128)}, format="4")
    keep("mat", "h.mat")
    tall = correlated_csi(3, (32, 32))
    for version in ("5", "7.3"):
        cost2100.write(folder / "DATA_Htestin.mat", tall, version)
        keep("mat" if version == "5" else "mat73", "DATA_Htestin.mat")
    for options in ({}, {"chunks": (9, 17, 18), "compression": "gzip"}):
        with h5py.File(folder / "h.h5", "w") as out:
            out.create_dataset("g/H", data=h, **options)
            out["g/H"].attrs["axes"] = "n,tx,delay"
        keep("h5", "h.h5")
    with h5py.File(folder / "h.h5", "w") as out:
        out["g/re"], out["g/im"] = h.real, h.imag
    keep("h5", "h.h5")
    with h5py.File(folder / "h.h5", "w") as out:  # With heaps.
        out["H"] = h
        out["H"].attrs.update(axes="n,tx,delay", note="x" * 99)
        options = {"dtype": h5py.string_dtype(), "fillvalue": "abc", "chunks": (2,)}
        out.create_dataset("names", (5,), **options)[0] = "x"
    keep("h5", "h.h5")
    return forms


def workdir_kinds(folder: pathlib.Path, made: dict[str, object]) -> list[Kind]:
    """Kinds of the two files of a run, one pair for each codec."""
    kinds = []
    for name, codec in made.items():
        if codec is not None:
            codec.save(folder / name)
        for changed, form in (("config.json", "json"), ("codec.npz", "zip")):

            def prepare(
                content: bytes, place: pathlib.Path, name=name, changed=changed
            ) -> Callable[[], object]:
                if not (place / name).exists():
                    shutil.copytree(folder / name, place / name)
                return InFile(changed, codec_of)(content, place / name)

            content = (folder / name / changed).read_bytes()
            kinds.append(Kind(f"{changed}:{name}", (content,), prepare, name, form))
    return kinds


def weights_kinds(folder: pathlib.Path) -> list[Kind]:
    """Kinds of files of weights that `tfcsi import` reads."""
    with h5py.File(folder / "w.h5", "w") as out:
        for layer, size in (("conv2d", (3, 3, 2, 2)), ("dense_1", (6, 4))):
            group = out.create_group(f"{layer}/{layer}")
            group["kernel:0"] = np.ones(size, np.float32)
            group["bias:0"] = np.zeros(size[-1], np.float32)
    np.savez(folder / "w.npz", **{"w/a": np.ones(3, np.float32), "b": np.ones(2)})
    kinds = []
    for name, paths, form in (
        ("pytorch", sorted(TORCH.glob("*state_*.pth*")), ""),
        ("pytorch_zip", [TORCH / "state_zip.pth"], "zip"),
        ("keras", [folder / "w.h5"], ""),
        ("numpy", [folder / "w.npz"], "zip"),
    ):
        examples = tuple(path.read_bytes() for path in paths)
        prepare = InFile(f"w{'.npz' if name == 'numpy' else '.pth'}", weights)
        kinds.append(Kind(f"weights:{name}", examples, prepare, r"w\.(npz|pth)", form))
    return kinds


def make(folder: pathlib.Path) -> dict[str, Kind]:
    """Returns each kind by its name, without those of `network_kinds`.

    Args:
      folder: Examples are written below it.
    """
    h = correlated_csi(60, SHAPE)
    folder.mkdir(parents=True, exist_ok=True)
    made = codecs(h)
    (folder / "weights.npz").write_bytes(made["learned"])
    made["learned"] = Learned.trained(folder / "weights.npz", h, rate=1)
    heads = (HEAD.to_bytes(), OLD.to_bytes())
    kinds = [Kind("header", heads, at_once(header), "header")]
    for session in (HEAD, OLD):
        number, packets = session.version, pack([b"", b"abc", bytes(40)], session)
        kinds.append(Kind(f"check:{number}", tuple(packets), at_once(check, session)))
        stored = pack([bytes([i]) * (i % 9) for i in range(70)], session)
        write_file(folder / "x.tcsi", session, stored)
        content = (folder / "x.tcsi").read_bytes()
        prepare = InFile("x.tcsi", packet_file if number == 2 else read_file)
        examples = (content, content * 2)[:number]
        kinds.append(Kind(f"tcsi:{number}", examples, prepare, r"x\.tcsi"))
    for name, codec in {**made, **symbol_codecs(h)}.items():
        prepare = at_once(payload, codec)
        kinds.append(Kind(f"payload:{name}", payloads(codec, h), prepare))
    grid, rng = grids.UniformGrid(np.full(12, 0.3)), np.random.default_rng(0)
    tables = Tables.from_counts(grid.quantize(rng.laplace(size=(500, 12)))[0])
    path = folder / "tables.npz"
    sending.save_tables(path, HEAD, tables, "uniform", grid, False)
    prepare, says = InFile(path.name, phone_tables), r"tables\.npz|encoder\.tflite"
    kinds.append(Kind("tables:network", (path.read_bytes(),), prepare, says, "zip"))
    path.unlink()
    made["paths"].sender.save_tables(path)
    prepare = InFile(path.name, path_tables)
    kinds.append(Kind("tables:paths", (path.read_bytes(),), prepare, path.name, "zip"))
    small = {k: made[k] for k in made if k not in ("topk_1", "paths_of_all")}
    kinds += workdir_kinds(folder / "runs", small)
    for ending, examples in data_files(folder).items():
        form = {"npz": "zip", "npy": "npy", "h5": "hdf5"}.get(ending, "")
        name = f"h.{ending.replace('73', '')}"
        prepare = InFile(name, matrices)
        kinds.append(Kind(ending, tuple(examples), prepare, name, form))
        if ending == "npy":
            prepare = InFile(name, files.read_csi)
            kinds.append(Kind("npy:phone", tuple(examples), prepare, name, form))
    request = wire.write_request([(HEAD.fingerprint, b"packet")] * 3)
    prepare = at_once(functools.partial(wire.read_request, most=10))
    kinds.append(Kind("request", (request,), prepare, "packet|request"))
    zeros, refusal = np.zeros(SIDE, np.complex64), PacketError("no")
    answer = wire.write_answer([zeros, refusal])
    prepare = at_once(functools.partial(wire.read_answer, shapes=[SIDE, SIDE]))
    kinds.append(Kind("answer", (answer,), prepare, "answer"))
    kinds += weights_kinds(folder)
    content = (pathlib.Path(tfcsi.__file__).parent / "zoo/manifest.json").read_bytes()
    prepare = InFile("manifest.json", manifest)
    kinds.append(Kind("manifest", (content,), prepare, r"manifest\.json", "json"))
    return {kind.name: kind for kind in kinds}

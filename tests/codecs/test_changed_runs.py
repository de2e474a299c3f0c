"""A run of a codec without a network that was changed by hand is refused, or is as it
was; and one that an earlier version wrote still decodes.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfcsi
from tests.codecs import learned_weights
from tests.conftest import sampled
from tfcsi import transforms
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.codecs.workdir import CLASSICAL_FIELDS, KINDS
from tfcsi.coding.packets import VERSION, Session

SHAPE = (8, 8)
NAMES = sorted(KINDS.keys() - {"neural"})
# Field of a config to what a hand may make of it, where the codec would be another one.
REFUSED = {
    "model": [*NAMES, "stqenet", None],
    "shape": [
        [4, 16],
        [8, 4],
        [8.0, 8],
        [8],
        "88",
        [True, 8],
        [8, -8],
        [10**6, 8],
        None,
    ],
    "domain": [*transforms.DOMAINS, "delay", None],
    "step": [0.25],
    "latent_dim": [8],
}
# Fields that say where a codec came from.
TOLD = ("seed", "dataset", "scenario", "source", "network")


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Domain to complex64 [60, 8, 8], max |h| = 0.5; the last ten are sent."""
    h = draw_csi(60, SHAPE)
    h_sf = transforms.to_peak(transforms.to_space_frequency(h, SHAPE[1]))[0]
    return dict(zip(transforms.DOMAINS, (h, h_sf)))


@pytest.fixture(scope="module", params=sampled(NAMES, ("gaussian_mixture", "klt")))
def name(request):
    return request.param


@pytest.fixture(scope="module", params=transforms.DOMAINS)
def codec(request, name, matrices, tmp_path_factory):
    domain, h = request.param, matrices[request.param][:50]
    weights = tmp_path_factory.mktemp("weights") / "weights.npz"
    np.savez(weights, **learned_weights.arrays())
    made = {
        "learned": lambda: Learned.trained(weights, h, 1, domain),
        "klt": lambda: Klt.at_bits(h, 120),
        "topk": lambda: TopK(SHAPE, 6, 4, 10.0),
        "dft_grid": lambda: DftGrid.fit(h, 0.1, domain),
        "gaussian_mixture": lambda: GaussianMixture.at_bits(h, 120, domain=domain),
        "paths": lambda: Paths.fit(h, num_fft=8, domain=domain),
    }[name]()
    made.config.update(domain=domain, dataset="cost2100", scenario="indoor", seed=7)
    made.config.update(source={"axes": "n,tx,delay"}, network={"domain": domain})
    return made


@pytest.fixture(scope="module")
def sent(codec, matrices):
    return codec.compress(matrices[codec.domain][50:])


@pytest.fixture
def folder(codec, tmp_path):
    codec.save(tmp_path)
    return tmp_path


def change_config(folder, **fields):
    """Writes fields to config.json; those that are None are taken out."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **fields}
    config = {k: v for k, v in config.items() if v is not None or k not in fields}
    path.write_text(json.dumps(config))


def change_arrays(folder, **arrays):
    """Writes arrays to codec.npz; those that are None are taken out."""
    path = folder / "codec.npz"
    stored = {**dict(np.load(path)), **arrays}
    np.savez(path, **{k: v for k, v in stored.items() if v is not None})


def assert_same(codec, again, sent):
    """Checks that a codec is another one, by its session and what it decodes."""
    assert (again.session, again.shape) == (codec.session, codec.shape)
    assert again.domain == codec.domain
    np.testing.assert_array_equal(again.decompress(sent), codec.decompress(sent))


def test_every_field_of_a_config_is_changed_here():
    assert {*CLASSICAL_FIELDS} == {"model", "shape", "domain", *TOLD}


@pytest.mark.parametrize(
    ("field", "change"), [(k, v) for k, values in REFUSED.items() for v in values]
)
def test_a_field_that_makes_the_codec_is_refused_when_changed(
    field, change, codec, folder, sent
):
    same = json.dumps(change) == json.dumps(codec.config.get(field))
    usual = change is None and (field, codec.domain) == ("domain", "angular_delay")
    change_config(folder, **{field: change})
    if same or usual:
        assert_same(codec, tfcsi.load(folder), sent)
        return
    with pytest.raises(ValueError, match="config.json|no sound codec: .*shape is"):
        tfcsi.load(folder)


@pytest.mark.parametrize("field", TOLD)
@pytest.mark.parametrize("change", [None, 3, "other", {"step": 0.5, "bits": 9}])
def test_a_field_that_tells_the_origin_has_no_effect_on_the_codec(
    field, change, codec, folder, sent
):
    change_config(folder, **{field: change})
    assert_same(codec, tfcsi.load(folder), sent)


def test_a_run_holds_its_session_and_the_version_of_its_packets(codec, folder):
    with np.load(folder / "codec.npz") as arrays:
        header, version = arrays["session"].tobytes(), int(arrays["packet_version"])
        assert str(arrays["domain"]) == codec.domain
    assert Session.from_bytes(header) == (codec.session, len(header))
    assert version == codec.session.version == VERSION


def test_another_session_or_version_in_the_file_of_arrays_is_refused(codec, folder):
    other = TopK(SHAPE, 5, 3, 0.0).session.to_bytes()
    for arrays, words in (
        ({"session": np.frombuffer(other, np.uint8)}, "does not fit codec.npz"),
        ({"session": np.zeros(9, np.uint8)}, "header begins"),
        ({"packet_version": np.array(9)}, r"version 9; this tfcsi knows \(1, 2\)"),
        ({"packet_version": np.array(1)}, "version 1, and the codec|does not fit"),
    ):
        codec.save(folder)
        change_arrays(folder, **arrays)
        with pytest.raises(ValueError, match=f"no sound codec: .*{words}"):
            tfcsi.load(folder)


def test_a_run_from_before_sessions_were_saved_decodes_its_packets(
    name, codec, folder, sent
):
    change_arrays(folder, session=None)
    assert_same(codec, tfcsi.load(folder), sent)
    if name not in (
        "klt",
        "topk",
    ):  # Those without a version have packets of version 1.
        change_arrays(folder, packet_version=None, domain=None)
        assert_same(codec, tfcsi.load(folder), sent)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "kept", [(), ("packet_version",), ("packet_version", "session")]
)
def test_an_early_run_of_the_other_domain_keeps_its_session_when_saved_anew(
    version, kept, matrices, tmp_path
):
    h = matrices["space_frequency"]
    fitted = Klt.at_bits(h[:50], 120)
    for codec in (
        Klt(SHAPE, fitted.basis, fitted.step, fitted.tables, version),
        TopK(SHAPE, 6, 4, 10.0, version),
    ):
        if version == 2 and not kept:
            continue  # There were no such runs.
        codec.config["domain"], codec.names_domain = "space_frequency", False
        assert codec.session.codec == codec.name
        packets = codec.compress(h[50:])
        codec.save(tmp_path)
        gone = {"domain", "session", "packet_version"}.difference(kept)
        change_arrays(tmp_path, **dict.fromkeys(gone))
        for _ in range(3):
            again = tfcsi.load(tmp_path)
            assert_same(codec, again, packets)
            again.save(tmp_path)

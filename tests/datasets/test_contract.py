"""Laws of every data set in the registry, on small files that are written here.

A data set that is added to the registry needs an entry in `WRITERS`.
"""

import dataclasses
import inspect
import json

import h5py
import numpy as np
import pytest
import scipy.io
from ml_collections import ConfigDict

from tfcsi import datasets, transforms
from tfcsi.datasets import cost2100, generated, quadriga, raytraced, tfrecord
from tfcsi.datasets._files import DataError

NUM = 640  # matrices of a file that holds all splits: 40, 200 and 400


def channels(n, seed):
    """[n, 32, 32] in the space-frequency domain, complex64."""
    x = np.random.default_rng(seed).standard_normal((n, 32, 32, 2))
    return x.astype(np.float32).view(np.complex64)[..., 0]


def write_cost2100(folder):
    for seed, scenario in enumerate(cost2100.SCENARIOS):
        for split, part in zip(cost2100.SPLITS, np.split(channels(60, seed), [30, 45])):
            h = transforms.to_peak(transforms.to_angular_delay(part, 32))[0]
            cost2100.write(folder / cost2100.file_name(split, scenario), h)
    return {scenario: {} for scenario in cost2100.SCENARIOS}


def write_quadriga(folder):
    compound = np.dtype([("real", "<f4"), ("imag", "<f4")])
    for seed, name in enumerate(quadriga.FILES.values()):
        h = np.fft.ifftshift(transforms.to_angular_delay(channels(NUM, seed), 32), 1)
        with h5py.File(folder / name, "w") as file:
            file["H"] = np.ascontiguousarray(np.swapaxes(h, 1, 2)).view(compound)
            file["H"].attrs["MATLAB_class"] = np.bytes_("single")
    stored = np.moveaxis(channels(NUM, 9), 0, -1)
    scipy.io.savemat(folder / "mine.mat", {"G": stored})
    mine = {"mine.mat": {"key": "G", "stored": "space_frequency"}}
    return {**{scenario: {} for scenario in quadriga.FILES}, **mine}


def write_raytraced(folder):
    for seed, name in enumerate(raytraced.FILES.values()):
        np.savez(folder / name, channel=channels(NUM, seed)[:, None])
    return {scenario: {} for scenario in raytraced.FILES}


def write_deepmimo(folder):
    np.savez(folder / "mine.npz", channel=channels(40, 0)[:, None])
    few = {"num_val": 5, "num_test": 10, "num_fft": 32}
    (folder / "O1").mkdir()
    rng = np.random.default_rng(1)
    low, high = [-180, 0, -120, -180, 60], [180, 310e-9, -80, 180, 120]
    paths = rng.uniform(low, high, (40, 4, 5))
    keys = ("phase", "delay", "power", "aod_az", "aod_el")
    for key, values in zip(keys, np.moveaxis(paths, -1, 0)):
        np.savez(folder / "O1" / f"{key}_t001_tx000_r000.npz", **{key: values})
    return {"mine.npz": few, "O1": few}


def write_generated(folder):
    forms = {
        "cost2100_indoor": ("angular_delay", "hdf5"),
        "tr38901_uma_nlos": ("space_frequency", "tfrecord"),
    }
    for seed, (channel, (domain, form)) in enumerate(forms.items()):
        place = folder / channel
        place.mkdir()
        parts = np.split(channels(60, seed)[:, :24, :20], [30, 45])
        done = dict(zip(("train", "val", "test"), map(len, parts)))
        manifest = {"channel": channel, "setup": {"domain": domain}, "done": done}
        text = json.dumps({**manifest, "format": form})
        (place / generated.MANIFEST).write_text(text)
        for split, part in zip(done, parts):
            h = transforms.to_peak(part)[0]
            if form == "tfrecord":
                tfrecord.write(place / f"{split}-00000-of-00001.tfrecord", h)
                continue
            with h5py.File(place / f"{split}.h5", "w") as file:
                file["h"] = h
                file["h"].attrs["axes"] = "n,tx,delay"
    return {"cost2100_indoor": {}, "tr38901_uma_nlos": {}}


WRITERS = {
    "cost2100": write_cost2100,
    "quadriga": write_quadriga,
    "raytraced": write_raytraced,
    "deepmimo": write_deepmimo,
    "generated": write_generated,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A data root with files of every data set, and scenario to options of each."""
    root = tmp_path_factory.mktemp("root")
    options = {}
    for name, write in WRITERS.items():
        (root / name).mkdir()
        options[name] = write(root / name)
    return root, options


@pytest.fixture(params=datasets.DATASETS)
def dataset(request):
    """Each data set of the registry."""
    return datasets.DATASETS[request.param]


def cases(written, dataset):
    """(folder, scenario, options) of each scenario that has files."""
    root, options = written
    for scenario, chosen in options[dataset.name].items():
        yield root / dataset.name, scenario, chosen


def test_every_dataset_and_every_scenario_is_tested_here(written):
    _, options = written
    for name in set(WRITERS) ^ set(datasets.DATASETS):
        pytest.fail(
            f"the data set {name!r} must stand both in DATASETS of tfcsi/datasets/"
            f"__init__.py and in WRITERS of tests/datasets/test_contract.py"
        )
    for name, dataset in datasets.DATASETS.items():
        assert name == dataset.name
        assert set(dataset.scenarios) <= set(options[name])
        own = set(options[name]) - set(dataset.scenarios)
        assert bool(own) == bool(dataset.own)


def test_each_split_is_read_in_each_domain_at_the_declared_scale(written, dataset):
    for folder, scenario, options in cases(written, dataset):
        for domain in dataset.domains:
            parts = [
                dataset.load(folder, scenario, split, domain, **options)
                for split in dataset.splits
            ]
            for h in parts:
                assert h.dtype == np.complex64 and h.ndim == 3 and len(h)
                assert np.isfinite(h).all()
                peak = np.abs(h).max((1, 2))
                np.testing.assert_allclose(peak, dataset.scale, rtol=1e-6)
            matrices = {matrix.tobytes() for h in parts for matrix in h}
            assert len(matrices) == sum(map(len, parts))  # No split shares any.


def test_both_domains_are_one_channel(written, dataset):
    for folder, scenario, options in cases(written, dataset):
        h, h_sf = (
            dataset.load(folder, scenario, "test", domain, **options)
            for domain in ("angular_delay", "space_frequency")
        )
        back = transforms.to_angular_delay(h_sf, h_sf.shape[-1])
        np.testing.assert_allclose(transforms.to_peak(back)[0], h, atol=2e-6)


def test_the_lost_energy_is_reported_the_same_way(written, dataset):
    for folder, scenario, options in cases(written, dataset):
        for domain in dataset.domains:
            place = folder, scenario, "val", domain
            h, lost = dataset.load_with_loss(*place, **options)
            np.testing.assert_array_equal(h, dataset.load(*place, **options))
            if lost is not None:
                assert lost.dtype == np.float64 and lost.shape == (len(h),)
                assert lost.min() >= 0 and lost.max() <= 1


def test_the_registry_reads_what_the_dataset_reads(written, dataset):
    root, _ = written
    for folder, scenario, options in cases(written, dataset):
        name, domain = f"{dataset.name}_{scenario}", "space_frequency"
        h = dataset.load(folder, scenario, "test", domain, **options)
        loaded = datasets.load(name, root, "test", domain, **options)
        np.testing.assert_array_equal(loaded, h)
        joined = datasets.join({name: folder}, ("test",), {"domain": domain, **options})
        np.testing.assert_array_equal(joined[0], h)


def test_options_are_declared_with_a_default_and_a_meaning(dataset):
    assert dataset.options == vars(dataset.Options())
    for name in dataset.options:
        assert f"      {name}:" in dataset.Options.__doc__, name


def test_no_dataset_guesses_a_domain(written, dataset):
    root, _ = written
    folder, scenario, _ = next(cases(written, dataset))
    for load in (dataset.load, dataset.load_with_loss):
        with pytest.raises(TypeError, match="domain"):
            load(folder, scenario, "test")
    name = f"{dataset.name}_{scenario}"
    for read in (datasets.load, datasets.read, datasets.read_with_loss):
        with pytest.raises(TypeError, match="domain"):
            read(name, root, "test")
        domain = inspect.signature(read).parameters["domain"]
        assert domain.default is inspect.Parameter.empty


def test_unknown_names_are_refused_with_the_known_ones(written, dataset):
    folder, scenario, options = next(cases(written, dataset))

    def refusal(scenario=scenario, split="test", domain="angular_delay", **more):
        with pytest.raises(ValueError) as raised:
            dataset.load(folder, scenario, split, domain, **{**options, **more})
        return str(raised.value)

    words = refusal(scenario="" if dataset.own == ("",) else "mars")
    assert "unknown scenario" in words and dataset.names[0] in words
    assert "unknown split 'dev'; known: train, val, test" in refusal(split="dev")
    assert "domain is 'time'; it must be one of angular_delay" in refusal(domain="time")
    assert f"{dataset.name} has no option 'colour'; known: " in refusal(colour=1)
    known = next(iter(dataset.options))
    words = refusal(**{f"{known}s": 1}) if f"{known}s" not in dataset.options else ""
    assert f"has no option '{known}s'; did you mean '{known}'? known: " in words


def test_a_missing_file_is_named(tmp_path, written, dataset):
    for _, scenario, options in cases(written, dataset):
        with pytest.raises(DataError) as refusal:
            dataset.load(tmp_path, scenario, "test", "angular_delay", **options)
        assert str(tmp_path) in str(refusal.value)
        stem = {**quadriga.FILES, **raytraced.FILES, **cost2100.SCENARIOS}
        assert stem.get(scenario, scenario) in str(refusal.value)


def test_a_dataset_may_have_one_domain_alone(written):
    root, _ = written
    only = dataclasses.replace(datasets.get("raytraced"), domains=("space_frequency",))
    h = only.load(root / "raytraced", "munich", "val", "space_frequency")
    assert h.shape == (200, 32, 32)
    with pytest.raises(
        ValueError, match="raytraced cannot be read in domain 'angular_delay'; it gives"
    ):
        only.load(root / "raytraced", "munich", "val", "angular_delay")


def test_options_of_a_config_are_those_of_its_own_dataset():
    source = {"timing": "strongest"}
    config = ConfigDict({"dataset": "raytraced", "scenario": "munich"})
    config.update(domain="space_frequency", source=ConfigDict(source))
    assert datasets.source_of(config) == "raytraced_munich"
    own = {"domain": "space_frequency", **source}
    assert datasets.options_of(config) == own
    assert datasets.options_of(config, "raytraced_street_canyon") == own
    other = datasets.options_of(config, "quadriga_28ghz")
    assert other == {"domain": "space_frequency"}
    config.dataset = "mixed"  # Of several data sets, which share the options.
    assert datasets.options_of(config, "quadriga_28ghz") == own


def test_a_config_without_the_fields_is_of_cost_2100_and_angular_delay():
    config = ConfigDict({"scenario": "outdoor"})
    assert datasets.source_of(config) == "cost2100_outdoor"
    assert datasets.options_of(config) == {"domain": "angular_delay"}
    with pytest.raises(ValueError, match="domain is 'time'; it must be one of"):
        datasets.options_of(ConfigDict({"domain": "time"}))

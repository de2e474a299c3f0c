"""Laws of every channel simulator in the registry.

A simulator that is added to the registry needs an entry in `CASES`. Numbers are tested
where its package is installed; those of `raytraced`, which takes a minute a block, in
`test_raytraced.py`.
"""

import importlib.util

import h5py
import numpy as np
import pytest

from tfcsi import channels, transforms
from tfcsi.channels import blocks
from tfcsi.channels.generate import generate

# Package that is needed, matrices of a block inside the simulator, small options that
# keep all delay taps.
CASES = {
    "cost2100": (None, 128, {"num_tx": 4, "num_delay": 16, "num_sc": 16}),
    "tr38901": ("sionna", 64, {"num_tx": 4, "num_delay": 16, "num_fft": 16}),
    "raytraced": ("mitsuba", 50, {"num_tx": 4, "num_sc": 16}),
}


def installed(name):
    package = CASES[name][0]
    return package is None or importlib.util.find_spec(package) is not None


# Ray tracing needs an environment without TensorFlow, so never this one.
WITH_NUMBERS = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(not installed(name), reason=f"needs {CASES[name][0]}"),
            *([pytest.mark.sionna] if CASES[name][0] == "sionna" else []),
        ],
    )
    for name in channels.CHANNELS
    if name != "raytraced" and name in CASES
]


@pytest.fixture(params=channels.CHANNELS)
def simulator(request):
    """Each simulator of the registry."""
    return channels.get(request.param)


@pytest.fixture(params=WITH_NUMBERS)
def numbers(request):
    """(simulator, function (num, seed, **options) -> h of its first scenario)."""
    simulator = channels.get(request.param)
    options = CASES[request.param][2]

    def simulate(num, seed=1, **more):
        scenario = simulator.scenarios[0]
        return simulator.simulate(num, seed, scenario, **{**options, **more})

    return simulator, simulate


def test_every_simulator_is_tested_here():
    for name in channels.CHANNELS.keys() ^ CASES.keys():
        pytest.fail(
            f"the simulator {name!r} must stand both in CHANNELS of tfcsi/"
            f"channels/__init__.py and in CASES of tests/channels/test_contract.py"
        )
    for name in channels.CHANNELS:
        simulator = channels.get(name)
        assert simulator.name == name and simulator.scenarios
        assert CASES[name][2].keys() < simulator.options.keys()
        assert simulator.options["domain"] == "angular_delay"


def test_what_no_simulator_can_do_is_refused_by_name(simulator):
    def refusal(num=1, seed=1, scenario=simulator.scenarios[0], **options):
        with pytest.raises(ValueError) as raised:
            simulator.simulate(num, seed, scenario, **options)
        return str(raised.value)

    words = refusal(scenario="mars")
    assert "unknown scenario 'mars'; known: " in words
    assert all(scenario in words for scenario in simulator.scenarios)
    for value in (-1, 1.5, True, None):
        assert f"num is {value}; it must be an integer, 0 or more" in refusal(num=value)
        assert f"seed is {value}; it must be an integer" in refusal(seed=value)
    assert f"{simulator.name} has no option 'colour'; known: " in refusal(colour=1)
    assert "option 'domains'; did you mean 'domain'? known: " in refusal(domains="x")
    assert "time" in refusal(domain="time") and "domain" in refusal(domain="time")
    assert "num_tx" in refusal(num_tx=0) and "carrier" in refusal(carrier=-1.0)


def test_a_missing_package_is_named_with_the_command_that_installs_it(simulator):
    if installed(simulator.name):
        pytest.skip("its package is installed")
    with pytest.raises(ImportError, match=r"pip install 'tfcsi\[\w+\]'"):
        simulator.simulate(1, 1, simulator.scenarios[0])


def test_a_matrix_is_the_same_for_any_number_that_is_asked_for(numbers):
    simulator, simulate = numbers
    block = CASES[simulator.name][1]
    h = simulate(2 * block + 3)
    assert h.dtype == np.complex64 and h.shape == (2 * block + 3, 4, 16)
    assert np.isfinite(h).all()
    np.testing.assert_allclose(np.abs(h).max((1, 2)), 0.5, rtol=1e-6)
    for num in (0, 1, block - 1, block, block + 1):
        np.testing.assert_array_equal(simulate(num), h[:num])
    assert len({matrix.tobytes() for matrix in h}) == len(h)


def test_another_seed_gives_other_matrices(numbers):
    _, simulate = numbers
    assert np.abs(simulate(5, seed=2) - simulate(5, seed=1)).max((1, 2)).min() > 0.01


def test_both_domains_are_one_channel(numbers):
    _, simulate = numbers
    h, h_sf = (simulate(5, domain=domain) for domain in transforms.DOMAINS)
    back = transforms.to_peak(transforms.to_angular_delay(h_sf, 16))[0]
    np.testing.assert_allclose(back, h, atol=1e-5)


def test_every_scenario_gives_matrices_of_its_own(numbers):
    simulator, _ = numbers
    options = CASES[simulator.name][2]
    drawn = [simulator.simulate(2, 1, name, **options) for name in simulator.scenarios]
    assert len({h.tobytes() for h in drawn}) == len(simulator.scenarios)


def test_workers_make_the_same_files_whatever_their_number(
    numbers, tmp_path, monkeypatch
):
    simulator, _ = numbers
    monkeypatch.setattr(blocks, "BLOCK", 20)
    channel = f"{simulator.name}_{simulator.scenarios[0]}"
    setup, files = CASES[simulator.name][2], []
    for processes in (1, 2):
        form = ("hdf5", processes, False, setup)
        (path,) = generate(channel, {"train": 50}, 1, tmp_path / str(processes), *form)
        with h5py.File(path) as file:
            files.append(file["h"][()])
    np.testing.assert_array_equal(*files)
    drawn = [blocks.draw(channel, 1, 0, i, 20, setup=setup)[0] for i in range(3)]
    np.testing.assert_array_equal(files[0], np.concatenate(drawn)[:50])


def test_frequency_domain_truth_comes_with_the_same_matrices():
    offered = {
        name
        for name in channels.CHANNELS
        if channels.get(name).simulate_with_frequency is not None
    }
    assert offered == {"cost2100"}
    cost2100 = channels.get("cost2100")
    h, hf = cost2100.simulate_with_frequency(3, 1, "indoor")
    np.testing.assert_array_equal(h, cost2100.simulate(3, 1, "indoor"))
    assert hf.shape == (3, 32, 125) and hf.dtype == np.complex64
    with pytest.raises(ValueError, match="raytraced gives no frequency-domain truth"):
        blocks.draw("raytraced_munich", 1, 0, 0, 1, frequency=True)

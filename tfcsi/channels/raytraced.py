"""Ray-traced streets: the scenes of Sionna RT as files in the form of DeepMIMO's.

This is also a program. It needs an environment of its own, as Sionna RT and TensorFlow
2.14 need different SciPy versions. On a CPU it compiles with LLVM 16 or newer (Debian's
libllvm19):

    python3.11 -m venv rt && rt/bin/pip install 'tfcsi[raytracing]'
    rt/bin/python -m tfcsi.channels.raytraced --scenario=munich --num=2000 --seed=1 \
        --output=DIR/munich_3p5ghz.npz

`tfcsi.datasets.raytraced` and `tfcsi.datasets.deepmimo` read the file. It holds
`channel`, complex64 [num, 1 rx, num_tx, num_sc], with subcarriers of rising frequency
and each matrix scaled to max|H| = 1; `gain_db`, the scale that was removed; `location`
[num, 3] and `tx_location` [3] in m; `los`, `num_paths` and `carrier_hz`;
`subcarrier_hz` [num_sc], counted from the carrier; and `made`, the arguments and
versions in JSON.

The base station has a half-wavelength linear array along y, turned by `azimuth`, and
the users have one antenna. All antennas are isotropic and vertical. Users stand at
random places on the ground of a disc around the base station, under the open sky. Paths
are the line of sight and up to `max_depth` specular reflections, with diffraction at
one edge if `diffraction` is set. Delays are absolute. Users without a path are left
out.
"""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

import tfcsi
from tfcsi import files, transforms
from tfcsi.channels.contract import Simulator, check_request, defaults

BLOCK = 50  # Users that are traced together, in up to 8 GB.
INSTALL = "pip install 'tfcsi[raytracing]'"
MIN_LLVM = 16  # Older versions cannot compile the code of Dr.Jit 1.5.
_SAMPLES, _MAX_PATHS = 10**6, 10**6  # Rays and paths of a block.
_SKY = 1e4  # m, higher than all scenes.
_EMPTY = 5  # Blocks without any path after which tracing ends with an error.


@dataclass(frozen=True)
class Scenario:
    """A scene and the places in it; lengths are in m.

    Attributes:
      scene: name in `sionna.rt.scene`.
      ground: name of the object of the scene on which users stand.
      tx: position of the base station, on a roof or above a street.
      radius: radius of the disc around it in which users stand.
    """

    scene: str
    ground: str
    tx: tuple[float, float, float]
    radius: float


SCENARIOS = {
    "munich": Scenario("munich", "ground", (8.5, 21.0, 27.0), 250.0),
    "street_canyon": Scenario("simple_street_canyon", "floor", (0.0, -8.5, 6.0), 60.0),
    "etoile": Scenario("etoile", "Plane", (44.0, 0.0, 22.0), 250.0),
    "florence": Scenario("florence", "ground", (-12.0, -12.0, 20.0), 250.0),
    "san_francisco": Scenario("san_francisco", "Terrain", (-12.0, 0.0, 29.0), 250.0),
}


@dataclass(frozen=True)
class Setup:
    """Options of `simulate` and `trace`.

    Attributes:
      carrier: carrier frequency, Hz.
      bandwidth: bandwidth, Hz; subcarriers are bandwidth / num_sc apart.
      num_sc: number of subcarriers.
      num_tx: number of antennas of the base station.
      tx: position of the base station in m; that of the scenario if None.
      azimuth: direction of its broadside, degrees from the x axis.
      radius: radius of the disc in which users stand, m; that of the scenario if None.
      height: height of users above the ground, m.
      max_depth: largest number of reflections of a path.
      diffraction: whether paths may bend once around an edge.
      domain: "angular_delay" or "space_frequency", the domain in which `simulate`
        returns the matrices.
    """

    carrier: float = 3.5e9
    bandwidth: float = 100e6
    num_sc: int = 32
    num_tx: int = 32
    tx: tuple[float, float, float] | None = None
    azimuth: float = 0.0
    radius: float | None = None
    height: float = 1.5
    max_depth: int = 4
    diffraction: bool = False
    domain: str = transforms.DOMAINS[0]


OPTIONS = defaults(Setup)


def simulate(
    num: int,
    seed: int,
    scenario: str = "munich",
    progress: bool = False,
    **options: Any,
) -> np.ndarray:
    """Traces the channels of users at random places.

    Matrix i depends on the seed, the other arguments and i, not on `num`. All num_sc
    delay taps are kept; delays beyond num_sc / bandwidth wrap around.

    Args:
      num: number of users with a path.
      seed: not negative.
      scenario: a key of `SCENARIOS`.
      progress: whether to show a progress bar on standard error.
      **options: fields of `Setup`.

    Returns:
      [num, num_tx, num_sc], complex64, angles (zero in the middle) by delay taps or
      antennas by subcarriers, each scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown scenario or option, an argument out of range, or no user has a
        path.
      ImportError: Sionna RT or an LLVM that is new enough is missing.
    """
    chosen = _checked(num, seed, scenario, options)
    if not num:
        return np.empty((0, chosen.num_tx, chosen.num_sc), np.complex64)
    h = trace(num, seed, scenario, progress, **options)["channel"][:, 0]
    if chosen.domain == "angular_delay":
        h = transforms.to_angular_delay(h, chosen.num_sc)
    return transforms.to_peak(h)[0]


def trace(
    num: int,
    seed: int,
    scenario: str = "munich",
    progress: bool = False,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Traces as `simulate`, but returns all arrays of a file.

    Args:
      num: number of users with a path, at least 1.
      seed: not negative.
      scenario: a key of `SCENARIOS`.
      progress: whether to show a progress bar on standard error.
      **options: as `simulate`.

    Returns:
      The arrays by name, without `made`; the text above says what they hold.

    Raises:
      ValueError: as `simulate`, or `num` is 0.
      ImportError: as `simulate`.
    """
    chosen = _checked(num, seed, scenario, options)
    if not num:
        raise ValueError("num is 0; it must be positive")
    place = SCENARIOS[scenario]
    tx = np.array(place.tx if chosen.tx is None else chosen.tx, float)
    radius = place.radius if chosen.radius is None else chosen.radius
    rt, mi = _sionna_rt()
    scene = rt.load_scene(getattr(rt.scene, place.scene))
    scene.frequency = chosen.carrier
    scene.tx_array, scene.rx_array = (_array(rt, n) for n in (chosen.num_tx, 1))
    yaw = float(np.deg2rad(chosen.azimuth))
    scene.add(rt.Transmitter("tx", position=tx.tolist(), orientation=[yaw, 0, 0]))
    ground = scene.objects[place.ground].mi_mesh
    users = [rt.Receiver(f"rx{i}", position=[0, 0, 0]) for i in range(BLOCK)]
    for user in users:
        scene.add(user)
    solver = rt.PathSolver(deterministic=True)
    num_sc = chosen.num_sc
    offset = (np.arange(num_sc) - num_sc // 2) * chosen.bandwidth / num_sc
    blocks: list[dict[str, np.ndarray]] = []
    traced = 0
    with tqdm(total=num, disable=not progress, unit="user") as bar:
        while traced < num:
            rng = np.random.default_rng([seed, len(blocks)])
            location = _on_ground(mi, scene.mi_scene, ground, rng, tx, radius)
            location[:, 2] += chosen.height
            for user, position in zip(users, location.tolist()):
                user.position = position
            paths = solver(
                scene,
                max_depth=chosen.max_depth,
                max_num_paths_per_src=_MAX_PATHS,
                samples_per_src=_SAMPLES,
                refraction=False,
                diffraction=chosen.diffraction,
                seed=int(rng.integers(2**31)),
            )
            block = {**_channels(paths, mi, offset), "location": location}
            there = block["channel"].any((1, 2, 3))
            blocks.append({name: values[there] for name, values in block.items()})
            if len(blocks) == _EMPTY and not traced + there.sum():
                raise ValueError(
                    f"none of {_EMPTY * BLOCK} users has a path from tx "
                    f"{tx.tolist()}; is it inside a building?"
                )
            bar.update(min(int(there.sum()), num - traced))
            traced += int(there.sum())
    arrays = {k: np.concatenate([b[k] for b in blocks])[:num] for k in blocks[0]}
    peak = np.abs(arrays["channel"]).max((1, 2, 3))
    arrays["channel"] = (arrays["channel"] / peak[:, None, None, None]).astype("c8")
    arrays["location"] = arrays["location"].astype(np.float32)
    arrays["gain_db"] = (20 * np.log10(peak)).astype(np.float32)
    arrays.update(
        tx_location=tx, carrier_hz=np.float64(chosen.carrier), subcarrier_hz=offset
    )
    return arrays


SIMULATOR = Simulator("raytraced", simulate, tuple(SCENARIOS), OPTIONS)


def _checked(num: int, seed: int, scenario: str, options: Mapping[str, Any]) -> Setup:
    """Returns the options of a request, or refuses it."""
    check_request("raytraced", num, seed, scenario, SCENARIOS, options, OPTIONS)
    chosen = Setup(**options)
    transforms.check_domain(chosen.domain)
    for name in ("carrier", "bandwidth", "num_sc", "num_tx", "radius", "height"):
        value = getattr(chosen, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; it must be positive")
    if chosen.max_depth < 0:
        raise ValueError(f"max_depth is {chosen.max_depth}; it must not be negative")
    if chosen.tx is not None:
        tx = np.array(chosen.tx, float)
        if tx.shape != (3,) or not np.isfinite(tx).all():
            raise ValueError(f"tx is {tx.tolist()}; it must be x, y, z in m")
    return chosen


def _channels(paths: Any, mi: Any, offset: np.ndarray) -> dict[str, np.ndarray]:
    """Returns channels [BLOCK, 1, num_tx, num_sc], lines of sight, numbers of paths."""
    h = paths.cfr(
        frequencies=mi.Float(offset),
        normalize=False,
        normalize_delays=False,
        out_type="numpy",
    )  # [rx, rx antennas, tx, tx antennas, times, frequencies]
    valid = np.array(paths.valid)[:, 0]  # of [rx, tx, paths]
    kinds = np.array(paths.interactions)[:, :, 0]  # of [bounces, rx, tx, paths]
    direct = (kinds == 0).all(0) & valid
    return {
        "channel": h[:, :, 0, :, 0].astype(np.complex128),
        "los": direct.any(1),
        "num_paths": valid.sum(1),
    }


def _on_ground(
    mi: Any,
    scene: Any,
    ground: Any,
    rng: np.random.Generator,
    tx: np.ndarray,
    radius: float,
) -> np.ndarray:
    """Draws places [BLOCK, 3] of the disc with ground under the open sky."""
    places = np.empty((0, 3))
    for _ in range(100):
        distance = radius * np.sqrt(rng.uniform(size=4 * BLOCK))
        angle = rng.uniform(0, 2 * np.pi, 4 * BLOCK)
        x, y = tx[0] + distance * np.cos(angle), tx[1] + distance * np.sin(angle)
        above = mi.Point3f(mi.Float(x), mi.Float(y), mi.Float(np.full(x.size, _SKY)))
        hit = scene.ray_intersect(mi.Ray3f(above, mi.Vector3f(0, 0, -1)))
        seen = np.array(hit.shape == mi.ShapePtr(ground))
        drawn = np.stack([x, y, np.array(hit.p.z, float)], 1)
        places = np.concatenate([places, drawn[seen]])
        if len(places) >= BLOCK:
            return places[:BLOCK]
    raise ValueError(
        f"only {len(places)} of {400 * BLOCK} places within {radius} m of tx "
        f"{tx.tolist()} are open ground"
    )


def _array(rt: Any, num: int) -> Any:
    return rt.PlanarArray(
        num_rows=1,
        num_cols=num,
        vertical_spacing=0.5,
        horizontal_spacing=0.5,
        pattern="iso",
        polarization="V",
    )


def _sionna_rt() -> tuple[Any, Any]:
    """Imports Sionna RT and Mitsuba, if LLVM is new enough for them."""
    try:
        import drjit
        import mitsuba
        import sionna.rt

        importlib.metadata.version("sionna-rt")
    except ImportError as error:
        raise ImportError(
            f"ray tracing needs Sionna RT, in its own environment: {INSTALL} ({error})"
        ) from error
    if "llvm" in mitsuba.variant() and drjit.detail.llvm_version()[0] < MIN_LLVM:
        version = ".".join(map(str, drjit.detail.llvm_version()))
        raise ImportError(
            f"LLVM is {version}; ray tracing on a CPU needs {MIN_LLVM} or newer "
            "(Debian: apt-get install libllvm19), named by DRJIT_LIBLLVM_PATH if "
            "there are several"
        )
    return sionna.rt, mitsuba


def main(argv: Sequence[str]) -> None:
    """Traces users as the flags say and writes a complete file, or none.

    Args:
      argv: Name of the program and what is left of the command line.

    Raises:
      ValueError: If the output is no .npz file in a folder that exists.
    """
    from absl import app

    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    arguments = {name: flag.value for name, flag in _FLAGS.items()}
    output = arguments.pop("output")
    tx = arguments.pop("tx")
    arguments["tx"] = tuple(map(float, tx)) if tx else None
    if not output.endswith(".npz") or not pathlib.Path(output).parent.is_dir():
        raise ValueError(f"output is {output}; give FILE.npz in a folder that exists")
    arrays = trace(progress=True, **arguments)
    packages = ("sionna-rt", "mitsuba", "drjit", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    arguments["versions"] = {**versions, "tfcsi": tfcsi.__version__}
    arrays["made"] = np.array(json.dumps(arguments, allow_nan=False))
    files.write_arrays(output, arrays)
    print(
        f"{output}: {len(arrays['channel'])} users, {arrays['los'].mean():.0%} in line "
        f"of sight, {arrays['num_paths'].mean():.1f} paths each"
    )


if __name__ == "__main__":
    try:
        from absl import app, flags
    except ImportError as error:
        sys.exit(f"error: {error}; {INSTALL}")
    _FLAGS = {
        "scenario": flags.DEFINE_enum(
            "scenario", "munich", list(SCENARIOS), "Name of the scene."
        ),
        "num": flags.DEFINE_integer("num", 2000, "Number of users with a path."),
        "seed": flags.DEFINE_integer("seed", 1, "Seed of the users' places."),
        "output": flags.DEFINE_string(
            "output", None, "The .npz file to write.", required=True
        ),
        "carrier": flags.DEFINE_float("carrier", 3.5e9, "Carrier frequency, Hz."),
        "bandwidth": flags.DEFINE_float("bandwidth", 100e6, "Bandwidth, Hz."),
        "num_sc": flags.DEFINE_integer("num_sc", 32, "Number of subcarriers."),
        "num_tx": flags.DEFINE_integer(
            "num_tx", 32, "Number of antennas of the base station."
        ),
        "tx": flags.DEFINE_list("tx", None, "Position x,y,z of the base station, m."),
        "azimuth": flags.DEFINE_float(
            "azimuth", 0.0, "Direction of the array's broadside, degrees from x."
        ),
        "radius": flags.DEFINE_float(
            "radius", None, "Radius of the disc in which users stand, m."
        ),
        "height": flags.DEFINE_float(
            "height", 1.5, "Height of users above the ground, m."
        ),
        "max_depth": flags.DEFINE_integer(
            "max_depth", 4, "Largest number of reflections of a path."
        ),
        "diffraction": flags.DEFINE_bool(
            "diffraction", False, "Whether paths may bend once around an edge."
        ),
    }
    try:
        app.run(main)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")

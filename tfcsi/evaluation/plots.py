"""Pictures in files: rate-distortion, noise, transfer, statistics, CSI."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tfcsi import files

matplotlib.use("Agg")

_COLORS, _MARKS = 10, "os^Dv"  # Each mark goes through all colours, C0 to C9.


def rate_distortion(
    points: Sequence[Mapping],
    bounds: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    published: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """Draws NMSE over real bits, with one line for each codec.

    Args:
      points: Points of a results file. `nmse_db_low` and `nmse_db_high` become bars if
        a point has them.
      bounds: Name of a bound or an estimate to its points (bits, NMSE in dB). Bounds
        become a dashed line, and what is named an estimate a dotted one.
      published: Name of a work to its points, which become marks without a line.
    """
    figure = _nmse_over(points, "bits", "bits of a packet (all counted)")
    (axes,) = figure.axes
    for name, line in (bounds or {}).items():
        style = ":" if name.startswith("estimate") else "--"
        axes.plot(*zip(*line), style, color="gray", marker=".", label=name)
    for mark, (name, line) in zip("x+*1", (published or {}).items()):
        axes.plot(*zip(*line), mark, color="black", label=f"{name}, published")
    if bounds or published:
        axes.get_legend().remove()
        figure.set_size_inches(9.5, 4.8)
        figure.legend(loc="outside right upper", fontsize=8)
    return figure


def over_snr(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over SNR, with one line for each codec.

    Args:
      points: Points of `over_noise.over_snr`, each with a `codec`.

    Returns:
      The figure.
    """
    kinds = ", ".join(dict.fromkeys(point["noise"] for point in points))
    return _nmse_over(points, "snr_db", f"SNR of the noise on the {kinds} [dB]")


def over_length(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over the length of the codeword, with one line for each codec.

    Args:
      points: Points of a results file, each with `codec`, `latent_dim` and `nmse_db`.

    Returns:
      The figure; its axis of lengths is logarithmic.
    """
    figure = _nmse_over(points, "latent_dim", "length of the codeword")
    lengths = sorted({point["latent_dim"] for point in points})
    figure.axes[0].set_xscale("log", base=2)
    figure.axes[0].set_xticks(lengths, labels=map(str, lengths))
    return figure


def over_steps(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over the gradient steps of the encoder, with one line for each codec.

    Args:
      points: Points of a results file, each with `codec`, `steps` and `nmse_db`.

    Returns:
      The figure.
    """
    return _nmse_over(points, "steps", "gradient steps of the encoder")


def over_bit_errors(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over the bit error rate, with two lines for each codec.

    The dashed line is the NMSE with zero in place of refused packets. Points with a
    rate of 0 are left out, because the axis is logarithmic.

    Args:
      points: Points of `over_noise.over_bit_errors`, each with a `codec`.

    Returns:
      The figure.
    """
    points = [point for point in points if point["bit_error_rate"] > 0]
    figure = _nmse_over(points, "bit_error_rate", "bit error rate")
    (axes,) = figure.axes
    for i, (name, line) in enumerate(_lines(points, "bit_error_rate").items()):
        x, y = ([p[k] for p in line] for k in ("bit_error_rate", "nmse_db_zero"))
        label = f"{name}, zero for refused packets"
        axes.plot(x, y, "--", marker=".", color=f"C{i}", label=label)
    axes.set_xscale("log")
    if points:
        axes.legend()
    return figure


def transfer(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE by training and test source: a heat map for each number of shots.

    Args:
      points: Points of `transfer.transfer`, with `train_on`, `test_on`, `shots`,
        `nmse_db` and `bits`.

    Returns:
      The figure.
    """
    shots = sorted({point["shots"] for point in points})
    rows = list(dict.fromkeys(point["train_on"] for point in points))
    columns = list(dict.fromkeys(point["test_on"] for point in points))
    size = (1.5 * len(columns) + 2.5, (0.7 * len(rows) + 1.8) * len(shots))
    figure = Figure(figsize=size, layout="constrained")
    values = [point["nmse_db"] for point in points]
    grid = figure.subplots(len(shots), 1, squeeze=False)[:, 0]
    for axes, count in zip(grid, shots):
        image = np.full((len(rows), len(columns)), np.nan)
        for point in (p for p in points if p["shots"] == count):
            row, column = rows.index(point["train_on"]), columns.index(point["test_on"])
            image[row, column] = point["nmse_db"]
            text = f"{point['nmse_db']:.2f} dB\n{point['bits']:.0f} bits"
            axes.text(column, row, text, ha="center", va="center", fontsize=8)
        limits = {"vmin": min(values), "vmax": max(values)}
        drawn = axes.imshow(image, "RdYlGn_r", aspect="auto", alpha=0.6, **limits)
        axes.set_xticks(range(len(columns)), columns, rotation=20, fontsize=8)
        axes.set_yticks(range(len(rows)), rows, fontsize=8)
        name = f"decoder tuned on {count} matrices" if count else "as trained"
        axes.set(xlabel="tested on", ylabel="trained on", title=name)
    figure.colorbar(drawn, ax=list(grid), label="NMSE [dB]")
    return figure


def over_bytes(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over the bytes of the UE encoder, with one line for each codec.

    Args:
      points: Points of `compare.compare`. Those without `ue_bytes` are left out.

    Returns:
      The figure; its axis of bytes is logarithmic.
    """
    points = [point for point in points if "ue_bytes" in point]
    figure = _nmse_over(points, "ue_bytes", "UE encoder [bytes]")
    figure.axes[0].set_xscale("log")
    return figure


def statistics(sets: Mapping[str, Mapping]) -> Figure:
    """Draws where the energy of sets of matrices is, and how many numbers hold it.

    Args:
      sets: Statistics of each set by its name, as `statistics.statistics` returns them.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    delay, angle, klt, pca = figure.subplots(2, 2).ravel()
    for name, values in sets.items():
        for axes, key in ((delay, "delay_profile"), (angle, "angle_profile")):
            axes.semilogy(np.maximum(values[key], 1e-6), marker=".", label=name)
        for axes, key in ((klt, "klt"), (pca, "pca_nmse_db")):
            points = sorted((float(k), v) for k, v in values.get(key, {}).items())
            axes.plot(*zip(*points) if points else ((), ()), marker="o", label=name)
    delay.set(xlabel="delay [taps]", ylabel="share of the energy")
    angle.set(xlabel="angle [bins]", ylabel="share of the energy")
    klt.set(xlabel="share of the variance", ylabel="KLT coefficients")
    pca.set(xlabel="principal components", ylabel="held-out NMSE [dB]", xscale="log")
    for axes in (delay, angle, klt, pca):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def matrices(h: np.ndarray) -> Figure:
    """Draws the magnitudes of a few matrices.

    Args:
      h: [n, num_tx, num_delay], complex, with a small n.

    Returns:
      The figure, with the matrices side by side.
    """
    figure = Figure(figsize=(2.6 * len(h), 2.6), layout="constrained")
    for axes, matrix in zip(figure.subplots(1, len(h), squeeze=False)[0], h):
        axes.imshow(np.abs(matrix))
        axes.set(xlabel="delay [taps]", ylabel="angle [bins]")
    return figure


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure to a PNG file, whole or not at all.

    Args:
      figure: The figure.
      path: File to write.

    Raises:
      OSError: As `files.replacing`.
    """
    files.write_bytes(path, png(figure))


def _lines(points: Sequence[Mapping], key: str) -> dict[str, list[Mapping]]:
    """Returns the points of each codec, sorted by a key."""
    names = dict.fromkeys(point["codec"] for point in points)
    rising = sorted(points, key=lambda point: point[key])
    return {name: [p for p in rising if p["codec"] == name] for name in names}


def _nmse_over(points: Sequence[Mapping], key: str, label: str) -> Figure:
    """Draws NMSE and its interval over a key of the points, one line for each codec."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for i, (name, line) in enumerate(_lines(points, key).items()):
        nmse = np.array([p["nmse_db"] for p in line])
        low = [p.get("nmse_db_low", p["nmse_db"]) for p in line]
        high = [p.get("nmse_db_high", p["nmse_db"]) for p in line]
        bars = np.maximum([nmse - low, high - nmse], 0.0)
        x = [p[key] for p in line]
        mark = _MARKS[i // _COLORS % len(_MARKS)]
        axes.errorbar(
            *(x, nmse, bars), marker=mark, color=f"C{i}", capsize=3, label=name
        )
    axes.set(xlabel=label, ylabel="NMSE [dB]")
    axes.grid(alpha=0.3)
    if points:
        axes.legend()
    return figure


def png(figure: Figure) -> bytes:
    """Returns a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()

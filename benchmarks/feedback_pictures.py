"""Draws the pictures of docs/feedback.md: one simulated channel on its way.

    python benchmarks/feedback_pictures.py --output=results

Writes feedback_domains.png (the channel over antennas and subcarriers, and over angles
and delays), feedback_paths.png (the paths of its packet) and feedback_packet.png (what
the bits of packets carry).
"""

from __future__ import annotations

import pathlib

import numpy as np

import tfcsi

tfcsi.need_full()

from matplotlib.figure import Figure

from tfcsi import files, metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.commands import flags, program
from tfcsi.evaluation import packet_parts, plots
from tfcsi.evaluation.charts import PART_COLOURS, places

CODEC = "paths_cost2100_indoor"
NUM = 200  # Matrices of the mean packet.
_SEED, _SHOWN = 11, 3  # Number of the matrix that is drawn.
_FLOOR_DB = -40


def add_arguments(parser) -> None:
    flags.add(
        parser,
        "output",
        type=flags.FOLDER,
        metavar="DIR",
        required=True,
        help="Folder for the pictures.",
    )


def domains(h: np.ndarray) -> Figure:
    """The channel [num_tx, num_delay] in both domains."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    wide = transforms.to_space_frequency(h, 256)
    names = ("antennas by subcarriers: all entries matter", "angles by delays: few do")
    axes = (("subcarrier", "antenna"), ("delay [taps]", "angle [bins]"))
    for panel, matrix, name, (x, y) in zip(
        figure.subplots(1, 2), (wide, h), names, axes
    ):
        image = panel.imshow(np.abs(matrix), aspect="auto", origin="lower")
        panel.set(title=name, xlabel=x, ylabel=y)
        figure.colorbar(image, ax=panel, label="|h|")
    return figure


def paths(h: np.ndarray) -> Figure:
    """The paths of the packet of h [num_tx, num_delay], and what it decodes to."""
    codec = tfcsi.load(CODEC)
    packets = codec.compress(h[None])
    h_hat = codec.decompress(packets)[0]
    gain, angle, delay = (
        one[0] for one in codec.receive_lists(packets)[2].gains_and_places()
    )
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss = float(metrics.to_db(metrics.nmse(h[None], h_hat[None])[0]))
    titles = (
        f"{len(gain)} paths, {8 * len(packets[0])} bits",
        f"decoded, NMSE {loss:.1f} dB",
    )
    top = np.abs(h).max()
    for panel, matrix, title in zip(figure.subplots(1, 2), (h, h_hat), titles):
        db = 20 * np.log10(np.maximum(np.abs(matrix) / top, 10 ** (_FLOOR_DB / 20)))
        image = panel.imshow(
            db, "gray", aspect="auto", origin="lower", vmin=_FLOOR_DB, vmax=0
        )
        panel.set(title=title, xlabel="delay [taps]", ylabel="angle [bins]")
        figure.colorbar(image, ax=panel, label="|h| [dB]")
    size = 20 + 180 * np.abs(gain) / np.abs(gain).max()
    x, y = places(codec.atoms.delay, delay), places(codec.atoms.angle, angle)
    figure.axes[0].scatter(x, y, size, facecolors="none", edgecolors="C1")
    return figure


def packet(h: np.ndarray) -> Figure:
    """What the bits of the packets of h carry, at three rates."""
    codec = tfcsi.load(CODEC)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots()
    labels = []
    for row, nmse_db in enumerate((-10, -20, -30)):
        packets = codec.compress(h, nmse_db=nmse_db)
        bits = packet_parts.mean_bits(packet_parts.parts(codec, packets))
        left = 0.0
        for kind, size in bits.items():
            label = None if row else kind
            axes.barh(row, size, left=left, color=PART_COLOURS[kind], label=label)
            left += size
        labels.append(f"{nmse_db} dB")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="mean bits of a packet", ylabel="NMSE at most")
    axes.invert_yaxis()
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def run(args) -> None:
    h = cost2100.simulate(NUM, _SEED, "indoor")
    folder = pathlib.Path(args.output)
    files.check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("domains", domains(h[_SHOWN])),
        ("paths", paths(h[_SHOWN])),
        ("packet", packet(h)),
    ):
        plots.save(figure, folder / f"feedback_{name}.png")
    print(f"written to {folder}")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()

"""Interactive pictures of the report, made by plotly.

Their colours suit a light and a dark page. Text and grid take the colours of the page,
which `report.html` sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tfcsi import metrics, transforms
from tfcsi.codecs.paths import Paths
from tfcsi.coding.atoms import UNIT, Axis
from tfcsi.coding.path_encoder import norm_of
from tfcsi.coding.path_steps import step_of
from tfcsi.evaluation.packet_parts import KINDS, REST

COLOURS = (
    *("#3f7fd6", "#e0812f", "#2f9e6b", "#b65bb0", "#c94f55", "#8b7a2b", "#2a98a8"),
    *("#7b6fd0", "#a8663c", "#6a8f3a", "#d0679a", "#4aa3df", "#b8a33a"),
)
# A kind of the parts of packets to its colour; those without content are grey.
PART_COLOURS = {
    **dict(zip(KINDS, ("#68788a", *COLOURS, *COLOURS))),
    REST: "#9aa7b5",
}
_MARKS = ("circle", "square", "diamond", "cross", "x", "star", "triangle-up")
_FLOOR_DB = -40.0  # Of the picture behind the paths.
_ANGLE, _DELAY = "angle [bins]", "delay [taps]"
# Titles of the axes of a matrix, antennas or angles up.
AXES = {
    "angular_delay": (_ANGLE, _DELAY),
    "space_frequency": ("antenna", "subcarrier"),
}


def rate_distortion(points: Sequence[Mapping]) -> go.Figure:
    """Draws NMSE over real bits, with one line for each codec.

    Args:
      points: Points of a results file. `nmse_db_low` and `nmse_db_high` become bars if
        a point has them.
    """
    return _nmse_over(points, "bits", "bits of a packet (all counted)", "%{x:.1f} bits")


def over_snr(points: Sequence[Mapping]) -> go.Figure:
    """Draws NMSE over the SNR of the measured CSI, with one line for each codec."""
    label = "SNR of the measured CSI [dB]"
    return _nmse_over(points, "snr_db", label, "at %{x:g} dB SNR")


def errors(nmse: Mapping[str, np.ndarray]) -> go.Figure:
    """Draws the share of matrices that have at most an NMSE.

    Args:
      nmse: Name of a codec to the linear NMSE [n] of each matrix.
    """
    figure = _figure("NMSE of a matrix [dB]", "share of the matrices", 360)
    for name, values in nmse.items():
        db = np.asarray(metrics.to_db(np.maximum(values, 1e-12)))
        order = np.argsort(db)
        share = np.arange(1, len(db) + 1) / len(db)
        template = "matrix %{customdata}: %{x:.2f} dB<br>%{y:.0%} have no more"
        figure.add_scatter(
            x=db[order],
            y=share,
            name=name,
            mode="lines" if len(db) > 1 else "markers",
            line_shape="hv",
            customdata=order,
            hovertemplate=template,
        )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return figure


def csi(h: np.ndarray, h_hat: np.ndarray, domain: str) -> list[go.Figure]:
    """Draws the magnitudes of a true matrix, its reconstruction and the error.

    Args:
      h: complex64 [num_tx, num_delay].
      h_hat: complex64 [num_tx, num_delay].
      domain: Domain of both.

    Returns:
      Three figures with one scale of colours.
    """
    loss = float(metrics.to_db(metrics.nmse(h[None], h_hat[None])[0]))
    up, right = AXES[domain]
    figures = []
    for title, matrix in (
        ("true", h),
        ("decoded", h_hat),
        (f"error, {loss:.1f} dB", h - h_hat),
    ):
        figure = _figure(right, up, 300)
        figure.add_heatmap(
            z=np.abs(matrix).round(5),
            colorscale="Viridis",
            zmin=0,
            zmax=float(np.abs(h).max()),
            colorbar=_bar(),
            hovertemplate=f"{up} %{{y}}, {right} %{{x}}: %{{z:.4g}}<extra></extra>",
        )
        figure.update_layout(title={"text": title, "font_size": 14, "x": 0.5})
        figure.update_layout(margin_t=36)
        figures.append(figure)
    return figures


def paths(codec: Paths, packet: bytes, h: np.ndarray) -> go.Figure:
    """Draws the paths of a packet over the picture of the true matrix.

    Args:
      codec: The codec of the packet.
      packet: A packet of it.
      h: complex64 [num_tx, num_delay], the true matrix in the domain of the codec.
    """
    steps, norm, lists = codec.receive_lists([packet])
    gain, angle, delay = (each[0] for each in lists.gains_and_places())
    scale = float(step_of(steps)[0] * norm_of(norm)[0])
    power = np.abs(transforms.in_angular_delay(h[None], codec.domain)[0])
    db = 20 * np.log10(np.maximum(power / power.max(), 10 ** (_FLOOR_DB / 20)))
    figure = _figure(_DELAY, _ANGLE, 420)
    figure.add_heatmap(
        z=db.round(2),
        colorscale="gray",
        zmin=_FLOOR_DB,
        zmax=0,
        colorbar=_bar("|h| [dB]"),
        hovertemplate="angle %{y}, delay %{x}: %{z:.1f} dB<extra></extra>",
        showlegend=False,
    )
    strength = np.abs(gain)
    facts = np.column_stack(
        [
            np.arange(1, len(gain) + 1),
            20 * np.log10(strength * scale / np.linalg.norm(h)),
            np.angle(gain, deg=True),
        ]
    )
    figure.add_scatter(
        x=places(codec.atoms.delay, delay),
        y=places(codec.atoms.angle, angle),
        mode="markers",
        name="paths",
        marker={
            "size": 7 + 13 * np.sqrt(strength / strength.max(initial=1)),
            "color": "rgba(255, 138, 31, 0.2)",
            "line": {"color": "#ff8a1f", "width": 2.5},
        },
        customdata=facts,
        hovertemplate="path %{customdata[0]:.0f}<br>angle %{y:.2f}, delay %{x:.2f}"
        "<br>%{customdata[1]:.1f} dB of the matrix, %{customdata[2]:.0f} degrees"
        "<extra></extra>",
        showlegend=False,
    )
    sides = power.shape
    figure.update_xaxes(range=[-0.5, sides[1] - 0.5], showgrid=False)
    figure.update_yaxes(range=[-0.5, sides[0] - 0.5], showgrid=False)
    return figure


def places(axis: Axis, place: np.ndarray) -> np.ndarray:
    """Returns places in bins; on a circular axis between -1/2 and size - 1/2.

    Args:
      axis: The axis.
      place: Integers in 1 / `atoms.UNIT` bin.
    """
    bins = place / UNIT
    return (bins + 0.5) % axis.size - 0.5 if axis.circular else bins


def bits_of_parts(bits: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draws what the mean packet of each codec consists of, as one bar a codec.

    Args:
      bits: Name of a codec to kinds of parts and their mean bits.
    """
    figure = _figure("mean bits of a packet", "", 90 + 62 * len(bits))
    for kind, colour in PART_COLOURS.items():
        sizes = [parts.get(kind, 0.0) for parts in bits.values()]
        if any(sizes):
            figure.add_bar(
                x=sizes,
                y=list(bits),
                name=kind,
                orientation="h",
                marker_color=colour,
                hovertemplate=f"{kind}: %{{x:.1f}} bits<extra></extra>",
            )
    for name, parts in bits.items():  # Names above the bars leave them all the width.
        figure.add_annotation(
            text=f"{name}, {sum(parts.values()):.1f} bits",
            **{"x": 0, "y": name, "xanchor": "left", "yshift": 24, "showarrow": False},
        )
    figure.update_layout(barmode="stack", bargap=0.55, showlegend=False)
    figure.update_yaxes(autorange="reversed", visible=False)
    return figure


def training_curves(rows: Sequence[Mapping[str, float]]) -> go.Figure:
    """Draws loss, NMSE and bits over the epochs.

    Args:
      rows: Rows of the log of a run, as `log.read_log` returns them.

    Returns:
      The figure, with lines for training and validation.
    """
    names = {"loss": "loss", "nmse_db": "NMSE [dB]", "bits": "payload bits"}
    figure = make_subplots(
        3, 1, shared_xaxes=True, vertical_spacing=0.06, row_titles=list(names.values())
    )
    epochs = [row["epoch"] for row in rows]
    for place, key in enumerate(names, 1):
        for split, colour in zip(("train", "val"), COLOURS):
            figure.add_scatter(
                x=epochs,
                y=[row[f"{split}_{key}"] for row in rows],
                name=split,
                legendgroup=split,
                showlegend=place == 1,
                mode="lines+markers",
                line_color=colour,
                row=place,
                col=1,
            )
    figure.update_xaxes(title_text="epoch", row=3)
    return _styled(figure, 560)


def _nmse_over(
    points: Sequence[Mapping], key: str, label: str, hover: str
) -> go.Figure:
    """Draws NMSE and its interval over a key, one line for each codec."""
    figure = _figure(label, "NMSE [dB]", 440)
    for i, name in enumerate(dict.fromkeys(point["codec"] for point in points)):
        line = [point for point in points if point["codec"] == name]
        line.sort(key=lambda point: point[key])
        nmse = np.array([p["nmse_db"] for p in line])
        low = np.array([p.get("nmse_db_low", p["nmse_db"]) for p in line])
        high = np.array([p.get("nmse_db_high", p["nmse_db"]) for p in line])
        bars = {"array": np.maximum(high - nmse, 0), "thickness": 1, "width": 3}
        bars |= {"arrayminus": np.maximum(nmse - low, 0), "symmetric": False}
        figure.add_scatter(
            x=[p[key] for p in line],
            y=nmse,
            error_y=bars,
            name=name,
            mode="lines+markers",
            marker={"symbol": _MARKS[i % len(_MARKS)], "size": 8},
            customdata=np.column_stack([low, high]),
            hovertemplate=f"{hover}: %{{y:.2f}} dB<br>95 % interval "
            "%{customdata[0]:.2f} to %{customdata[1]:.2f} dB",
        )
    return figure


def _figure(x: str, y: str, height: int) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(title_text=x)
    figure.update_yaxes(title_text=y)
    return _styled(figure, height)


def _styled(figure: go.Figure, height: int) -> go.Figure:
    """Gives a figure the style of the page, and returns it."""
    figure.update_layout(
        template="none",
        height=height,
        colorway=COLOURS,
        font={"family": "system-ui, sans-serif", "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 12, "r": 12, "t": 30, "b": 12},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(automargin=True, zeroline=False, ticks="outside", ticklen=4)
    figure.update_yaxes(automargin=True, zeroline=False, ticks="outside", ticklen=4)
    return figure


def _bar(title: str = "") -> dict[str, object]:
    """The bar of a scale of colours."""
    return {"thickness": 10, "title": {"text": title, "side": "right"}, "nticks": 6}

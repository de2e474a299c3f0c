"""Reports: one HTML page that needs no other file and no network.

The page is `report.html` of this folder, a template of Jinja. Pictures of plotly are
drawn by its script, which is inside the page (4.9 MB). Pictures of Matplotlib are
images. The page follows the light or dark setting of the reader's device.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, Union

import jinja2
import matplotlib.figure
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from tfcsi import __version__, files, results
from tfcsi.evaluation import charts
from tfcsi.evaluation.packet_parts import Part
from tfcsi.evaluation.plots import png

Picture = Union[go.Figure, matplotlib.figure.Figure]
Pictures = Union[Picture, Sequence[Picture]]
_CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


@dataclasses.dataclass
class Table:
    """A table of texts.

    Attributes:
      headings: One text a column.
      rows: Rows of texts, each as long as `headings`. Texts in the first column stand
        left, all others right.
      caption: A sentence above the table.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclasses.dataclass
class Packet:
    """A packet to be shown byte by byte, coloured by what the bytes carry.

    Attributes:
      caption: A sentence above the bytes.
      content: The packet.
      parts: What its bits carry, as `packet_parts.parts` returns them.
    """

    caption: str
    content: bytes
    parts: Sequence[Part]


@dataclasses.dataclass
class Section:
    """A section of the page. All that is not given is left out.

    Attributes:
      title: Its heading.
      text: A paragraph.
      figures: Pictures by their captions; those of one caption stand side by side
        where the page is wide enough.
      tables: Tables.
      packets: Packets.
      details: Long texts by the words to click on, such as a config.
    """

    title: str
    text: str = ""
    figures: Mapping[str, Pictures] = dataclasses.field(default_factory=dict)
    tables: Sequence[Table] = ()
    packets: Sequence[Packet] = ()
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)


def table_of(points: Sequence[Mapping], columns: Sequence[str] = ()) -> Table:
    """Makes a table of points of a results file; see `results.table`."""
    filled = results.filled_columns(points, columns)
    return Table([column[0] for column in filled], [*zip(*(c[1:] for c in filled))])


def write(
    path: str | os.PathLike, title: str, text: str, sections: Sequence[Section]
) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: File to write.
      title: Heading of the page.
      text: A paragraph that says what was done.
      sections: The sections, in order.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfcsi.evaluation", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    number = itertools.count()
    charted = any(
        isinstance(figure, go.Figure)
        for section in sections
        for figures in section.figures.values()
        for figure in _listed(figures)
    )
    page = environment.get_template("report.html").render(
        title=title,
        text=text,
        sections=sections,
        version=__version__,
        script=get_plotlyjs() if charted else "",
        drawn=lambda figures: [
            _drawn(figure, f"figure-{next(number)}") for figure in _listed(figures)
        ],
        packet_view=packet_view,
    )
    files.write_text(path, page)


def packet_view(packet: Packet) -> dict[str, Any]:
    """What the page shows of a packet.

    Args:
      packet: The packet.

    Returns:
      "bytes": For each byte its two hexadecimal digits, what its bits carry in words,
      and the colours of its bits as [(colour, from, to)], from 0 to 100 percent.
      "legend": Kind of a part to its colour and bits.
    """
    colours = charts.PART_COLOURS
    ends = [0.0, *itertools.accumulate(part.bits for part in packet.parts)]
    spans = [(p.kind, a, b) for p, a, b in zip(packet.parts, ends, ends[1:])]
    shown = []
    for i, byte in enumerate(packet.content):
        first, last = 8.0 * i, 8.0 * (i + 1)
        inside = [
            (kind, max(a, first), min(b, last))
            for kind, a, b in spans
            if a < last and b > first
        ]
        words = ", ".join(f"{kind} {b - a:.1f} bits" for kind, a, b in inside)
        stops = [
            (colours[kind], 12.5 * (a - first), 12.5 * (b - first))
            for kind, a, b in inside
        ]
        shown.append({"text": f"{byte:02x}", "words": words, "stops": stops})
    legend: dict[str, dict[str, Any]] = {}
    for part in packet.parts:
        entry = legend.setdefault(
            part.kind, {"colour": colours[part.kind], "bits": 0.0}
        )
        entry["bits"] += part.bits
    return {"bytes": shown, "legend": legend}


def _listed(figures: Pictures) -> Sequence[Picture]:
    return figures if isinstance(figures, Sequence) else [figures]


def _drawn(figure: Picture, name: str) -> dict[str, str]:
    """A picture for the template: {"chart": HTML} or {"image": base64 of a PNG}."""
    if isinstance(figure, go.Figure):
        chart = figure.to_html(
            full_html=False, include_plotlyjs=False, config=_CONFIG, div_id=name
        )
        return {"chart": chart}
    return {"image": base64.b64encode(png(figure)).decode()}

"""The cards of the zoo are those of the results files, and the codecs keep to them.

TFCSI_DATA_ROOT names the folder of the folders of the data sets.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

import tfcsi
from tfcsi import datasets, metrics
from tfcsi.codecs import zoo
from tfcsi.evaluation import card, rates

ENTRIES = zoo.entries()
DATA_ROOT = os.environ.get("TFCSI_DATA_ROOT")
SAMPLE = 100  # Matrices by which a codec is compared with its card.
USUAL = [
    (name, point["dataset"])
    for name, entry in ENTRIES.items()
    for point in zoo.usual(zoo.points_of(entry))
]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_card_of_a_codec_is_that_of_its_results_file(name):
    entry = ENTRIES[name]
    written = (entry.folder / zoo.CARD_FILE).read_text()
    assert written == card.text(entry), "run tfcsi zoo --cards"
    usual = zoo.usual(zoo.points_of(entry))
    if not usual:
        assert "Not measured yet" in written
        return
    assert [point["dataset"] for point in usual] == entry.fields["data"].split(",")
    for point in usual:
        assert (
            f"{point['nmse_db']:.2f}" in written and f"{point['bits']:.1f}" in written
        )


@pytest.mark.data
@pytest.mark.skipif(not DATA_ROOT, reason="needs TFCSI_DATA_ROOT")
@pytest.mark.parametrize(("name", "source"), USUAL)
def test_a_codec_keeps_to_its_card(name, source):
    folder = pathlib.Path(DATA_ROOT, datasets.parts(source)[0])
    codec = tfcsi.load(name)
    h = rates.read(codec.config, source, folder, "test")
    h = h[np.random.default_rng(0).permutation(len(h))[:SAMPLE]]
    packets = codec.compress(h)
    nmse = metrics.nmse(h, codec.decompress(packets))
    sizes = 8.0 * np.array([len(packet) for packet in packets])
    (point,) = [
        point
        for point in zoo.usual(zoo.points_of(ENTRIES[name]))
        if point["dataset"] == source
    ]
    # Four standard errors of the mean of the sample.
    for values, mean in (
        (nmse, 10 ** (point["nmse_db"] / 10)),
        (sizes, point["bits"]),
    ):
        error = 4 * values.std() / np.sqrt(len(h))
        assert abs(values.mean() - mean) <= error + 1e-6 * mean

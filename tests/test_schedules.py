"""The share of a paper's training that a training is."""

from __future__ import annotations

import pytest

from tfcsi import models, results, schedules
from tfcsi.evaluation import leaderboard
from tfcsi.training import config as configs


def test_the_training_of_the_paper_is_the_whole_of_it():
    assert schedules.share("crnet", 2500, 100_000) == 1
    assert schedules.share("crnet", 36, 16_000) == pytest.approx(0.002304)
    for name in ("csi_inr", "acrnet", "bcsinet"):  # Their papers do not tell.
        assert schedules.share(name, 30, 16_000) is None


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_the_config_of_the_papers_has_the_schedule(name):
    assert name in models.MODELS
    config, schedule = configs.read(f"paper_networks:{name}"), schedules.SCHEDULES[name]
    assert (config.epochs, config.learning_rate) == (
        schedule.epochs,
        schedule.learning_rate,
    )
    assert (config.warmup_epochs, config.final_rate) == (
        schedule.warmup_epochs,
        schedule.final_rate,
    )


def test_tables_tell_the_share_of_a_network_with_the_trainings_before():
    config = {"model": "transnet", "epochs": 5}
    point = {"codec": "a", "config": config, "num_train": 20_000, "epochs_before": 15}
    (column,) = results.filled_columns([point], ["published_share"])
    assert column == ["of the paper's training", "1.00%"]
    assert results.published_share({**point, "num_train": 4_000}) == 0.002
    for other in ({"config": config}, {"num_train": 5}, {**point, "config": {}}):
        assert results.published_share(other) is None


def test_fields_that_are_no_numbers_and_no_names_tell_nothing():
    config = {"model": "crnet", "epochs": 5}
    point = {"codec": "a", "config": config, "num_train": 100, "nmse_db": -3.0}
    assert results.published_share(point) is not None
    for change in (
        {"num_train": None},
        {"epochs_before": "7"},
        {"config": {**config, "epochs": None}},
        {"config": {**config, "model": ["crnet"]}},
        {"config": "crnet"},
    ):
        assert results.published_share({**point, **change}) is None
        assert "-3.00" in results.table([{**point, **change}])


def test_the_leaderboard_tells_the_longest_training_of_a_line():
    known = {"dataset": "hall", "num_matrices": 50, "split": "test", "num_train": 1000}
    line = [
        {**known, "codec": "crnet", "bits": bits, "nmse_db": -bits / 50, "config": own}
        for bits, own in (
            (100.0, {"model": "crnet", "epochs": 250}),
            (200.0, {"model": "crnet", "epochs": 500}),
        )
    ]
    (row,) = leaderboard.rows(line)
    assert row["published_share"] == 0.002

"""`tfcsi transfer`: training on some sources, testing on others."""

from __future__ import annotations

from tfcsi.commands.flags import check_output, parse
from tfcsi.commands.publish import publish


def transfer(argv: list[str]) -> None:
    """Trains on some sources and tests on others, as trained and with tuned decoders.

    A decoder is tuned on a few training matrices of the test source, while the encoder,
    the quantiser and the tables stay. The workdir gets a folder for the run of each
    source; finished runs are not trained again.
    """
    from tfcsi.evaluation import plots
    from tfcsi.evaluation import transfer as work

    given = parse(
        argv,
        "config data_root train_on test_on workdir output",
        "limit",
        shots=100,
        tune_epochs=50,
        tune_batch_size=20,
        tune_learning_rate=1e-3,
        tune_augment="phase",
    )
    check_output(given["output"])
    points = work.transfer(
        given["config"],
        given["data_root"],
        given["workdir"],
        given["train_on"].split(","),
        given["test_on"].split(","),
        given["shots"],
        given["limit"],
        epochs=given["tune_epochs"],
        batch_size=given["tune_batch_size"],
        learning_rate=given["tune_learning_rate"],
        augment=given["tune_augment"],
    )
    publish(given["output"], points, given["config"].seed, plots.transfer)

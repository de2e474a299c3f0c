"""`tfcsi generate`: simulated channels into files."""

from __future__ import annotations

from tfcsi.commands.flags import UsageError, arguments_of, parse


def generate(argv: list[str]) -> None:
    """Simulates channels into files: the published form, HDF5 or TFRecord.

    Stopped and started again it goes on where it was. The matrices depend on channel
    and seed, not on the number of processes, nor on how many there are.
    """
    optional = {"seed": 1, "format": "mat", "processes": 0}
    given = parse(argv, "channel num out", "setup", **optional)
    from tfcsi.channels import blocks
    from tfcsi.channels import generate as work

    try:
        counts = [int(part) for part in given["num"].split(",")]
    except ValueError:
        counts = []
    if len(counts) not in (1, 3):
        raise UsageError(f"--num={given['num']}; give N, or three: train,val,test")
    written = work.generate(
        given["channel"],
        dict(zip(blocks.SPLITS, counts)),
        given["seed"],
        given["out"],
        given["format"],
        given["processes"] or None,
        setup=arguments_of(given["setup"], "setup"),
    )
    for path in written:
        print(path)

"""Rate and distortion of codecs and trained runs on the whole test set of one source.

    python benchmarks/rate_distortion.py rate-distortion --dataset=cost2100_indoor \
        --data_root=DIR --workdirs=runs/a,runs/b --output=results/rd_NAME.json

The program does what the command `tfcsi reproduce` does.
"""

from tfcsi.commands import program, reproduce

if __name__ == "__main__":
    program.Program(__doc__, reproduce.add_arguments, reproduce.run).start()

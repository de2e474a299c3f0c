"""Quantises the codewords of a finished run, with tables.

    python train/quantize.py --workdir=runs/a --output=runs/a_6bit --bits=6

No data are needed: the run keeps some of its training matrices. --steps sets the
gradient steps of CSI-INR's encoder.
"""

from tfcsi.commands import program, quantize

if __name__ == "__main__":
    program.Program(__doc__, quantize.add_arguments, quantize.run).start()

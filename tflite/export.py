"""Exports the UE encoder of a run to TFLite, of builtin operations (docs/phone.md).

    python tflite/export.py --workdir=runs/a --precision=float16,int8 --output=symbols

With --clusters or --sparsity the weights become few values, or many zeros, first.
"""

from tfcsi.commands import export, program

if __name__ == "__main__":
    program.Program(__doc__, export.add_arguments, export.run).start()

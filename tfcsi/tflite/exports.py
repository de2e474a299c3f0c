"""The exported encoders of a workdir: their kinds, names and files."""

from __future__ import annotations

import pathlib

from tfcsi.archives import Archive
from tfcsi.coding.sending import TABLES_FILE, check_encoder

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8_full", "int16x8")
RUNTIMES = ("tf.lite", "litert")
PATH_PRECISIONS = ("float32", "float16")  # Of the pursuit of paths as a network.
TOKEN_PRECISIONS = ("float32", "float16", "dynamic", "int8")  # Of the codec learned.
EFFORTS = ("default", "light")  # Of `pursuit.EFFORTS`, those that a network can have.
NUM_PATHS = 32  # Most paths of a matrix that such a network finds, if not said.
OUTPUTS = ("codeword", "symbols")
DECODER_FILE = "decoder.tflite"  # The decoder in float32, if it is exported, too.
CALIBRATED = ("int8", "int8_full", "int16x8")  # Precisions that need some matrices.


def file_name(precision: str, output: str = "codeword", kind: str = "") -> str:
    """Returns the name that an exported encoder has in its workdir.

    Args:
      precision: One of `PRECISIONS`.
      output: One of `OUTPUTS`.
      kind: Name of what else was done to the weights, such as "pruned"; "" if nothing.

    Returns:
      A name such as "encoder_int8_symbols.tflite".
    """
    parts = [precision, kind, "symbols" if output == "symbols" else ""]
    return f"encoder_{'_'.join(filter(None, parts))}.tflite"


def find(workdir: pathlib.Path) -> dict[str, bytes]:
    """Reads the exported encoders of a workdir.

    Args:
      workdir: Folder of a run.

    Returns:
      Variant, such as "int8_symbols", to the flatbuffer, in the order of `PRECISIONS`.

    Raises:
      FileNotFoundError: If there are none.
      ValueError: If one is damaged or of another run, as `sending.check_encoder`.
    """

    def place(variant: str) -> tuple[int, str]:
        fits = [p for p in PRECISIONS if variant.startswith(p)]
        longest = max(fits, key=len, default=None)
        return [*PRECISIONS, None].index(longest), variant

    paths = {p.stem.split("_", 1)[1]: p for p in workdir.glob(file_name("*"))}
    if not paths:
        raise FileNotFoundError(
            f"{workdir} holds no {file_name('*')}: run tfcsi export first"
        )
    contents = {name: paths[name].read_bytes() for name in sorted(paths, key=place)}
    if (workdir / TABLES_FILE).exists():
        tables = Archive(workdir / TABLES_FILE)
        for name, content in contents.items():
            check_encoder(paths[name], content, tables)
    return contents

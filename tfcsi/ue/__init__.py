"""What runs on the phone: CSI to packets, with NumPy and the LiteRT runtime alone.

    ue = Ue("encoder_int8.tflite", "tables.npz")
    packet = ue.encode(h)

`tfcsi export` writes both files for a run. `pip install tfcsi[ue]` installs what is
needed. A command turns a file of matrices into one of packets for `tfcsi decompress`:

    python -m tfcsi.ue --encoder=encoder_int8.tflite --tables=tables.npz \
        --input=h.npy --output=h.tcsi

The encoder of a codec of paths, `PathUe("tables.npz")`, needs NumPy and the tables
alone; one that `tfcsi export` wrote searches faster, and needs LiteRT. That of the
codec `learned` is `TokenUe("tables.npz", "encoder_int8.tflite")`.

`Codec.compress` takes the same steps and calls the same functions.
"""

from tfcsi.ue.encoders import PathUe, TokenUe, Ue
from tfcsi.ue.program import main
from tfcsi.ue.timing import microseconds

__all__ = ["PathUe", "TokenUe", "Ue", "main", "microseconds"]

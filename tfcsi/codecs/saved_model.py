"""The decoder of a codec with a network as a SavedModel, for TensorFlow Serving.

`codec.receive(packets)` checks packets and gives their integers, on the processor of
whoever has the tables. The SavedModel makes CSI of the integers. Its signatures are

    serving_default: symbols int32 [n, num_symbols], side int32 [n, words]
                     -> h_hat float32 [n, num_tx, num_delay, 2], (re, im) last
    session:         -> header string [], the bytes of the session header

`side` has the words of side information, 0 to 65535, and no columns if there are none.
The header tells which packets the decoder is for (`Session.from_bytes`).
"""

from __future__ import annotations

import os
import pathlib
import shutil

import tensorflow as tf

from tfcsi import transforms
from tfcsi.codecs.neural import Codec
from tfcsi.coding.packets import Session


class Decoder(tf.Module):
    """What `decompress` does behind the entropy coder, in TensorFlow."""

    def __init__(self, codec: Codec):
        """Makes the two functions; RuntimeError if the codec has no tables yet."""
        super().__init__(name="decoder")
        self.network, self.quantizer = codec.decoder, codec.quantizer
        words = int(codec.config.send_gain)
        header = codec.session.to_bytes()
        symbols = tf.TensorSpec(
            (None, codec.quantizer.num_symbols), tf.int32, "symbols"
        )
        num_words = words + codec.quantizer.num_side
        side = tf.TensorSpec((None, num_words), tf.int32, "side")

        def decode(symbols: tf.Tensor, side: tf.Tensor) -> dict[str, tf.Tensor]:
            y_hat = self.quantizer.received(symbols, side[:, words:])
            h_hat = self.network(y_hat, training=False)
            if words:
                power = tf.cast(side[:, :1], tf.float64) / 256 - 128
                gain = tf.cast(2.0**power / transforms.PEAK, tf.float32)
                h_hat *= gain[:, :, None, None]
            return {"h_hat": h_hat}

        self.decode = tf.function(decode, input_signature=[symbols, side])
        self.session = tf.function(
            lambda: {"header": tf.constant(header)}, input_signature=[]
        )


def write(codec: Codec, folder: str | os.PathLike) -> pathlib.Path:
    """Writes a SavedModel beside earlier ones, as TensorFlow Serving looks for them.

    Args:
      codec: Codec with tables.
      folder: Folder of all versions. It is made if it is not there.

    Returns:
      The new folder: a number, one more than the greatest that is there. It appears
      whole or not at all.

    Raises:
      RuntimeError: If the codec has no tables yet.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    path = folder / str(max(numbers, default=0) + 1)
    temporary = folder / f".{path.name}.{os.getpid()}.tmp"
    decoder = Decoder(codec)
    try:
        tf.saved_model.save(
            decoder,
            str(temporary),
            {"serving_default": decoder.decode, "session": decoder.session},
        )
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def session_of(model: tf.Module) -> Session:
    """Returns the session of what `tf.saved_model.load` gave."""
    header = model.signatures["session"]()["header"].numpy()
    return Session.from_bytes(header)[0]

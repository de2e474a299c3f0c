"""The networks of a codec as ONNX files, for runtimes of other makers.

    encoder.onnx  x float32 [n, num_tx, num_delay, 2] -> y float32 [n, latent]
    decoder.onnx  y_hat float32 [n, latent] -> x_hat float32 [n, num_tx, num_delay, 2]

x is CSI centred at zero, (re, im) last. Quantiser and entropy coder are not in the
files. Only this module uses tf2onnx.
"""

from __future__ import annotations

import tensorflow as tf

from tfcsi.codecs.neural import Codec

OPSET = 17  # Version of the operations, of 2022.
FILES = {"encoder": "encoder.onnx", "decoder": "decoder.onnx"}


def convert(codec: Codec) -> dict[str, bytes]:
    """Returns the content of the ONNX files of a codec by their names.

    Args:
      codec: A codec with networks of floats.

    Raises:
      ImportError: If tf2onnx is not installed; the message says how to install it.
      ValueError: If the networks have fake quantisation.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            f"{error.name} is not installed: pip install 'tfcsi[onnx]'"
        ) from error
    if codec.config.get("qat"):
        raise ValueError(
            "this run has fake quantisation, which ONNX files do not have; give the "
            "float run that it came from"
        )
    content = {}
    networks = (("encoder", codec.encoder, "x"), ("decoder", codec.decoder, "y_hat"))
    for part, network, name in networks:
        signature = [tf.TensorSpec(network.input_shape, tf.float32, name)]
        model, _ = tf2onnx.convert.from_keras(network, signature, OPSET)
        content[FILES[part]] = model.SerializeToString()
    return content

"""STNet: the attention autoencoder that STQENet quantises.

STNet (Mourya, Amuru, Kuchi, "A spatially separable attention mechanism for massive MIMO
CSI feedback", WCL 2023, arXiv:2208.03369) is the network of `tfcsi.models.stqenet`,
which says what differs from the release; here under its own name, for trainings with
float codewords as published.
"""

import dataclasses

from tfcsi.models import stqenet
from tfcsi.models.stqenet import decoder, encoder

__all__ = ["MODEL", "decoder", "encoder"]

MODEL = dataclasses.replace(stqenet.MODEL, name="stnet")

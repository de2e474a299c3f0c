"""STNet: the attention autoencoder that STQENet quantises.

STNet (Mourya, Amuru, Kuchi, "A spatially separable attention mechanism for massive MIMO
CSI feedback", WCL 2023, arXiv:2208.03369) is the network of `tfcsi.models.stqenet`,
which says what differs from the release; here under its own name, for trainings with
float codewords as published.
"""

from tfcsi.models.stqenet import decoder, encoder, fold, fold_to_train, initialize_klt

__all__ = ["decoder", "encoder", "fold", "fold_to_train", "initialize_klt"]

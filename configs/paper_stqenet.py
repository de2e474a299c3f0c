"""STQENet as its paper has it (arXiv:2509.08776), for a GPU.

    python train/cost2100.py --config=configs/paper_stqenet.py --data_dir=DIR \
        --workdir=runs/paper --config.quantizer_args.bits=6

Windowed attention, normalized amplitudes, mu-law quantiser, histogram prior with
Huffman coding, squared error plus 1e-3 bits (eq. 6), Adam 1e-3, batch 200, 1000 epochs.
Three things differ from the paper: the rate in the loss is that of the symbols that are
sent, each entry has a table of its own, and the learning rate follows a warm-up and a
cosine. One epoch of 16000 matrices takes two minutes on 2 CPU cores. docs/results.md
has a row of 8 epochs; a full training was not run here.
"""

from tfcsi.training.config import defaults


def get_config():
    config = defaults(model="stqenet")
    config.quantizer = "mulaw"
    config.quantizer_args.bits = 4
    config.quantizer_args.mu = 255.0
    config.prior = "histogram"
    config.coder = "huffman"
    config.distortion = "sse"
    config.lmbda = 1e-3
    config.batch_size = 200
    config.epochs = 1000
    config.learning_rate = 1e-3
    config.beta_1 = 0.5
    config.warmup_epochs = 1.0
    config.augment = "none"
    return config

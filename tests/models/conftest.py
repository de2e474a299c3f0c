"""The layers of the released networks, and ours with their weights.

TFCSI_PEERS_DIR names a folder of vectors that the released code made: for each network
an input x in [0, 1], the codeword y, the output and all weights, by their names there.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import models

SHAPE = (32, 32)


def names(text, blocks=1):
    """Layer names, ours to theirs, of lines with {i} = 0, 1, ... and {k} = 1, 2, ..."""
    pairs = [line.split() for line in text.splitlines() if line]
    return {
        ours.format(i=i, k=i + 1): theirs.format(i=i, k=i + 1)
        for i in range(blocks)
        for ours, theirs in pairs
    }


CR_ENCODER = """
path1_3x3 encoder1.conv3x3_bn
path1_1x9 encoder1.conv1x9_bn
path1_9x1 encoder1.conv9x1_bn
path2_3x3 encoder2
merge     encoder_conv.conv1x1_bn
"""
CR_BLOCK = """
block{i}_path1_3x3  decoder_feature.CRBlock{k}.path1.conv3x3
block{i}_path1_1x9  decoder_feature.CRBlock{k}.path1.conv1x9
block{i}_path1_9x1  decoder_feature.CRBlock{k}.path1.conv9x1
block{i}_path2_1x5  decoder_feature.CRBlock{k}.path2.conv1x5
block{i}_path2_5x1  decoder_feature.CRBlock{k}.path2.conv5x1
block{i}_merge      decoder_feature.CRBlock{k}.conv1x1
"""
STEM = "stem decoder_feature.conv5x5_bn"
CR_DECODER = names(STEM) | names(CR_BLOCK, 2)
CL_ENCODER = """
path1_3x3 encoder.encoder1.conv3x3_bn
path1_1x9 encoder.encoder1.conv1x9_bn
path1_9x1 encoder.encoder1.conv9x1_bn
path2_1x1 encoder.encoder2
gate      encoder.sa.spatial
squeeze   encoder.se.fc.0
excite    encoder.se.fc.2
merge     encoder.encoder_conv.conv1x1_bn
codeword  encoder.replace_efc
"""
CL_DECODER = {
    ours: f"decoder.{theirs}"
    for text, blocks in (
        ("expand replace_dfc", 1),
        (STEM, 1),
        (CR_BLOCK.replace("1x9", "1x3").replace("9x1", "3x1"), 2),
    )
    for ours, theirs in names(text, blocks).items()
}
ACR_ENCODER = names("stem encoder_feature.conv5x5_bn\nstem_act encoder_feature.prelu")
ACR_ENCODER |= names(
    """
block{i}_1x9   encoder_feature.ACREncoderBlock{k}.conv_bn1
block{i}_act1  encoder_feature.ACREncoderBlock{k}.prelu1
block{i}_9x1   encoder_feature.ACREncoderBlock{k}.conv_bn2
block{i}_act2  encoder_feature.ACREncoderBlock{k}.prelu2
""",
    2,
)
ACR_DECODER = names(f"{STEM}\nstem_act decoder_feature.prelu") | names(
    """
block{i}_1x9   decoder_feature.ACRDecoderBlock{k}.conv1_bn
block{i}_act1  decoder_feature.ACRDecoderBlock{k}.prelu1
block{i}_7x7   decoder_feature.ACRDecoderBlock{k}.conv2_bn
block{i}_act2  decoder_feature.ACRDecoderBlock{k}.prelu2
block{i}_9x1   decoder_feature.ACRDecoderBlock{k}.conv3_bn
block{i}_act3  decoder_feature.ACRDecoderBlock{k}.prelu3
""",
    2,
)
BCSI_ENCODER = """
head1     encoder_feature.conv3x3_bn1
head2     encoder_feature.conv3x3_bn2
codeword  encoder_binary_fc
"""
BCSI_DECODER = names("last decoder_feature.conv3x3_bn") | names(
    """
refine{i}_conv0  decoder_feature.refine{i}.conv1_bn
refine{i}_conv1  decoder_feature.refine{i}.conv2_bn
refine{i}_conv2  decoder_feature.refine{i}.conv3_bn
""",
    3,
)
DCR_ENCODER = names(
    """
stem       encoder_feature.conv5x5_bn
stem_act   encoder_feature.prelu
path2      encoder_feature.DCREncoderBlock1.conv2.0
merge_in   encoder_feature.DCREncoderBlock1.prelu1
merge      encoder_feature.DCREncoderBlock1.conv1x1
merge_act  encoder_feature.DCREncoderBlock1.prelu2
"""
)
DCR_PATH = "encoder_feature.DCREncoderBlock1.conv1"
DCR_ENCODER |= {f"path1_conv{i}": f"{DCR_PATH}.{2 * i}" for i in range(6)}
DCR_ENCODER |= {f"path1_act{i}": f"{DCR_PATH}.{2 * i - 1}" for i in range(1, 6)}
DCR_DECODER = names(f"{STEM}\nstem_act decoder_feature.prelu") | names(
    """
block{i}_path1_first   decoder_feature.DCRDecoderBlock{k}.path1.conv_3x3
block{i}_path1_3x1_in  decoder_feature.DCRDecoderBlock{k}.path1.prelu1
block{i}_path1_3x1     decoder_feature.DCRDecoderBlock{k}.path1.conv_1x5
block{i}_path1_1x3_in  decoder_feature.DCRDecoderBlock{k}.path1.prelu2
block{i}_path1_1x3     decoder_feature.DCRDecoderBlock{k}.path1.conv_5x1
block{i}_path1_act     decoder_feature.DCRDecoderBlock{k}.path1.prelu4
block{i}_path1_last    decoder_feature.DCRDecoderBlock{k}.path1.conv_1x1
block{i}_path2_first   decoder_feature.DCRDecoderBlock{k}.path2.0
block{i}_path2_5x1_in  decoder_feature.DCRDecoderBlock{k}.path2.1
block{i}_path2_5x1     decoder_feature.DCRDecoderBlock{k}.path2.2
block{i}_path2_1x5_in  decoder_feature.DCRDecoderBlock{k}.path2.4
block{i}_path2_1x5     decoder_feature.DCRDecoderBlock{k}.path2.5
block{i}_path2_act     decoder_feature.DCRDecoderBlock{k}.path2.7
block{i}_path2_last    decoder_feature.DCRDecoderBlock{k}.path2.8
block{i}_merge_in      decoder_feature.DCRDecoderBlock{k}.prelu
block{i}_merge         decoder_feature.DCRDecoderBlock{k}.conv1x1
block{i}_merge_act     decoder_feature.DCRDecoderBlock{k}.prelu2
""",
    2,
)
CLLWC_ENCODER = """
branch_1x7  encoder_p1.first_conv1x7
branch_7x1  encoder_p1.second_conv1x7
branch_1x5  encoder_p2.conv1x3
branch_5x1  encoder_p2.conv3x1
branch_1x3  encoder_p3.conv1x3
branch_3x1  encoder_p3.conv3x1
merge       con1x1
compress1   encoder_compression.conv.first_conv1x7
compress2   encoder_compression.conv.second_Conv1x7
compress3   encoder_compression.conv.third_Conv1x7
skip        encoder_compression.conv_2
code        encoder_compression.conv_3
"""
CLLWC_DECODER = names(
    """
expand1   decoder_get_feedback_in_UE.first_conv1x7
expand2   decoder_get_feedback_in_UE.conv1x7
expand3   decoder_get_feedback_in_UE.second_conv1x7
denoise1  remove_AGN.conv_1x7
denoise2  remove_AGN.conv_7x1
denoise3  remove_AGN.conv_3x3
out       _last_cov.firstcov2
"""
) | names(
    """
refine{k}_1x7_1  decoder_refine_net.{i}.conv.first_conv1x7
refine{k}_1x7_2  decoder_refine_net.{i}.conv.second_Conv1x7
refine{k}_1x7_3  decoder_refine_net.{i}.conv.third_Conv1x7
refine{k}_1x5_1  decoder_refine_net.{i}.conv_1.first_conv1x7
refine{k}_1x5_2  decoder_refine_net.{i}.conv_1.second_Conv1x7
refine{k}_1x5_3  decoder_refine_net.{i}.conv_1.third_Conv1x7
refine{k}_merge  decoder_refine_net.{i}.conv1x1
""",
    2,
)
TRANS_LAYER = """
layer_self   SIDE.layer.self_attn
layer_inner  SIDE.layer.linear1
layer_outer  SIDE.layer.linear2
layer_norm1  SIDE.layer.norm1
layer_norm2  SIDE.layer.norm2
"""
TRANS_ENCODER = names(TRANS_LAYER.replace("SIDE", "encoder"))
TRANS_DECODER = names(TRANS_LAYER.replace("SIDE", "decoder")) | names(
    """
layer_cross  decoder.layer.multihead_attn
layer_norm3  decoder.layer.norm3
norm_out     decoder.norm
"""
)
ST_BOTH = """
stb_norm1         SIDE.blocks.0.norm1
stb_norm2         SIDE.blocks.0.norm2
stb_norm3         SIDE.blocks.0.norm3
stb_norm4         SIDE.blocks.0.norm4
stb_local_qkv     SIDE.blocks.0.attn1.qkv
stb_local_proj    SIDE.blocks.0.attn1.proj
stb_global_q      SIDE.blocks.0.attn2.q
stb_summary       SIDE.blocks.0.attn2.sr
stb_summary_norm  SIDE.blocks.0.attn2.norm
stb_global_kv     SIDE.blocks.0.attn2.kv
stb_global_proj   SIDE.blocks.0.attn2.proj
stb_mlp1_in       SIDE.blocks.0.mlp1.cc1
stb_mlp1_out      SIDE.blocks.0.mlp1.cc2
stb_mlp2_in       SIDE.blocks.0.mlp2.cc1
stb_mlp2_out      SIDE.blocks.0.mlp2.cc2
conv5             SIDE.conv5
up                SIDE.convT
down              SIDE.conv4
"""
ST_ENCODER = names(ST_BOTH.replace("SIDE", "encoder"))
ST_ENCODER |= names("conv1 encoder.conv1\ncodeword encoder.fc")
ST_ENCODER |= names("norm_up encoder.norm3\nnorm_out encoder.norm2")
ST_DECODER = names(ST_BOTH.replace("SIDE", "decoder") + f"{STEM}\n{CR_BLOCK}")
ST_DECODER = {
    ours.replace("block0", "cr"): theirs.replace("decoder_f", "decoder.decoder_f")
    for ours, theirs in ST_DECODER.items()
} | names(
    "norm_up decoder.norm2\nnorm_out decoder.norm3\nexpand decoder.dense_layers.0"
)
FC = ({"codeword": "encoder_fc"}, {"expand": "decoder_fc"})
LINE = (
    {"code": "convolutional_encoder.conv.first_conv1x7"},
    {"expand": "decoder_get_feedback_in_UE.first_conv1x7"},
)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A released network: its file without suffix and what it is here."""

    file: str
    model: str
    latent_dim: int
    encoder: dict[str, str]  # Our names of layers to theirs.
    decoder: dict[str, str]
    options: dict[str, object] = dataclasses.field(default_factory=dict)

    def load(self):
        """Returns the file's arrays, and both networks with the released weights."""
        with np.load(
            pathlib.Path(os.environ["TFCSI_PEERS_DIR"]) / f"{self.file}.npz"
        ) as stored:
            arrays = dict(stored)
        model, options = models.get(self.model), {"form": "released", **self.options}
        encoder = model.encoder(SHAPE, self.latent_dim, **options)
        decoder = model.decoder(SHAPE, self.latent_dim, **options)
        used = fill(encoder, self.encoder, arrays) | fill(decoder, self.decoder, arrays)
        spare = (
            "num_batches_tracked",
            "decoder.fc.weight",
            "decoder.fc.bias",
        )  # STNet's.
        left = {key for key in arrays if key.startswith("w/")} - used
        if left := {key for key in left if not key.endswith(spare)}:
            raise ValueError(f"{self.file} has weights that no layer took: {left}")
        return arrays, encoder, decoder


CR = (names(CR_ENCODER) | FC[0], CR_DECODER | FC[1])
CR_LINE = (names(CR_ENCODER) | LINE[0], CR_DECODER | LINE[1])
CLLWC = (names(CLLWC_ENCODER), CLLWC_DECODER)
PAPER = {"noise_path": "released", "form": "published"}  # No clamp at CR 16.
PEERS = (
    Peer("crnet_cr64", "crnet", 32, *CR),
    Peer("published_crnet_cr64_indoor", "crnet", 32, *CR),
    Peer("clnet_cr64", "clnet", 32, names(CL_ENCODER), CL_DECODER),
    Peer(
        *("acrnet_cr64_expansion1", "acrnet", 32),
        *(ACR_ENCODER | FC[0], ACR_DECODER | FC[1]),
    ),
    Peer(
        *("bcsinet_b3_cr64", "bcsinet", 32, names(BCSI_ENCODER), BCSI_DECODER | FC[1]),
        {"head": "B", "num_refine": 3},
    ),
    Peer("dcrnet_cr64", "dcrnet", 32, DCR_ENCODER | FC[0], DCR_DECODER | FC[1]),
    Peer(
        *("transnet_cr64_batchfirst", "transnet", 32),
        *(TRANS_ENCODER | {"codeword": "fc_encoder"},),
        *(TRANS_DECODER | {"expand": "fc_decoder"},),
    ),
    Peer("cllwcsinet_cr4", "cllwcsinet", 512, *CLLWC, PAPER),
    Peer("cllwcsinet_cr8", "cllwcsinet", 256, *CLLWC, PAPER),
    Peer("cllwcsinet_cr16", "cllwcsinet", 128, *CLLWC, PAPER),
    Peer("crnet_convlatent_cr8", "crnet", 256, *CR_LINE, {"latent": "conv"}),
    Peer(
        *("acrnet_convlatent_cr16", "acrnet", 128),
        *(ACR_ENCODER | LINE[0], ACR_DECODER | LINE[1]),
        {"latent": "conv"},
    ),
    Peer("stnet_cr4", "stnet", 512, ST_ENCODER, ST_DECODER, {"attention": "released"}),
)


def fill(model, table, arrays):
    """Gives the layers of a model the released weights; returns the names used."""
    used = set()

    def take(key):
        used.add(f"w/{key}")
        return arrays[f"w/{key}"]

    for layer in model.layers:
        name = layer.name.removesuffix("_bn")
        if not layer.weights:
            continue
        theirs = table[name]
        keys = [k[2:] for k in arrays if k.startswith(f"w/{theirs}.")]
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            weights = [take(f"{theirs}.bn.{part}") for part in parts]
        elif isinstance(layer, tf.keras.layers.MultiHeadAttention):
            weights = []
            for part in ("in_proj_", "out_proj."):
                kernel, bias = (
                    take(f"{theirs}.{part}weight"),
                    take(f"{theirs}.{part}bias"),
                )
                count = len(bias) // kernel.shape[1]  # Query, key and value in one.
                for w, b in zip(np.split(kernel, count), np.split(bias, count)):
                    weights += [w.T, b]
        else:
            (kernel,) = (k for k in keys if k.endswith("weight") and ".bn." not in k)
            weights = [take(kernel)]
            bias = kernel.removesuffix("weight") + "bias"
            weights += [take(bias)] if bias in keys else []
            if weights[0].ndim == 4:
                weights[0] = weights[0].transpose(2, 3, 1, 0)
            elif weights[0].squeeze().T.shape == layer.weights[0].shape:
                weights[0] = weights[0].squeeze().T
        if len(weights) != len(layer.weights):
            raise ValueError(f"{layer.name} holds other weights than {theirs}")
        pairs = zip(weights, layer.weights)
        layer.set_weights([w.reshape(weight.shape) for w, weight in pairs])
    return used


@pytest.fixture
def released():
    """The function (file) -> arrays, encoder, decoder; see `Peer.load`."""
    peers = {peer.file: peer for peer in PEERS}
    return lambda file: peers[file].load()

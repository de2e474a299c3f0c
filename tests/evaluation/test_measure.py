"""Laws of evaluation: physics of the measures, and bits that are bytes on disk."""

from __future__ import annotations

import math
import pathlib

import numpy as np
import pytest

from tfcsi import metrics, models, transforms
from tfcsi.codecs.neural import Codec, load
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.packets import CRC_BITS, PacketError, Session, pack, sound, unpack
from tfcsi.coding.tables import Tables
from tfcsi.evaluation import over_noise
from tfcsi.evaluation.measure import evaluate, measure
from tfcsi.evaluation.over_noise import over_bit_errors, over_snr
from tfcsi.noise import awgn, flip_bits

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


class Constant:
    """A codec whose base station believes the same of every matrix."""

    domain = "angular_delay"

    def __init__(self, gain, num_bytes):
        self.gain, self.num_bytes = gain, num_bytes

    def compress(self, h):
        self.sent = h
        return [b"x" * self.num_bytes] * len(h)

    def decompress(self, packets):
        assert len(packets) == len(self.sent)
        return (self.gain * self.sent).astype(np.complex64)


def test_a_codec_that_sends_nothing_has_0_db(h):
    point = evaluate(Constant(0, 0), h)
    assert point["nmse_db"] == point["nmse_db_low"] == point["nmse_db_high"] == 0
    assert point["bits"] == point["bpp"] == point["sgcs"] == 0
    assert "rho" not in point and "bits_estimated" not in point


def test_a_perfect_codec_has_no_error_and_similarity_1(h):
    hf = transforms.to_subcarriers(h)
    point = evaluate(Constant(1, 7), h, hf)
    assert point["nmse_db"] == -math.inf
    assert point["sgcs"] == pytest.approx(1) and point["rho"] == pytest.approx(1)
    assert (point["num_matrices"], point["bits"]) == (len(h), 56)
    assert point["bpp"] == 56 / (2 * 16 * 16) and point["packet_bytes"] == 7


def test_a_scaled_copy_loses_energy_but_no_direction(h):
    point = evaluate(Constant(0.9, 1), h, transforms.to_subcarriers(h))
    assert point["nmse_db"] == pytest.approx(-20, abs=1e-4)
    assert point["sgcs"] == pytest.approx(1) and point["rho"] == pytest.approx(1)


def test_the_mean_comes_before_the_decibels(h):
    gain = np.linspace(0, 1, len(h))[:, None, None]
    point = measure(h, gain * h, [b""] * len(h), "angular_delay")
    expected = np.mean((1 - gain) ** 2)
    assert point["nmse_db"] == pytest.approx(10 * np.log10(expected), abs=1e-6)
    assert point["nmse_db_low"] < point["nmse_db"] < point["nmse_db_high"]


def test_one_matrix_has_no_interval(h):
    point = measure(h[:1], 0.9 * h[:1], [b""], "angular_delay")
    assert point["nmse_db"] == pytest.approx(-20, abs=1e-4)
    assert not {"nmse_db_low", "nmse_db_high"} & point.keys()


def test_bits_are_the_size_of_the_file_less_its_frame(codec, h, tmp_path):
    sent = h[300:]
    packets = codec.compress(sent)
    path = tmp_path / "packets.tcsi"
    num_bytes = write_file(path, codec.session, packets)
    session_bytes = len(codec.session.to_bytes())
    frame = session_bytes + len(packets) + 29 + 8 * -(-len(packets) // 64)
    assert path.stat().st_size == num_bytes == frame + sum(map(len, packets))

    point = evaluate(codec, sent)
    file_bits = 8 * (path.stat().st_size - frame)
    assert point["bits"] * len(sent) == pytest.approx(file_bits)
    assert point["bits"] == np.mean([8 * len(packet) for packet in packets])
    overhead = point["bits"] - CRC_BITS - point["bits_estimated"]
    assert 0 < overhead < 9


def test_evaluation_of_a_codec_is_that_of_what_arrives(codec, h):
    sent = h[300:]
    h_hat = codec.decompress(codec.compress(sent))
    point = evaluate(codec, sent)
    assert point["nmse_db"] == metrics.to_db(metrics.nmse(sent, h_hat).mean())
    assert point["sgcs"] == metrics.sgcs(sent, h_hat, codec.domain).mean()


# Noise on the way.


def nmse_db(h, h_hat):
    return metrics.to_db(metrics.nmse(h, h_hat).mean())


@pytest.mark.parametrize("kind", over_noise.NOISES)
def test_nothing_is_lost_to_noise_at_a_high_snr(codec, h, kind):
    clean = evaluate(codec, h[300:])
    (point,) = over_snr(codec, h[300:], [100], kind, 1)
    assert (point["snr_db"], point["noise"]) == (100, kind)
    assert point["nmse_db"] == pytest.approx(clean["nmse_db"], abs=1e-3)
    assert point["bits"] == pytest.approx(clean["bits"], abs=0.5)
    assert point.keys() == clean.keys() - {"bits_estimated"} | {"snr_db", "noise"}


@pytest.mark.parametrize("kind", over_noise.NOISES)
def test_more_noise_is_more_error(codec, h, kind):
    points = over_snr(codec, h[300:], [-5, 5, 15, 40], kind, 1)
    nmse = [point["nmse_db"] for point in points]
    assert nmse == sorted(nmse, reverse=True) and nmse[0] > nmse[-1] + 2


def test_noise_costs_bits_only_if_it_is_added_before_the_packets(codec, h):
    bits = {
        kind: [point["bits"] for point in over_snr(codec, h[300:], [-5, 40], kind, 1)]
        for kind in over_noise.NOISES
    }
    sent = 8 * np.mean([len(packet) for packet in codec.compress(h[300:])])
    assert bits["codeword"] == [sent, sent]
    for kind in ("latent", "csi"):
        assert bits[kind][0] > bits[kind][1] + 6


@pytest.mark.parametrize("kind", over_noise.NOISES)
def test_the_same_seed_is_the_same_noise_at_any_place_of_the_list(codec, h, kind):
    _, point = over_snr(codec, h[300:320], [30, 5], kind, 1)
    assert over_snr(codec, h[300:320], [5], kind, 1) == [point]
    assert over_snr(codec, h[300:320], [5], kind, 2) != [point]


def test_codeword_noise_is_relative_to_the_codeword_and_comes_before_the_decoder(
    codec, h
):
    y_hat, _ = codec.dequantize(*codec.symbols(h[300:]))
    noisy = awgn(y_hat, 3.0, (1, 0))
    expected = nmse_db(h[300:], codec.synthesis(noisy))
    (point,) = over_snr(codec, h[300:], [3], "codeword", 1)
    assert point["nmse_db"] == pytest.approx(expected, abs=1e-4)


def test_a_codec_that_sends_the_gain_has_the_same_nmse_at_any_scale(
    dense, make_config, h
):
    codecs = []
    for send_gain in (False, True):
        codec = Codec(make_config(model=dense, send_gain=send_gain))
        models.get(dense).initialize_klt(codec.encoder, codec.decoder, h[:300])
        codec.quantizer.initialize(codec.codewords(h[:300])[0], 1e-4)
        codec.use(Tables.from_counts(codec.symbols(h[:300])[0]))
        codecs.append(codec)
    for kind in over_noise.NOISES:
        (expected,) = over_snr(codecs[0], h[300:], [40], kind, 1)
        (point,) = over_snr(codecs[1], 1000 * h[300:], [40], kind, 1)
        assert point["nmse_db"] == pytest.approx(expected["nmse_db"], abs=0.05)
        assert point["bits"] == pytest.approx(expected["bits"] + 16, abs=1)


def test_a_decoder_of_the_released_experiment_gets_the_clean_codeword_as_ever():
    folder = GOLDEN / "workdirs" / "cllwcsinet"
    codec = load(folder)
    with np.load(folder / "csi.npz") as stored:
        h = stored["h"]
    for layer in codec.decoder.layers:
        if layer.name.endswith("_bn"):  # Else the tiny run decodes nearly nothing.
            layer.gamma.assign(np.full(layer.gamma.shape, 2.0))
    points = over_snr(codec, h, [-20, -10, 0, 30], "codeword", 1)
    # As measured when the decoder had two inputs; the noisy codeword alone would give
    # 17.000, 16.262, 15.081 and 14.259 dB.
    expected = [16.9443, 16.1024, 14.8318, 14.2590]
    nmse_db = [point["nmse_db"] for point in points]
    np.testing.assert_allclose(nmse_db, expected, atol=1e-3)


def test_an_unknown_place_of_noise_and_csi_of_another_scale_are_refused(codec, h):
    with pytest.raises(ValueError, match="'air'; it must be one of codeword, latent,"):
        over_snr(codec, h[300:], [5], "air", 1)
    for kind in over_noise.NOISES:
        with pytest.raises(ValueError, match="to_peak"):
            over_snr(codec, 2 * h[300:], [5], kind, 1)


# Bit errors.


class Numbered:
    """Sends the number of each matrix in 100 bytes; the base station has them all."""

    domain = "angular_delay"

    session = Session("numbered", 1, 2, bytes(8))

    def __init__(self, damaged):
        self.damaged = damaged  # Decodes a payload that no matrix has.

    def compress(self, h):
        self.h = h
        payloads = [i.to_bytes(100, "big") for i in range(len(h))]
        return pack(payloads, self.session)

    def decompress(self, packets):
        payloads = unpack(packets, self.session)
        numbers = [int.from_bytes(payload[:100], "big") for payload in payloads]
        return np.array(
            [self.h[i] if i < len(self.h) else self.damaged() for i in numbers]
        )


def refuse():
    raise PacketError("the codec cannot read this")


def test_no_bit_errors_are_no_loss(codec, h):
    (point,) = over_bit_errors(codec, h[300:], [0], 1)
    clean = evaluate(codec, h[300:])
    assert point["nmse_db"] == point["nmse_db_zero"] == clean["nmse_db"]
    assert point["bit_error_rate"] == point["refused"] == point["undetected"] == 0
    assert point["bits"] == clean["bits"]


def test_damaged_packets_are_refused_and_replaced_one_by_one(codec, h):
    sent, rate = h[300:], 2e-3
    packets = codec.compress(sent)
    received = flip_bits(packets, rate, 1)
    zero, last, refused = np.zeros_like(sent), np.zeros_like(sent), 0
    for i, packet in enumerate(received):
        try:
            last[i] = zero[i] = codec.decompress([packet])[0]
        except PacketError:
            refused += 1
            last[i] = last[i - 1] if i else 0
    assert 5 < refused < 95
    (point,) = over_bit_errors(codec, sent, [rate], 1)
    assert point["refused"] == refused / len(sent)
    damaged = np.mean([one != two for one, two in zip(packets, received)])
    assert point["refused"] + point["undetected"] == pytest.approx(damaged)
    assert point["nmse_db"] == pytest.approx(nmse_db(sent, last), abs=1e-4)
    assert point["nmse_db_zero"] == pytest.approx(nmse_db(sent, zero), abs=1e-4)


def test_before_the_first_packet_that_arrives_the_csi_is_zero(codec, h):
    (point,) = over_bit_errors(codec, h[300:305], [0.5], 1)
    assert point["refused"] == 1
    assert point["nmse_db"] == point["nmse_db_zero"] == 0


def test_one_of_2048_damaged_packets_passes_its_check_and_counts():
    h = np.ones((10000, 1, 2), np.complex64)
    (point,) = over_bit_errors(Numbered(lambda: 3 * h[0]), h, [0.03], 1)
    received = flip_bits(Numbered(refuse).compress(h), 0.03, 1)
    passed = sound(received, Numbered.session).sum()
    assert 0 < passed < 15 and point["undetected"] == passed / len(h)
    error = point["refused"] + 4 * point["undetected"]
    assert point["nmse_db_zero"] == pytest.approx(10 * np.log10(error))


@pytest.mark.parametrize("damaged", [refuse, lambda: np.full((1, 2), np.nan)])
def test_what_passes_its_check_but_is_no_csi_is_refused(damaged):
    h = np.ones((10000, 1, 2), np.complex64)
    (point,) = over_bit_errors(Numbered(damaged), h, [0.03], 1)
    assert point["undetected"] == 0 and 0.99 < point["refused"] <= 1


def test_a_rate_that_is_no_probability_is_refused(codec, h):
    with pytest.raises(ValueError, match="a bit error rate must be 0 to 1"):
        over_bit_errors(codec, h[300:], [2], 1)


def test_sound_tells_what_unpack_refuses():
    session = Session("demo", 2, 3, bytes(range(8)))
    packets = pack([b"", b"abc", b"some words", b""], session)
    assert sound(packets, session).all()
    assert sound([], session).shape == (0,)
    damaged = [packets[0], b"", packets[1][:-1], packets[2][:-2] + b"SS", packets[3]]
    accepted = sound(damaged, session)
    assert accepted.tolist() == [True, False, False, False, True]
    for row, packet in enumerate(damaged):
        if not accepted[row]:
            with pytest.raises(PacketError, match="packet 2 ") as error:
                unpack([packets[0], packets[1], packet], session)
            assert error.value.row == 2


def test_a_refused_payload_is_named_by_its_row(codec, h):
    packets = codec.compress(h[300:303])
    packets[1:2] = pack([b"\xff" * 2000], codec.session)
    with pytest.raises(PacketError, match="packet 1: ") as error:
        codec.decompress(packets)
    assert error.value.row == 1

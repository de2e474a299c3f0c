"""Codec: a trained pair, its quantiser and its tables; CSI to packets and back.

Workflow: `train` (tfcsi.training) makes a codec and saves it to a workdir; then

    codec = tfcsi.load("runs/a")
    packets = codec.compress(h)         # what the UE sends
    h_hat = codec.decompress(packets)   # what the BS knows

`compress` uses the encoder, the quantiser and the tables; `decompress` the tables, the
quantiser and the decoder. It is a `CodewordCodec` of `tfcsi.codecs.contract`.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Sequence

import ml_collections
import numpy as np

from tfcsi import files, metrics, models, transforms
from tfcsi.codecs import schema
from tfcsi.codecs.batched import batched
from tfcsi.codecs.contract import refuse_wishes
from tfcsi.codecs.neural_arrays import arrays_of, assign, fingerprint
from tfcsi.codecs.workdir import (
    CODEC_FILE,
    CONFIG_FILE,
    DOMAIN_KEY,
    KINDS,
    VERSION_KEY,
    load_config,
    packet_version,
    read_arrays,
    save,
)
from tfcsi.coding import any_tables, rate_dial, sending
from tfcsi.coding.any_tables import AnyTables
from tfcsi.coding.packets import VERSION, Session
from tfcsi.entropy import quantizers

_REMEDIES = {
    "step": "its steps were set in training; train with another lmbda, or requantise "
    "a run of real codewords by `tfcsi quantize --bits`",
    "nmse_db": "train with a smaller lmbda or a longer codeword",
    "max_bits": "train with a larger lmbda or a shorter codeword",
}


class Codec:
    """A model's pair with quantiser and tables, under the codec contract.

    Attributes:
      config: ConfigDict of the run.
      name: Name of the model.
      shape: (num_tx, num_delay).
      encoder: Keras model x [n, num_tx, num_delay, 2] -> y [n, latent].
      decoder: Keras model y_hat [n, latent] -> x_hat [n, num_tx, num_delay, 2].
      quantizer: Object of a class of `tfcsi.entropy.quantizers`.
      tables: any_tables.AnyTables, or None before `use`.
      packet_version: Format of the packets, that of `packets.Session`. Runs that were
        saved before version 2 keep version 1.
      names_domain: Whether the session tells the domain. That of early runs does not.
      facts: What a training recorded, such as `train_seconds`.
      analysis: Function x -> y that `compress` calls, float32 arrays; the Keras encoder
        at first, set it to run another one (TFLite; y may be as `ue.quantize` takes).
    """

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds an untrained codec.

        Args:
          config: Fields `model`, `network` (arguments of the model's builders),
            `shape`, `latent_dim`, `quantizer`, `quantizer_args`, `send_gain`, and `qat`
            if the networks have fake quantisation (`fake_quantization.quantize_pair`).

        Raises:
          ValueError: If a name or an argument is not known.
        """
        self.config = config
        self.name = config.model
        self.shape = tuple(config.shape)
        model = models.get(config.model)
        network = dict(config.network)
        self.encoder = model.encoder(self.shape, config.latent_dim, **network)
        self.decoder = model.decoder(self.shape, config.latent_dim, **network)
        if model.share:  # One network at both ends.
            model.share(self.encoder, self.decoder)
        self.quantizer = quantizers.of_config(config)
        if config.get("qat"):
            from tfcsi.model_optimization import fake_quantization

            self.encoder, self.decoder = fake_quantization.quantize_pair(
                self.encoder, self.decoder, config, self.quantizer.step is not None
            )
        self.tables: AnyTables | None = None
        shapes = [self.encoder.input_shape, self.encoder.output_shape]
        self.analysis: Callable[[np.ndarray], np.ndarray] = batched(
            self.encoder, shapes[:1], shapes[1]
        )
        self._synthesis = batched(self.decoder, shapes[1:], shapes[0])
        self.packet_version = VERSION
        self.names_domain = True
        self.facts: dict[str, object] = {}
        self._session: Session | None = None

    def use(self, tables: AnyTables) -> None:
        """Takes frozen tables; from now on the codec can send and receive.

        Raises:
          ValueError: If the tables are for codewords of another length.
        """
        if tables.num_positions != self.quantizer.num_symbols:
            raise ValueError(
                f"tables code {tables.num_positions} positions, the codeword has "
                f"{self.quantizer.num_symbols} symbols"
            )
        self.tables = tables
        num_tx, num_delay = self.shape
        digest = fingerprint(self, tables)
        session = Session(self.name, num_tx, num_delay, digest, self.packet_version)
        self._session = session.in_domain(self.domain) if self.names_domain else session

    @property
    def domain(self) -> str:
        """Domain of its CSI. Runs without the field are of the angular-delay domain."""
        return transforms.domain_of(self.config)

    @property
    def session(self) -> Session:
        """What UE and BS agree on before the first packet.

        Its fingerprint covers all that both sides share: tables, quantiser, decoder.

        Raises:
          RuntimeError: If the codec has no tables yet.
        """
        return self._agreed()[0]

    def _agreed(self) -> tuple[Session, AnyTables]:
        """The session and its tables; RuntimeError if there are none yet."""
        if self._session is None or self.tables is None:
            raise RuntimeError(
                "this codec has no entropy tables: train it, or call use(tables)"
            )
        return self._session, self.tables

    @property
    def steps(self) -> np.ndarray | None:
        """Mean step of the codeword at each rate, falling; None if there is one rate.

        The mean is geometric, float64 [rates], in units of the codeword.
        """
        quantizer = self.quantizer
        return quantizer.mean_steps if quantizer.num_rates > 1 else None

    @property
    def rate(self) -> int:
        """Number of the rate that `compress` takes if nothing is wished."""
        return self.quantizer.rate if self.quantizer.num_rates > 1 else 0

    def symbols(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the encoder and the quantiser, at the usual rate.

        Args:
          h: complex64 [n, num_tx, num_delay], max |h| = 0.5 a matrix unless the codec
            sends the gain.

        Returns:
          symbols int32 [n, num_symbols]; side uint16 [n, words], side information.

        Raises:
          ValueError: If h has another shape or scale, or is not finite.
        """
        return self.quantize(*self.codewords(h))

    def symbols_in_turn(self, h: np.ndarray) -> np.ndarray:
        """Returns symbols int32 [n, num_symbols] as `symbols`, of all rates in turn."""
        rates = self.quantizer.num_rates
        rate = None if rates == 1 else np.arange(len(h)) % rates
        return self.quantize(*self.codewords(h), rate)[0]

    def codewords(
        self, h: np.ndarray, any_scale: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Runs the encoder.

        Args:
          h: complex64 [n, num_tx, num_delay], see `symbols`.
          any_scale: Whether CSI of any max |h| is taken as it is, such as noisy CSI.

        Returns:
          y float32 [n, latent]; gain uint16 [n, 1], the words that say what h was
          divided by, or [n, 0] if the codec does not send them.

        Raises:
          ValueError: As `symbols`.
        """
        x, gain = sending.network_input(h, self.shape, self.config.send_gain, any_scale)
        return self.analysis(x), gain

    def quantize(
        self, y: np.ndarray, gain: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns (symbols, side) of what `codewords` gave, at rates int [n]."""
        symbols, side = sending.quantize(y, self.quantizer, rate)
        return symbols, np.concatenate([gain, side], 1)

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
    ) -> list[bytes]:
        """Turns CSI into packets.

        A codec of one rate grants no wish. One of several (quantizer "uniform_rates")
        grants them as `rate_dial.send` says.

        Args:
          h: complex64 [n, num_tx, num_delay], see `symbols`.
          step: Mean step of the codeword; the nearest of `steps` is taken.
          nmse_db: Largest NMSE of a matrix [dB]; the decoder is run for it.
          max_bits: Most bits of a packet.

        Returns:
          n packets; 8 len(packet) counts every bit the BS needs.

        Raises:
          ValueError: As `symbols`, `contract.refuse_wishes` and `rate_dial.send`.
          RuntimeError: If the codec has no tables yet.
        """
        wishes = {"step": step, "nmse_db": nmse_db, "max_bits": max_bits}
        if self.steps is None:
            refuse_wishes(self.name, _REMEDIES, **wishes)
            return self.send(*self.symbols(h))
        y, gain = self.codewords(h)

        def packets_at(rows: np.ndarray, rate: int) -> list[bytes]:
            every = np.full(len(rows), rate)
            return self.send(*self.quantize(y[rows], gain[rows], every))

        def nmse_of(rows: np.ndarray, packets: Sequence[bytes]) -> np.ndarray:
            return np.asarray(metrics.nmse(h[rows], self.decompress(packets)))

        dial = rate_dial.Dial(len(h), self.steps, self.rate, packets_at, nmse_of)
        return dial.send(**wishes)

    def send(self, symbols: np.ndarray, side: np.ndarray) -> list[bytes]:
        """Writes packets of (symbols, side) as `symbols` gives them; see `compress`."""
        return sending.packets(symbols, side, *self._agreed())

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Turns packets into CSI.

        Args:
          packets: n packets that `compress` of this codec made, in any process.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].

        Raises:
          packets.PacketError: If a packet is damaged or foreign; it says which.
          RuntimeError: If the codec has no tables yet.
        """
        y_hat, gain = self.dequantize(*self.receive(packets))
        return self.synthesis(y_hat) * gain

    def dequantize(
        self, symbols: np.ndarray, side: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns codewords and scales of (symbols, side) as `receive` gives them.

        Returns:
          y_hat float32 [n, latent]; gain float32 [n, 1, 1], by which the CSI that the
          decoder makes is multiplied, 1 if the codec does not send it.

        Raises:
          packets.PacketError: If side information makes no sense.
        """
        words = int(self.config.send_gain)
        y_hat = self.quantizer.dequantize(symbols, side[:, words:])
        gain = (
            sending.word_to_gain(side[:, :1])
            if words
            else np.ones((len(side), 1), "f4")
        )
        return y_hat, gain[:, :, None]

    def synthesis(self, y_hat: np.ndarray) -> np.ndarray:
        """Runs the decoder.

        Args:
          y_hat: float32 [n, latent], received codewords.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].
        """
        return transforms.to_complex(self._synthesis(y_hat))

    def receive(self, packets: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Returns exactly the (symbols, side) sent; raises as `decompress`."""
        num_side = self.quantizer.num_side + int(self.config.send_gain)
        return sending.receive(packets, num_side, *self._agreed())

    def bits_estimated(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the bits [n] that the tables promise for symbols [n, latent]."""
        return any_tables.code_bits(symbols, self._agreed()[1])

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, sizes, config."""
        return {
            "codec": self.name,
            "ue_params": self.encoder.count_params(),
            "bs_params": self.decoder.count_params(),
            "config": self.config.to_dict(),
            **self.facts,
        }

    def save(self, workdir: str | os.PathLike) -> None:
        """Writes the config, weights and tables to a workdir, each file atomically."""
        arrays = arrays_of(self)
        arrays["facts"] = np.array(json.dumps(self.facts, allow_nan=False))
        arrays[VERSION_KEY] = np.array(self.packet_version)
        if self.tables is not None:
            arrays |= {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        save(workdir, self.config, arrays)

    def save_ue(self, path: str | os.PathLike, **encoders: bytes) -> None:
        """Writes what `tfcsi.ue.Ue` needs beside a `.tflite` encoder, atomically.

        Args:
          path: The `.npz` file to write, `sending.TABLES_FILE` in a workdir.
          **encoders: Name of the file of each exported encoder to its content.

        Raises:
          RuntimeError: If the codec has no tables yet.
        """
        sending.save_tables(
            path,
            *self._agreed(),
            self.config.quantizer,
            self.quantizer,
            self.config.send_gain,
            encoders,
        )


def load(workdir: str | os.PathLike) -> Codec:
    """Loads the codec of a workdir; `tfcsi.load` takes those of other kinds, too.

    Args:
      workdir: Folder that `Codec.save` wrote.

    Raises:
      FileNotFoundError: If the folder holds no codec. The message says what is missing.
      ValueError: If the files do not fit together.
    """
    workdir = pathlib.Path(workdir)
    config = load_config(workdir)
    if KINDS.get(config.get("model"), __name__) != __name__:
        raise ValueError(
            f"{workdir} holds the codec {config.model!r}, which has no network; give "
            f"the run of a network"
        )
    path, arrays = workdir / CODEC_FILE, read_arrays(workdir)
    learned = (name for name in arrays if "/" in name)
    if bad := [name for name in learned if not _finite(arrays[name])]:
        raise ValueError(f"{path} is damaged: {bad[0]} is not finite")
    schema.check_file(config, workdir / CONFIG_FILE)
    try:
        codec = Codec(config)
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as e:
        raise ValueError(f"{workdir / CONFIG_FILE} is damaged: {e}") from e
    try:
        assign(codec, arrays)
        codec.facts = dict(json.loads(str(arrays["facts"])))
        codec.packet_version = packet_version(arrays, path)
        codec.names_domain = DOMAIN_KEY in arrays
        if tables := files.part(arrays, "tables"):
            codec.use(any_tables.from_arrays(tables))
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{path} does not fit {CONFIG_FILE}: {error}") from error
    return codec


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())

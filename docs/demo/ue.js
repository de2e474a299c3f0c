// The UE beside its network, as tfcsi/ue.py: its file of tables, CSI to the network's
// input, codeword to packet. No DOM, no libraries.

import { makePacket, round, tablesOf } from "./packet.js";
import { pathInput, pathPacket, readPathTables } from "./paths.js";
import { readTokenTables, tokenInput, tokenPacket } from "./tokens.js";

const VERSIONS = [1, 2];
const PEAK = 0.5; // max |h| of the CSI that networks are trained on.
const PEAK_TOLERANCE = 0.05;
const LARGEST_SYMBOL = 2 ** 31 - 2 ** 7;

// What tables.npz says, from its arrays as readNpz gives them.
export function readTables(arrays) {
  const version = Number(arrays.format?.data[0]);
  if (!VERSIONS.includes(version)) {
    throw new Error("not a UE's tables.npz, as tfcsi export writes it");
  }
  if (arrays.codec === "paths") return readPathTables(arrays);
  if (arrays.codec === "learned") return readTokenTables(arrays);
  if (arrays["tables/kind"]) {
    throw new Error(
      `tables of the kind "${arrays["tables/kind"]}" (priors with hyper-latents or ` +
        "contexts), which this page does not write; use python -m tfcsi.ue",
    );
  }
  const numbers = (name) => Array.from(arrays[name].data);
  const quantizer = { name: arrays.quantizer };
  for (const name of ["step", "offset", "latent_dim", "bits", "mu"]) {
    const array = arrays[`quantizer/${name}`];
    if (array) quantizer[name] = array.shape.length ? array.data : array.data[0];
  }
  const latentDim = quantizer.latent_dim ?? quantizer.step.length;
  return {
    version,
    codec: arrays.codec,
    shape: numbers("shape"),
    fingerprint: numbers("fingerprint"),
    sendGain: Boolean(arrays.send_gain.data[0]),
    quantizer,
    latentDim,
    numSide: { uniform: 0, mulaw: 2, float: 2 * latentDim }[quantizer.name],
    tables: tablesOf(arrays, "tables/"),
  };
}

// {x, gain}: the network's input of CSI h (re, im in turn) and the words of its scale.
// Of the codecs `paths` and `learned`, the word is the number of the norm.
export function networkInput(h, ue) {
  if (ue.sets || ue.contexts) {
    const { x, norm } = (ue.sets ? pathInput : tokenInput)(h, ue);
    return { x, gain: [norm] };
  }
  const [numTx, numDelay] = ue.shape;
  if (h.length !== 2 * numTx * numDelay) {
    throw new Error(
      `the matrix has ${h.length / 2} entries, not ${numTx} x ${numDelay}`,
    );
  }
  const x = Float32Array.from(h);
  let peak = 0;
  for (let i = 0; i < x.length; i += 2) {
    peak = Math.max(peak, Math.fround(Math.hypot(x[i], x[i + 1])));
  }
  if (!Number.isFinite(peak)) throw new Error("the matrix holds NaN or infinity");
  if (ue.sendGain) {
    const octaves = Math.log2(Math.max(peak, 2 ** -127));
    const word = Math.min(Math.max(round(256 * (octaves + 128)), 0), 65535);
    const inverse = Math.fround(1 / Math.fround(2 ** (word / 256 - 128) / PEAK));
    return { x: x.map((value) => value * inverse), gain: [word] }; // As NumPy divides.
  }
  if (Math.abs(peak - PEAK) > PEAK_TOLERANCE) {
    throw new Error(`the matrix has max |h| = ${peak.toPrecision(3)}, not ${PEAK}`);
  }
  return { x, gain: [] };
}

// {symbols, side, packet} of what the network put out: a float32 codeword; or int32,
// the symbols and, behind them, the words of side information, or a list of paths.
export function encodeOutput(y, gain, ue) {
  if (ue.sets) {
    const symbols = Array.from(y);
    const rows = symbols.flatMap((_, i) => (i % 4 ? [] : [symbols.slice(i, i + 4)]));
    return { symbols, side: [], packet: pathPacket(rows, ue.step, gain[0], ue) };
  }
  if (ue.contexts) return tokenPacket(y, gain[0], ue);
  const ready = y instanceof Int32Array;
  const numSymbols = ue.tables.index.length;
  const expected = ready ? numSymbols + ue.numSide : ue.latentDim;
  if (y.length !== expected) {
    throw new Error(
      `the encoder gives ${y.length} numbers, the tables are for ${expected}`,
    );
  }
  const { symbols, side } = ready
    ? {
        symbols: Array.from(y.slice(0, numSymbols)),
        side: Array.from(y.slice(numSymbols)),
      }
    : GRIDS[ue.quantizer.name](y, ue.quantizer);
  const words = [...gain, ...side];
  return {
    symbols,
    side: words,
    packet: makePacket(symbols, words, ue),
  };
}

// Codeword to {symbols, side} in float32, as tfcsi/coding/grids.py.
const f = Math.fround;
const GRIDS = {
  uniform(y, { step, offset }) {
    const limit = (s) => Math.min(Math.max(s, -LARGEST_SYMBOL), LARGEST_SYMBOL);
    const symbols = Array.from(y, (v, i) =>
      limit(round(f(f(v / step[i]) - (offset ? offset[i] : 0)))),
    );
    return { symbols, side: [] };
  },
  mulaw(y, { bits, mu }) {
    const clipped = y.map((v) => Math.min(Math.max(v, -6e4), 6e4));
    const low = half(Math.min(...clipped));
    const apart = Math.max(f(Math.abs(low) * 2 ** -9), 2 ** -10);
    const high = half(Math.max(Math.max(...clipped), f(low + apart)));
    const scale = f(Math.log1p(mu));
    const symbols = Array.from(y, (v) => {
      const s = f(f(f(2 * f(v - low)) / f(high - low)) - 1);
      const size = Math.min(Math.abs(s), 1);
      const companded = Math.sign(s) * f(f(Math.log1p(f(mu * size))) / scale);
      return round(f(f(companded + 1) * f((2 ** bits - 1) / 2)));
    });
    return { symbols, side: [low, high].map(halfBits) };
  },
  float(y) {
    const view = new DataView(new ArrayBuffer(4));
    const words = (v) => {
      view.setFloat32(0, v);
      return [view.getUint16(0), view.getUint16(2)];
    };
    return { symbols: [], side: Array.from(y).flatMap(words) };
  },
};

// The nearest float16 of |v| < 65520.
function half(v) {
  const exponent = v ? Math.max(Math.floor(Math.log2(Math.abs(v))), -14) : -14;
  const unit = 2 ** (exponent - 10);
  return round(v / unit) * unit;
}

function halfBits(v) {
  const size = Math.abs(v);
  const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

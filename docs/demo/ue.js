// What stands beside the networks, as tfcsi/ue.py: the file of tables, CSI to the input of
// the encoder, its output to a packet, symbols to the input of the decoder. No DOM, no
// libraries.

import { checkMatrix, DOMAINS } from "./domains.js";
import { sorted } from "./lattice.js";
import { float16 } from "./npy.js";
import { KIND, NetworkTables } from "./network_tables.js";
import { round, tablesOf } from "./packet.js";
import { codePaths, pathInput, readPathTables } from "./paths.js";
import { meanSteps, refuseWishes, sendAtRate } from "./rates.js";
import { makePacket, sizesOf } from "./sending.js";
import { readTokenTables, tokenInput, tokenPacket } from "./tokens.js";

const VERSIONS = [1, 2];
const PEAK = 0.5; // max |h| of the CSI that networks are trained on.
const PEAK_TOLERANCE = 0.05;
const LARGEST_SYMBOL = 2 ** 31 - 2 ** 7;

// What tables.npz says, from its arrays as readNpz gives them.
export function readTables(arrays) {
  const version = Number(arrays.format?.data[0]);
  if (!VERSIONS.includes(version)) {
    throw new Error("This is no tables.npz of tfcsi export. Choose one that it wrote.");
  }
  const digests = Object.entries(arrays).filter(([name]) => name.startsWith("encoders/"));
  const encoders = digests.map(([, { data }]) => data);
  if (arrays.codec === "paths") return { ...readPathTables(arrays), encoders };
  if (arrays.codec === "learned") return { ...readTokenTables(arrays), encoders };
  const numbers = (name) => Array.from(arrays[name].data);
  const quantizer = quantizerOf(arrays);
  const { name, latentDim } = quantizer;
  const tables = symbolTables(arrays, version);
  const numSymbols = { float: 0, uniform_rates: latentDim + 1 }[name] ?? latentDim;
  if ((tables.numPositions ?? tables.index.length) !== numSymbols) {
    throw new Error("its tables and its quantiser differ in length");
  }
  return {
    version,
    codec: arrays.codec,
    domain: arrays.codec.split("@")[1] ?? DOMAINS[0], // The name tells the other one.
    shape: numbers("shape"),
    fingerprint: numbers("fingerprint"),
    encoders,
    sendGain: Boolean(arrays.send_gain.data[0]),
    quantizer,
    latentDim,
    numSymbols,
    numSide: { mulaw: 2, float: 2 * latentDim }[name] ?? 0,
    tables,
  };
}

// The quantiser of a codeword: its name, its arguments, and the length of the codeword.
function quantizerOf(arrays) {
  const quantizer = { name: arrays.quantizer };
  if (!(quantizer.name in GRIDS)) {
    throw new Error(`This page does not know the quantiser "${quantizer.name}".`);
  }
  for (const name of ["step", "offset", "latent_dim", "bits", "mu", "steps", "rate"]) {
    const array = arrays[`quantizer/${name}`];
    if (array) quantizer[name] = array.shape.length ? array.data : array.data[0];
  }
  const { latent_dim: given, step } = quantizer;
  const latentDim = given ?? step?.length ?? arrays["quantizer/steps"].shape[1];
  if (quantizer.steps) quantizer.meanSteps = meanSteps(quantizer.steps, latentDim);
  return { ...quantizer, latentDim };
}

// Tables of either kind, as tfcsi/coding/any_tables.py.
function symbolTables(arrays, version) {
  const kind = arrays["tables/kind"];
  if (!kind) return tablesOf(arrays, "tables/");
  if (kind !== KIND) {
    throw new Error(`Tables are of the kind "${kind}", which this page does not know.`);
  }
  if (version === 1) {
    throw new Error("Packets of version 1 have a table for each position.");
  }
  return new NetworkTables(arrays, "tables/");
}

// {x, gain, scale}: the network's input of CSI h (re, im in turn), the words that state its
// scale, and what the output of the decoder is multiplied by. Of the codecs `paths` and
// `learned`, the word is the number of the norm. A codec that sends no scale takes
// max |h| = 0.5; another matrix is scaled to it, as by `tfcsi compress --scale`.
export function networkInput(h, ue) {
  if (ue.sets || ue.contexts) {
    const { x, norm } = (ue.sets ? pathInput : tokenInput)(h, ue);
    return { x, gain: [norm] };
  }
  checkMatrix(h, ue.shape);
  const x = Float32Array.from(h);
  let peak = 0;
  for (let i = 0; i < x.length; i += 2) {
    peak = Math.max(peak, f(Math.hypot(x[i], x[i + 1])));
  }
  const times = (scale) => x.map((value) => value * f(1 / scale)); // As NumPy divides.
  if (ue.sendGain) {
    const octaves = Math.log2(Math.max(peak, 2 ** -127));
    const word = Math.min(Math.max(round(256 * (octaves + 128)), 0), 65535);
    const scale = f(2 ** (word / 256 - 128) / PEAK);
    return { x: times(scale), gain: [word], scale };
  }
  if (Math.abs(peak - PEAK) <= PEAK_TOLERANCE) return { x, gain: [], scale: 1 };
  if (!peak) throw new Error("The matrix is zero, and this codec sends no scale.");
  const scale = f(peak / PEAK);
  return { x: times(scale), gain: [], scale };
}

// {symbols, side, packet, parts} of what the network put out: a float32 codeword; or int32,
// the symbols and, behind them, the words of side information, or a list of paths. Parts
// [what, bits] say what the bits carry, in order. A codec of several rates grants the
// wishes `step` and `maxBits`.
export function encodeOutput(y, gain, ue, wishes = {}) {
  const { meanSteps: steps, rate: usual } = ue.quantizer ?? {};
  if (steps?.length > 1) {
    return sendAtRate((rate) => sentAt(y, gain, ue, rate), { steps, usual }, wishes);
  }
  refuseWishes(wishes);
  if (ue.sets) {
    const symbols = Array.from(y);
    const rows = symbols.flatMap((_, i) => (i % 4 ? [] : [symbols.slice(i, i + 4)]));
    return { symbols, side: [], ...codePaths(sorted(rows), ue.step, gain[0], ue) };
  }
  if (ue.contexts) {
    return { ...tokenPacket(y, gain[0], ue), parts: [["coded CSI", Infinity]] };
  }
  return sentAt(y, gain, ue, usual);
}

// What is sent of the output of a neural encoder at a rate.
function sentAt(y, gain, ue, rate) {
  const ready = y instanceof Int32Array;
  const { numSymbols, tables } = ue;
  const expected = ready ? numSymbols + ue.numSide : ue.latentDim;
  if (y.length !== expected) {
    throw new Error(
      `The encoder gives ${y.length} numbers, and the tables are for ${expected}. Choose ` +
        "an encoder and a tables.npz of one export.",
    );
  }
  const { symbols, side } = ready
    ? {
        symbols: Array.from(y.slice(0, numSymbols)),
        side: Array.from(y.slice(numSymbols)),
      }
    : GRIDS[ue.quantizer.name].quantize(y, ue.quantizer, rate);
  const words = [...gain, ...side];
  const sent = tables instanceof NetworkTables ? tables.sent(symbols) : symbols;
  const { before, each } = sizesOf(sent, tables);
  const kinds = ["symbols that are not zero", "symbols that are zero"];
  return {
    symbols: sent,
    side: words,
    packet: makePacket(sent, words, ue),
    parts: [
      ["side information", 16 * words.length + before],
      ...sent.map((symbol, i) => [kinds[Number(symbol === 0)], each[i]]),
    ],
  };
}

// The decoder's input, a float32 codeword, of symbols and words of side information.
export function decoderInput(symbols, side, ue) {
  const words = side.slice(side.length - ue.numSide);
  return GRIDS[ue.quantizer.name].dequantize(symbols, words, ue.quantizer);
}

// Codeword to {symbols, side} and back in float32, as tfcsi/coding/grids.py.
const f = Math.fround;
const limit = (symbol) => Math.min(Math.max(symbol, -LARGEST_SYMBOL), LARGEST_SYMBOL);
const GRIDS = {
  uniform: {
    quantize(y, { step, offset }) {
      const symbols = Array.from(y, (v, i) =>
        limit(round(f(f(v / step[i]) - (offset ? offset[i] : 0)))),
      );
      return { symbols, side: [] };
    },
    dequantize(symbols, side, { step, offset }) {
      return Float32Array.from(symbols, (s, i) => f(s + (offset ? offset[i] : 0)) * step[i]);
    },
  },
  uniform_rates: {
    quantize(y, { steps, latentDim }, rate) {
      const first = rate * latentDim;
      const symbols = Array.from(y, (v, i) => limit(round(f(v / steps[first + i]))));
      return { symbols: [rate, ...symbols], side: [] };
    },
    dequantize([rate, ...symbols], side, { steps, latentDim, meanSteps: { length } }) {
      if (rate < 0 || rate >= length) {
        throw new Error(`rate ${rate} is none of the ${length} rates`);
      }
      return Float32Array.from(symbols, (s, i) => f(s) * steps[rate * latentDim + i]);
    },
  },
  mulaw: {
    quantize(y, { bits, mu }) {
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
    dequantize(symbols, side, { bits, mu }) {
      const [low, high] = side.map(float16);
      return Float32Array.from(symbols, (symbol) => {
        const s = (2 * symbol) / (2 ** bits - 1) - 1;
        const expanded = (Math.sign(s) * Math.expm1(Math.abs(s) * Math.log1p(mu))) / mu;
        return low + ((expanded + 1) * (high - low)) / 2;
      });
    },
  },
  float: {
    quantize(y) {
      const view = new DataView(new ArrayBuffer(4));
      const words = (v) => {
        view.setFloat32(0, v);
        return [view.getUint16(0), view.getUint16(2)];
      };
      return { symbols: [], side: Array.from(y).flatMap(words) };
    },
    dequantize(symbols, side) {
      const view = new DataView(new ArrayBuffer(2 * side.length));
      side.forEach((word, i) => view.setUint16(2 * i, word));
      return Float32Array.from({ length: side.length / 2 }, (_, i) => view.getFloat32(4 * i));
    },
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

// The codec `learned`: what its encoder puts out to a packet, as
// tfcsi/coding/token_sending.py and token_contexts.py. No DOM, no libraries.
//
// The tables of the symbols are picked by a network of integers, see integers.js.

import { checkMatrix } from "./domains.js";
import { activation, companded, lawOf, products } from "./integers.js";
import { bitPacket, codeSymbol, IntervalEncoder, round, tablesOf } from "./packet.js";

const PRECISION = 16; // Binary digits of all probabilities.
const RATE_DIGITS = 7; // Bits of a rate that is not the usual one.
const NORM = 32; // Norm of the matrices that the network sees.
const OCTAVE = 8; // Values of the norm in an octave.
const LARGEST_NORM = 64 * OCTAVE;
const REACH = 2; // Tokens around one that its context reads, on each side.

// What tables.npz says of a codec `learned`, from its arrays as readNpz gives them.
export function readTokenTables(arrays) {
  if (arrays.domain !== "angular_delay") {
    throw new Error(
      `the codec takes CSI of the domain ${arrays.domain}, and this page angular_delay ` +
        "alone; use python -m tfcsi.ue",
    );
  }
  const numbers = (name) => Array.from(arrays[name].data);
  const rates = arrays.gain.shape[0];
  const rate = arrays.rate.data[0];
  const parts = new Array(rates).fill(2 ** (PRECISION - RATE_DIGITS));
  parts[rate] += 2 ** PRECISION - parts.reduce((sum, part) => sum + part, 0);
  const rateEnds = [0];
  for (const part of parts) rateEnds.push(rateEnds.at(-1) + part);
  return {
    version: Number(arrays.format.data[0]),
    codec: arrays.codec,
    domain: arrays.domain,
    shape: numbers("shape"),
    fingerprint: numbers("fingerprint"),
    rate,
    rateEnds,
    gain: arrays.gain,
    norms: tablesOf(arrays, "norms/"),
    laws: tablesOf(arrays, "tables/"),
    contexts: Object.fromEntries(
      ["w1", "b1", "r1", "w2", "b2", "w3", "b3"].map((name) => [
        name,
        arrays[`contexts/${name}`],
      ]),
    ),
  };
}

// {x, norm}: the network's input of CSI h (re, im in turn), and the number of the norm by
// which it was divided.
export function tokenInput(h, ue) {
  checkMatrix(h, ue.shape);
  const length = Math.sqrt(h.reduce((sum, part) => sum + part * part, 0));
  const norm = length ? round(OCTAVE * Math.log2(length)) : 0;
  if (Math.abs(norm) > LARGEST_NORM) {
    throw new Error(`the matrix has norm ${length}, which no packet states`);
  }
  const factor = NORM / 2 ** (norm / OCTAVE);
  return { x: Float32Array.from(h, (part) => part * factor), norm };
}

// {symbols, side, packet} of the float32 numbers that the network put out.
export function tokenPacket(y, norm, ue) {
  const channels = ue.gain.shape[1];
  const [angles, delays] = ue.contexts.b1.shape.slice(2);
  if (y.length !== angles * delays * channels) {
    throw new Error(
      `the encoder gives ${y.length} numbers, the tables are for ` +
        `${angles * delays * channels}`,
    );
  }
  const gain = ue.gain.data.slice(ue.rate * channels, (ue.rate + 1) * channels);
  const symbols = Array.from(y, (v, i) =>
    round(Math.fround(v * gain[i % channels])),
  );
  const coder = new IntervalEncoder();
  coder.narrow(ue.rateEnds[ue.rate], ue.rateEnds[ue.rate + 1], PRECISION);
  codeSymbol(coder, norm, ue.norms, 0);
  for (const { at, table, shift } of picked(symbols, ue)) {
    codeSymbol(coder, symbols[at] - shift, ue.laws, table);
  }
  return { symbols, side: [], packet: bitPacket(coder.finish(), ue) };
}

// Place of each symbol in the order of the packet, its table, and what is taken from it.
function* picked(symbols, { contexts, rate }) {
  const { w1, b1, r1, w2, b2, w3, b3 } = contexts;
  const [passes, hidden, angles, delays] = b1.shape;
  const channels = w1.shape[2] / 2;
  const size = (2 * channels) / passes; // Channels of a group.
  const state = new Int32Array(angles * delays * 2 * channels); // What is sent.
  for (let p = 0; p < passes; p++) {
    const places = Array.from({ length: angles * delays }, (_, i) => i).filter(
      (i) => (Math.floor(i / delays) + (i % delays)) % 2 === p % 2,
    );
    const first = Math.floor(p / 2) * size;
    for (const place of places) {
      const near = (k) => {
        const start = (rate * passes + p) * hidden + k;
        const bias = b1.data[(p * hidden + k) * angles * delays + place];
        return r1.data[start] + bias + around(state, w1, p * hidden + k, place, b1.shape);
      };
      const one = Array.from({ length: hidden }, (_, k) => activation(near(k)));
      const two = layer(one, w2, b2, p).map(activation);
      const out = layer(two, w3, b3, p);
      for (let k = 0; k < size; k++) {
        const at = place * channels + first + k;
        yield { at, ...lawOf(out[k], out[size + k]) };
      }
    }
    for (const place of places) {
      for (let k = first; k < first + size; k++) {
        const small = companded(symbols[place * channels + k]);
        state[place * 2 * channels + k] = small;
        state[place * 2 * channels + channels + k] = Math.abs(small);
      }
    }
  }
}

// The sum of the weights of one unit times what is sent around a token. Angles go round.
function around(state, w1, unit, place, [, , angles, delays]) {
  const inputs = w1.shape[2];
  const side = w1.shape[3];
  const [angle, delay] = [Math.floor(place / delays), place % delays];
  let sum = 0;
  for (let a = 0; a < side; a++) {
    const row = (angle + a - REACH + angles) % angles;
    for (let d = 0; d < side; d++) {
      const column = delay + d - REACH;
      if (column < 0 || column >= delays) continue;
      const token = (row * delays + column) * inputs;
      for (let c = 0; c < inputs; c++) {
        const value = state[token + c];
        if (value) sum += value * w1.data[((unit * inputs + c) * side + a) * side + d];
      }
    }
  }
  return sum;
}

function layer(inputs, { shape, data }, bias, p) {
  const [, outputs, width] = shape;
  return Array.from({ length: outputs }, (_, k) => {
    const unit = p * outputs + k;
    return products(inputs, data, unit * width, 1) + bias.data[unit];
  });
}

// Tables that integer networks pick, as tfcsi/coding/network_tables.py: hyper-latents, and
// contexts within a codeword. No DOM, no libraries.

import {
  activation,
  clipped,
  companded,
  FRACTIONS,
  lawOf,
  products,
  SCALES,
} from "./integers.js";
import { NEVER_WRITTEN } from "./interval_reader.js";
import { codeSymbol, IntervalEncoder, rangeBits, tablesOf } from "./packet.js";

export const KIND = "network";
const LARGEST = 2 ** 17; // Magnitude of a symbol; larger ones are sent as this.
const LARGEST_HYPER = 127;
const FARTHEST = 2 ** 12; // Largest magnitude of a mean.
const BIAS = 1024; // Parts of 1 that a sum counts.
const ESCAPE_DIGITS = 20; // Of a number behind an escape.

export class NetworkTables {
  coder = "range";

  // Takes the arrays whose names begin with `prefix`, as readNpz gives them.
  constructor(arrays, prefix) {
    const order = Array.from(arrays[`${prefix}order`].data);
    const passes = Math.max(...order) + 1;
    this.numPositions = order.length;
    this.at = Array.from({ length: passes }, (_, p) =>
      order.flatMap((its, position) => (its === p ? [position] : [])),
    );
    this.center = arrays[`${prefix}center`].data[0];
    this.hyper = tablesOf(arrays, `${prefix}hyper/`);
    this.laws = tablesOf(arrays, `${prefix}laws/`);
    const network = (name) => networkOf(arrays, `${prefix}${name}/`);
    this.analysis = `${prefix}analysis/w0` in arrays ? network("analysis") : null;
    this.networks = this.at.map((_, p) => network(`pass${p}`));
    this.checkSides();
  }

  checkSides() {
    if (this.laws.cdf.length !== SCALES * FRACTIONS || this.hyper.coder !== "range") {
      throw new Error(`laws must be ${SCALES * FRACTIONS} tables of a range coder`);
    }
    const size = this.hyper.index.length;
    const sides = size ? [[2 * this.numPositions, size]] : [];
    let before = 0;
    for (const { length } of this.at) {
      sides.push([size + 2 * before, 2 * length]);
      before += length;
    }
    const every = this.analysis ? [this.analysis, ...this.networks] : this.networks;
    const found = every.map((layers) => [layers[0].inputs, layers.at(-1).biases.length]);
    if (before !== this.numPositions || String(found) !== String(sides)) {
      throw new Error(`networks have sides ${found}, expected ${sides}`);
    }
  }

  // Goes through the passes in their order, and returns the symbols. `send` takes the row
  // of the laws, the shift and the position of a symbol, and returns the symbol: the
  // encoder knows it, the decoder reads it.
  code(hyper, send) {
    const symbols = new Array(this.numPositions);
    const known = hyper.map(companded);
    const sizes = [];
    this.at.forEach((positions, p) => {
      const out = run(this.networks[p], [...known, ...sizes]);
      positions.forEach((position, k) => {
        const { table, shift } = lawOf(out[k], out[positions.length + k], FARTHEST);
        symbols[position] = send(table, shift + this.center, position);
      });
      for (const position of positions) {
        const small = companded(symbols[position] - this.center);
        known.push(small);
        sizes.push(Math.abs(small));
      }
    });
    return symbols;
  }

  // The hyper-latents of symbols.
  hyperOf(symbols) {
    if (!this.analysis) return [];
    const small = symbols.map((symbol) => companded(symbol - this.center));
    const out = run(this.analysis, [...small, ...small.map(Math.abs)]);
    const whole = (sum) => Math.floor((sum + BIAS / 2) / BIAS);
    return out.map((sum) => clipped(whole(sum), -LARGEST_HYPER, LARGEST_HYPER));
  }

  // Symbols as they are sent.
  sent(symbols) {
    if (symbols.length !== this.numPositions) {
      throw new Error(`${symbols.length} symbols, the tables code ${this.numPositions}`);
    }
    return symbols.map((symbol) => clipped(symbol, -LARGEST, LARGEST));
  }

  // Calls `use` with number, tables and row of each hyper-latent and, behind them, of each
  // symbol with its position.
  each(symbols, use) {
    const sent = this.sent(symbols);
    const hyper = this.hyperOf(sent);
    hyper.forEach((number, i) => use(number, this.hyper, this.hyper.index[i]));
    this.code(hyper, (table, shift, position) => {
      use(sent[position] - shift, this.laws, table, position);
      return sent[position];
    });
  }

  encodeBits(symbols) {
    const coder = new IntervalEncoder();
    this.each(symbols, (number, tables, t) => codeSymbol(coder, number, tables, t));
    return coder.finish();
  }

  // Ideal sizes [bits]: those of all hyper-latents together, and those of the symbols.
  symbolBits(symbols) {
    let before = 0;
    const each = new Array(this.numPositions);
    this.each(symbols, (number, tables, t, position) => {
      const size = rangeBits(number, tables, t);
      if (position === undefined) before += size;
      else each[position] = size;
    });
    return { before, each };
  }

  // The symbols that an IntervalReader reads. Bits that no encoder writes are refused.
  decode(reader) {
    const read = (tables, t) => reader.symbol(tables, t, ESCAPE_DIGITS);
    const hyper = this.hyper.index.map((t) => read(this.hyper, t));
    const symbols = this.code(hyper, (table, shift) => read(this.laws, table) + shift);
    const beyond = (numbers, limit) => numbers.some((number) => Math.abs(number) > limit);
    if (beyond(hyper, LARGEST_HYPER) || beyond(symbols, LARGEST)) {
      throw new Error(NEVER_WRITTEN);
    }
    return symbols;
  }
}

// The layers of a network of integers: weights [inputs, outputs] and biases [outputs].
function networkOf(arrays, prefix) {
  const layers = [];
  for (let i = 0; `${prefix}w${i}` in arrays; i++) {
    const [w, b] = [arrays[`${prefix}w${i}`], arrays[`${prefix}b${i}`]];
    const within = ({ data }, limit) =>
      data.every((v) => Number.isInteger(v) && v >= -limit && v < limit);
    const fits = w.shape.length === 2 && String(b?.shape) === String(w.shape[1]);
    if (!fits || !within(w, 2 ** 7) || !within(b, 2 ** 31)) {
      throw new Error("a layer needs int8 [inputs, outputs], int32 [outputs]");
    }
    const [weights, biases] = [Int8Array.from(w.data), Int32Array.from(b.data)];
    if (i && layers[i - 1].biases.length !== w.shape[0]) {
      throw new Error("a layer has other outputs than the next has inputs");
    }
    layers.push({ inputs: w.shape[0], weights, biases });
  }
  if (!layers.length) throw new Error(`tables lack '${prefix}w0'`);
  return layers;
}

// What a network makes of numbers: sums in 1024ths.
function run(layers, numbers) {
  let x = numbers;
  layers.forEach(({ weights, biases }, i) => {
    if (i) x = x.map(activation);
    const sum = (bias, k) => bias + products(x, weights, k, biases.length);
    x = Array.from(biases, sum);
  });
  return x;
}

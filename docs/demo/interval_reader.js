// Bits to symbols, the inverse of IntervalEncoder, as tfcsi/coding/intervals.py. No DOM, no
// libraries. No product exceeds 2^53, so that plain JavaScript numbers are exact.

const PRECISION = 16;
const WINDOW = 28; // 2^27 < size <= 2^28 before each symbol.
export const NEVER_WRITTEN = "the encoder would not have written these bits";

export class IntervalReader {
  size = 2 ** WINDOW;
  at = 0; // Number of bits that were read; zeros follow the last one.

  constructor(bits) {
    this.bits = bits;
    this.value = 0; // The number that was read, minus the low end of the interval.
    for (let k = 0; k < WINDOW; k++) this.more();
  }

  // The position in [0, 2^precision) at which the next symbol lies.
  target(precision) {
    return Math.floor(((this.value + 1) * 2 ** precision - 1) / this.size);
  }

  // Goes on behind a symbol, whose part is [lower, upper).
  narrow(lower, upper, precision) {
    const start = Math.floor((this.size * lower) / 2 ** precision);
    this.size = Math.floor((this.size * upper) / 2 ** precision) - start;
    this.value -= start;
    for (; this.size <= 2 ** (WINDOW - 1); this.size *= 2) this.more();
  }

  more() {
    this.value = 2 * this.value + (this.bits[this.at++] ?? 0);
  }

  bit() {
    const bit = this.target(1);
    this.narrow(bit, bit + 1, 1);
    return bit;
  }

  // A symbol that was coded with table t. The number behind an escape has at most
  // `digits` binary digits, its sign left out.
  symbol({ cdf, offset }, t, digits) {
    const row = cdf[t];
    const position = this.target(PRECISION);
    let k = 0;
    while (row[k + 1] <= position) k++;
    this.narrow(row[k], row[k + 1], PRECISION);
    const regular = row.length - 2;
    if (k < regular) return offset[t] + k;
    const [gamma, below] = this.escape(digits);
    return offset[t] + (below ? -gamma : regular + gamma - 1);
  }

  // Elias' gamma code and a sign.
  escape(most) {
    let digits = 1;
    for (; !this.bit(); digits++) if (digits === most) throw new Error(NEVER_WRITTEN);
    let gamma = 1;
    for (let k = 1; k < digits; k++) gamma = 2 * gamma + this.bit();
    return [gamma, this.bit()];
  }

  // Bits of the payload, if the last symbol was its last.
  numBits() {
    const mask = 2 ** WINDOW - 1;
    let number = 0;
    for (let i = this.at - WINDOW; i < this.at; i++) number = 2 * number + (this.bits[i] ?? 0);
    const low = (number - this.value) & mask; // As the encoder has it.
    for (const width of [28, 27, 26]) {
      const block = Math.ceil(low / 2 ** width);
      if ((block + 1) * 2 ** width > low + this.size) continue;
      if (block !== Math.floor((low + this.value) / 2 ** width)) break;
      return this.at - width;
    }
    throw new Error(NEVER_WRITTEN);
  }
}

// Symbols to packets, as docs/bitstream.md describes them. No DOM, no libraries.
//
// Tables are {cdf, offset, index, coder}: cdf holds a row of numbers 0 ... 65536 for
// each table, the last interval of a row being the escape; position i of a codeword is
// coded with table index[i]; coder is "range" or "huffman".
// Numbers stay below 2^53, so that plain JavaScript numbers are exact.

const PRECISION = 16;
export const CRC_BITS = 11;
const HEADER_BYTES = 3; // Of a packet of version 1.
export const MAX_PAYLOAD = 2 ** 13 - 1;
const MAGIC = new TextEncoder().encode("TCSI");
const END_MAGIC = new TextEncoder().encode("TCSE");
const STRIDE = 64; // Packets from one entry of the index of a file to the next.

// A packet of version 2 with the bits of its payload.
export function bitPacket(bits, ue) {
  const payload = [...bits];
  checkSize(Math.ceil(payload.length / 8));
  while ((CRC_BITS + payload.length) % 8) payload.push(0);
  const check = crcOfBits([...bitsOf(ue.fingerprint), ...payload]);
  const head = [...Array(CRC_BITS).keys()].map((k) => (check >> (CRC_BITS - 1 - k)) & 1);
  return Uint8Array.from(bytesOf([...head, ...payload]));
}

// A packet of version 1, whose header holds the length of the payload.
export function bytePacket(payload, { fingerprint }) {
  checkSize(payload.length);
  const length = [payload.length >> 8, payload.length & 0xff];
  const check = crcOfBits(bitsOf([...fingerprint, ...length, ...payload]));
  const word = payload.length * 2 ** CRC_BITS + check;
  return Uint8Array.from([word >> 16, (word >> 8) & 0xff, word & 0xff, ...payload]);
}

function checkSize(bytes) {
  if (bytes > MAX_PAYLOAD) {
    throw new Error(`the payload has ${bytes} bytes, at most ${MAX_PAYLOAD} fit`);
  }
}

// A file of packets: session header; each packet behind its length; end mark, index and
// number of packets. A file of version 1 is a header and packets.
export function packetFile(ue, packets) {
  const file = [...sessionHeader(ue)];
  if (ue.version === 1) return Uint8Array.from([...file, ...packets.flatMap((p) => [...p])]);
  const index = [];
  packets.forEach((packet, i) => {
    if (i % STRIDE === 0) index.push(file.length);
    let size = packet.length;
    for (; size > 127; size = Math.floor(size / 128)) file.push((size % 128) + 128);
    file.push(size, ...packet);
  });
  const wide = (number) => [...word32(Math.floor(number / 2 ** 32)), ...word32(number)];
  const end = [0, ...index.flatMap(wide), ...wide(packets.length), ...wide(file.length)];
  end.push(...word32(crc32(file)));
  return Uint8Array.from([...file, ...end, ...word32(crc32(end)), ...END_MAGIC]);
}

// The header of a file of packets.
export function sessionHeader({ codec, shape, fingerprint, version }) {
  const name = new TextEncoder().encode(codec);
  const sides = shape.flatMap((side) => [side >> 8, side & 0xff]);
  const head = [...MAGIC, version, name.length, ...name, ...sides, ...fingerprint];
  return Uint8Array.from([...head, ...word32(crc32(head))]);
}

const word32 = (number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff);

// Bits of the check in front of a packet, with the length in version 1.
export function checkBits({ version }) {
  return version === 1 ? 8 * HEADER_BYTES : CRC_BITS;
}

// Ideal sizes of symbols [bits].
export function symbolBits(symbols, tables) {
  const codes = tables.coder === "huffman" ? tables.cdf.map(huffmanCodes) : null;
  return symbols.map((symbol, i) => {
    const t = tables.index[i];
    if (!codes) return rangeBits(symbol, tables, t);
    const [k, number] = split(symbol - tables.offset[t], tables.cdf[t].length - 2);
    return codes[t][k].length + digitsOf(number);
  });
}

// Ideal size of a symbol with table t of a range coder [bits].
export function rangeBits(symbol, tables, t) {
  const cdf = tables.cdf[t];
  const [k, number] = split(symbol - tables.offset[t], cdf.length - 2);
  return PRECISION - Math.log2(cdf[k + 1] - cdf[k]) + digitsOf(number);
}

// Coded symbols of version 1: bytes, without trailing zero bytes.
export function encode(symbols, tables) {
  const bytes = bytesOf(code(symbols, tables, new WordEncoder()));
  return bytes.slice(0, bytes.findLastIndex((byte) => byte) + 1);
}

// Coded symbols of version 2: bits, of which no others are the beginning.
export function encodeBits(symbols, tables) {
  return code(symbols, tables, new IntervalEncoder());
}

function code(symbols, tables, rangeEncoder) {
  if (symbols.length !== tables.index.length) {
    throw new Error(
      `${symbols.length} symbols, the tables code ${tables.index.length}`,
    );
  }
  const coder = tables.coder === "huffman" ? new HuffmanEncoder() : rangeEncoder;
  symbols.forEach((symbol, i) => {
    codeSymbol(coder, symbol, tables, tables.index[i]);
  });
  return coder.finish();
}

// Codes one symbol with table t.
export function codeSymbol(coder, symbol, tables, t) {
  const cdf = tables.cdf[t];
  const [interval, number] = split(symbol - tables.offset[t], cdf.length - 2);
  coder.interval(cdf, interval);
  const digits = digitsOf(number);
  for (let k = digits - 1; k >= 0; k--) coder.bit(Math.floor(number / 2 ** k) % 2);
}

// Tables of the arrays whose names begin with `prefix`, as readNpz gives them.
export function tablesOf(arrays, prefix) {
  const numbers = (name) => Array.from(arrays[prefix + name].data);
  const [cdf, width] = [arrays[`${prefix}cdf`], arrays[`${prefix}cdf`].shape[1]];
  return {
    cdf: numbers("length").map((size, t) =>
      Array.from(cdf.data.slice(t * width, t * width + size)),
    ),
    offset: numbers("offset"),
    index: numbers("index"),
    coder: arrays[`${prefix}coder`],
  };
}

// To the nearest integer, halves to the even one, as numpy.rint.
export function round(v) {
  const floor = Math.floor(v);
  const rest = v - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

// The interval of a symbol and the number 2 gamma + sign behind an escape, else 0.
function split(v, regular) {
  if (v < 0) return [regular, 2 * -v + 1];
  if (v >= regular) return [regular, 2 * (v - regular + 1)];
  return [v, 0];
}

// Binary digits of such a number as it is sent.
function digitsOf(number) {
  return number ? 2 * Math.floor(Math.log2(Math.floor(number / 2))) + 2 : 0;
}

// The interval [low, low + size), 2^27 < size <= 2^28; `bits` are those before low.
export class IntervalEncoder {
  size = 2 ** 28;
  low = 0;
  bits = [];

  interval(cdf, k) {
    this.narrow(cdf[k], cdf[k + 1], PRECISION);
  }

  bit(bit) {
    this.narrow(bit, bit + 1, 1);
  }

  narrow(lower, upper, precision) {
    const start = Math.floor((this.size * lower) / 2 ** precision);
    this.size = Math.floor((this.size * upper) / 2 ** precision) - start;
    this.low = this.carry(this.low + start, 2 ** 28);
    for (; this.size <= 2 ** 27; this.size *= 2) {
      this.bits.push(Math.floor(this.low / 2 ** 27));
      this.low = (this.low % 2 ** 27) * 2;
    }
  }

  // The shortest string whose continuations all lie inside.
  finish() {
    for (const width of [28, 27, 26]) {
      const block = Math.ceil(this.low / 2 ** width);
      if ((block + 1) * 2 ** width > this.low + this.size) continue;
      const rest = this.carry(block, 2 ** (28 - width));
      for (let k = 27 - width; k >= 0; k--) this.bits.push((rest >> k) & 1);
      return this.bits;
    }
  }

  // What is left of a number below 2 `unit`, 1 of which is added to the bits.
  carry(number, unit) {
    if (number < unit) return number;
    let i = this.bits.length - 1;
    while (this.bits[i]) this.bits[i--] = 0;
    this.bits[i] = 1;
    return number - unit;
  }
}

// That of version 1; low is a row of 16-bit words, carries not resolved.
class WordEncoder {
  size = 2 ** 32;
  low = [0, 0];

  interval(cdf, k) {
    this.narrow(cdf[k], cdf[k + 1], PRECISION);
  }

  bit(bit) {
    this.narrow(bit, bit + 1, 1);
  }

  narrow(lower, upper, precision) {
    const start = Math.floor((this.size * lower) / 2 ** precision);
    this.size = Math.floor((this.size * upper) / 2 ** precision) - start;
    this.low[this.low.length - 2] += Math.floor(start / 2 ** 16);
    this.low[this.low.length - 1] += start % 2 ** 16;
    if (this.size <= 2 ** 16) {
      this.size *= 2 ** 16;
      this.low.push(0);
    }
  }

  finish() {
    this.carry();
    const [high, last] = this.low.slice(-2);
    const window = high * 2 ** 16 + last;
    const end = window + this.size;
    const byte = Math.ceil(window / 2 ** 24) * 2 ** 24;
    const short = byte < end ? byte : Math.ceil(window / 2 ** 16) * 2 ** 16;
    const chosen = end > 2 ** 32 ? 2 ** 32 : short;
    this.low.splice(-2, 2, chosen / 2 ** 16, 0);
    this.carry();
    return bitsOf(this.low.flatMap((word) => [word >> 8, word & 0xff]));
  }

  carry() {
    for (let i = this.low.length - 1; i > 0; i--) {
      this.low[i - 1] += Math.floor(this.low[i] / 2 ** 16);
      this.low[i] %= 2 ** 16;
    }
  }
}

class HuffmanEncoder {
  bits = [];
  codes = new Map();

  interval(cdf, k) {
    if (!this.codes.has(cdf)) this.codes.set(cdf, huffmanCodes(cdf));
    this.bits.push(...this.codes.get(cdf)[k]);
  }

  bit(bit) {
    this.bits.push(bit);
  }

  finish() {
    return this.bits;
  }
}

// Bits of bytes, the most significant one first, and back; zeros fill the last byte.
export function bitsOf(bytes) {
  return Array.from(bytes).flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((k) => (byte >> k) & 1));
}

export function bytesOf(bits) {
  const bytes = new Array(Math.ceil(bits.length / 8)).fill(0);
  bits.forEach((bit, i) => (bytes[i >> 3] |= bit << (7 - (i & 7))));
  return bytes;
}

// Canonical Huffman codes of a table's intervals, each a row of bits.
function huffmanCodes(cdf) {
  const size = cdf.length - 1;
  const frequency = (k) => cdf[k + 1] - cdf[k];
  const leaves = [...Array(size).keys()].map((k) => ({
    weight: frequency(k),
    in: [k],
  }));
  leaves.sort((a, b) => a.weight - b.weight); // Stable: equal weights stay in order.
  const merged = []; // Weights rise, so that the lightest node is at one of two fronts.
  const lightest = () =>
    !merged.length || (leaves.length && leaves[0].weight <= merged[0].weight)
      ? leaves.shift()
      : merged.shift();
  const length = new Array(size).fill(0);
  while (leaves.length + merged.length > 1) {
    const [a, b] = [lightest(), lightest()];
    const node = { weight: a.weight + b.weight, in: [...a.in, ...b.in] };
    node.in.forEach((k) => length[k]++);
    merged.push(node);
  }
  const order = [...length.keys()].sort((a, b) => length[a] - length[b]);
  const codes = [];
  let [code, digits] = [-1, 0];
  for (const k of order) {
    code = (code + 1) * 2 ** (length[k] - digits);
    digits = length[k];
    codes[k] = [...Array(digits).keys()].map((i) => (code >> (digits - 1 - i)) & 1);
  }
  return codes;
}

// Check of 3GPP TS 38.212, section 5.1: D^11 + D^10 + D^9 + D^5 + 1, register zero.
export function crcOfBits(bits) {
  let crc = 0;
  for (const bit of bits) {
    const carry = (crc >> 10) ^ bit;
    crc = ((crc << 1) & 0x7ff) ^ (0x621 * carry);
  }
  return crc;
}

// Check of headers and files, the one of zlib, PNG and Ethernet.
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

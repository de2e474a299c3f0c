// Symbols to packets, as docs/bitstream.md describes them. No DOM, no libraries.
//
// Tables are {cdf, offset, index, coder}: cdf holds a row of numbers 0 ... 65536 for
// each table, the last interval of a row being the escape; position i of a codeword is
// coded with table index[i]; coder is "range" or "huffman".
// Numbers stay below 2^53, so that plain JavaScript numbers are exact.

const PRECISION = 16;
const HEADER_BYTES = 3;
const MAX_PAYLOAD = 2 ** 13 - 1;

// The bytes of one packet: header, side information, coded symbols.
export function makePacket(symbols, side, tables, fingerprint) {
  const words = side.flatMap((word) => [word >> 8, word & 0xff]);
  const payload = Uint8Array.from([...words, ...encode(symbols, tables)]);
  if (payload.length > MAX_PAYLOAD) {
    throw new Error(
      `the payload has ${payload.length} bytes, at most ${MAX_PAYLOAD} fit`,
    );
  }
  const length = [payload.length >> 8, payload.length & 0xff];
  const check = crc11([...fingerprint, ...length, ...payload]);
  const word = payload.length * 2 ** 11 + check;
  return Uint8Array.from([word >> 16, (word >> 8) & 0xff, word & 0xff, ...payload]);
}

// The header of a file of packets; packets follow it one after the other.
export function sessionHeader({ codec, shape, fingerprint }) {
  const name = new TextEncoder().encode(codec);
  const sides = shape.flatMap((side) => [side >> 8, side & 0xff]);
  const head = [
    0x54,
    0x43,
    0x53,
    0x49,
    1,
    name.length,
    ...name,
    ...sides,
    ...fingerprint,
  ];
  const check = crc32(head);
  return Uint8Array.from([...head, ...[24, 16, 8, 0].map((shift) => check >>> shift)]);
}

// What a packet's bytes are for: [name, first byte, byte after the last].
export function packetParts(packet, side) {
  const coded = HEADER_BYTES + 2 * side.length;
  return [
    ["header", 0, HEADER_BYTES],
    ["side", HEADER_BYTES, coded],
    ["symbols", coded, packet.length],
  ].filter(([, start, end]) => start < end);
}

// Coded symbols, without trailing zero bytes.
export function encode(symbols, tables) {
  if (symbols.length !== tables.index.length) {
    throw new Error(
      `${symbols.length} symbols, the tables code ${tables.index.length}`,
    );
  }
  const coder = tables.coder === "huffman" ? new HuffmanEncoder() : new RangeEncoder();
  symbols.forEach((symbol, i) => {
    const t = tables.index[i];
    const cdf = tables.cdf[t];
    const [interval, number] = split(symbol - tables.offset[t], cdf.length - 2);
    coder.interval(cdf, interval);
    const digits = number ? 2 * Math.floor(Math.log2(Math.floor(number / 2))) + 2 : 0;
    for (let k = digits - 1; k >= 0; k--) coder.bit(Math.floor(number / 2 ** k) % 2);
  });
  const bytes = coder.finish();
  return bytes.slice(0, bytes.findLastIndex((byte) => byte) + 1);
}

// The interval of a symbol and the number 2 gamma + sign behind an escape, else 0.
function split(v, regular) {
  if (v < 0) return [regular, 2 * -v + 1];
  if (v >= regular) return [regular, 2 * (v - regular + 1)];
  return [v, 0];
}

// The interval [low, low + size); low is a row of 16-bit words, carries not resolved.
class RangeEncoder {
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
    return this.low.flatMap((word) => [word >> 8, word & 0xff]);
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
    const bytes = new Array(Math.ceil(this.bits.length / 8)).fill(0);
    this.bits.forEach((bit, i) => (bytes[i >> 3] |= bit << (7 - (i & 7))));
    return bytes;
  }
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
export function crc11(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    for (let k = 7; k >= 0; k--) {
      const carry = (crc >> 10) ^ ((byte >> k) & 1);
      crc = ((crc << 1) & 0x7ff) ^ (0x621 * carry);
    }
  }
  return crc;
}

// Check of the session header, the one of zlib, PNG and Ethernet.
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

// Symbols to packets and back, with tables of either kind, as tfcsi/coding/sending.py and
// any_tables.py. No DOM, no libraries.

import { IntervalReader, NEVER_WRITTEN } from "./interval_reader.js";
import { NetworkTables } from "./network_tables.js";
import {
  bitPacket,
  bitsOf,
  bytePacket,
  CRC_BITS,
  crcOfBits,
  encode,
  encodeBits,
  MAX_PAYLOAD,
  symbolBits,
} from "./packet.js";

const ESCAPE_DIGITS = 32; // Of a number behind an escape of a table of its own position.
const WORD = 16; // Bits of a word of side information.

// The bytes of one packet: check, side information, coded symbols.
export function makePacket(symbols, side, ue) {
  const { tables, version } = ue;
  const words = side.flatMap((word) => [word >> 8, word & 0xff]);
  if (version === 1) return bytePacket([...words, ...encode(symbols, tables)], ue);
  const picked = tables instanceof NetworkTables;
  const coded = picked ? tables.encodeBits(symbols) : encodeBits(symbols, tables);
  return bitPacket([...bitsOf(words), ...coded], ue);
}

// Whether receivePacket knows the packets: those of version 2 and of the range coder.
export function canReceive({ tables, version }) {
  return version > 1 && tables?.coder === "range";
}

// {symbols, side} of a packet, the inverse of makePacket. A packet that is damaged, or that
// no phone writes, is refused.
export function receivePacket(packet, ue) {
  const { tables } = ue;
  if (!canReceive(ue)) {
    throw new Error("this page reads packets of version 2 and of the range coder alone");
  }
  const payload = payloadOf(packet, ue);
  const start = WORD * (Number(ue.sendGain) + ue.numSide);
  if (payload.length < start) {
    throw new Error(`${packet.length} bytes are too few for the side information`);
  }
  const side = [];
  for (let i = 0; i < start; i += WORD) {
    side.push(payload.slice(i, i + WORD).reduce((word, bit) => 2 * word + bit, 0));
  }
  const reader = new IntervalReader(payload.slice(start));
  const symbols = tables instanceof NetworkTables ? tables.decode(reader) : plain(reader, tables);
  const size = start + reader.numBits();
  const rest = payload.length - size;
  if (rest < 0 || rest >= 8) {
    throw new Error(`its symbols take ${size} bits, and it has ${payload.length}`);
  }
  if (payload.slice(size).some(Boolean)) throw new Error("its last bits are not zero");
  return { symbols, side };
}

// Ideal sizes [bits]: that of what goes before the symbols, and those of the symbols.
export function sizesOf(symbols, tables) {
  if (tables instanceof NetworkTables) return tables.symbolBits(symbols);
  return { before: 0, each: symbolBits(symbols, tables) };
}

// The bits of a packet behind its check, which must be right.
function payloadOf(packet, { codec, fingerprint }) {
  if (packet.length < 2 || packet.length > MAX_PAYLOAD + 2) {
    throw new Error(`has ${packet.length} bytes; packets have 2 to ${MAX_PAYLOAD + 2}`);
  }
  const bits = bitsOf(packet);
  const check = bits.slice(0, CRC_BITS).reduce((word, bit) => 2 * word + bit, 0);
  const payload = bits.slice(CRC_BITS);
  if (check !== crcOfBits([...bitsOf(fingerprint), ...payload])) {
    throw new Error(
      `fails its check: it is damaged or belongs to another session than "${codec}"`,
    );
  }
  return payload;
}

// Symbols with a table for each position.
function plain(reader, tables) {
  const symbols = tables.index.map((t) => reader.symbol(tables, t, ESCAPE_DIGITS));
  if (symbols.some((symbol) => symbol !== (symbol | 0))) throw new Error(NEVER_WRITTEN);
  return symbols;
}

// What the bits of a packet carry, and how the page colours its bytes, as
// tfcsi/evaluation/packet_parts.py and report.py. No DOM, no libraries.

import { PART_COLOURS } from "./charts.js";
import { checkBits } from "./packet.js";

const REST = "end of the code, padding";

// The parts [what, bits] of a whole packet, of those of its payload. Neighbours are joined,
// and the sizes add up to the bits of the packet.
export function partsOf({ packet, parts }, ue) {
  const joined = [];
  let left = 8 * packet.length;
  for (const [what, bits] of [["check", checkBits(ue)], ...parts]) {
    const size = Math.min(bits, left);
    left -= size;
    const last = joined[joined.length - 1];
    if (last?.[0] === what) last[1] += size;
    else if (size) joined.push([what, size]);
  }
  return left ? [...joined, [REST, left]] : joined;
}

// Bits by what they carry.
export function bitsByKind(parts) {
  const sums = {};
  for (const [what, bits] of parts) sums[what] = (sums[what] ?? 0) + bits;
  return sums;
}

// Of each byte its digits, what its bits carry in words, and the colours of its bits as
// [colour, from, to], from 0 to 100 percent.
export function bytesView(packet, parts) {
  let end = 0;
  const spans = parts.map(([what, bits]) => [what, end, (end += bits)]);
  return Array.from(packet, (byte, i) => {
    const inside = spans
      .filter(([, from, to]) => from < 8 * i + 8 && to > 8 * i)
      .map(([what, from, to]) => [
        what,
        Math.max(from, 8 * i) - 8 * i,
        Math.min(to, 8 * i + 8) - 8 * i,
      ]);
    const words = ([what, from, to]) => `${what} ${(to - from).toFixed(1)} bits`;
    return {
      text: byte.toString(16).padStart(2, "0"),
      words: inside.map(words).join(", "),
      stops: inside.map(([what, from, to]) => [
        PART_COLOURS[what],
        12.5 * from,
        12.5 * to,
      ]),
    };
  });
}

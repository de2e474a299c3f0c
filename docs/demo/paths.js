// Path coding: a list of paths in integers to a packet, as tfcsi/coding/path_coder.py
// and path_sets.py. No DOM, no libraries.
//
// Here are integers alone, and no product exceeds 2^53, so that plain JavaScript numbers
// are exact.

import { Axis } from "./atoms.js";
import { checkMatrix } from "./domains.js";
import { classOf, CLASSES, FIRST, fineness, sorted } from "./lattice.js";
import { bitPacket, IntervalEncoder } from "./packet.js";
import { cumulated, lawsOf, PLACES, rowOf } from "./path_laws.js";

const [SYMBOLS, POINTS] = [16, 24]; // Binary digits of the probabilities.
const [END, START] = [CLASSES, CLASSES];
const FIRSTS = 16;
const MAX_PATHS = 128;
const NORMS = 256; // The norm 1 has the number 128.

// What tables.npz says of a codec of paths, from its arrays as readNpz gives them.
export function readPathTables(arrays) {
  const shape = Array.from(arrays.shape.data);
  const numFft = arrays.num_fft.data[0];
  const under = (prefix) => {
    const inside = Object.entries(arrays).filter(([name]) => name.startsWith(prefix));
    const short = ([name, array]) => [name.slice(prefix.length), array];
    return Object.fromEntries(inside.map(short));
  };
  const angle = new Axis(shape[0], shape[0], false);
  const delay = new Axis(shape[1], numFft, true);
  const labels = Array.from(arrays["tables/labels"]?.data ?? []);
  const prefixes = labels.length ? labels.map((_, i) => `tables/${i}/`) : ["tables/"];
  return {
    version: Number(arrays.format.data[0]),
    codec: arrays.codec,
    domain: arrays.domain,
    shape,
    numFft,
    fingerprint: Array.from(arrays.fingerprint.data),
    step: arrays.step.data[0],
    stepEnds: arrays.step_ends.data,
    labels,
    sets: prefixes.map((prefix) => {
      const tables = under(prefix);
      return { tables, laws: lawsOf(tables, angle, delay) };
    }),
  };
}

// {x, norm}: CSI h (re, im in turn) divided by about its norm, and the number of the norm
// by which it was divided.
export function pathInput(h, ue) {
  checkMatrix(h, ue.shape);
  const energy = h.reduce((sum, part) => sum + part * part, 0);
  const norm = NORMS / 2 + (energy ? Math.round(Math.log2(energy)) : 0);
  if (norm < 0 || norm >= NORMS) {
    throw new Error(
      `The matrix has norm ${Math.sqrt(energy).toPrecision(3)}, which no packet states. ` +
        "Scale it to norm 1.",
    );
  }
  return { x: Float32Array.from(h, (part) => part / normOf(norm)), norm };
}

// The norm of a number, half an octave apart.
export function normOf(number) {
  return 2 ** ((number - NORMS / 2) / 2);
}

// The packet of a list, rows of (re, im, angle, delay); zeros are no paths.
export function pathPacket(rows, step, norm, ue) {
  return codePaths(sorted(rows), step, norm, ue).packet;
}

// {packet, parts} of sorted paths. Parts [what, bits] say what the bits carry, in order.
export function codePaths(paths, step, norm, ue) {
  const ends = cumulated(ue.labels);
  const codes = ue.sets.map(({ tables, laws }, i) => {
    const label = ue.labels.length
      ? [["set of tables", ends[i], ends[i + 1], SYMBOLS]]
      : [];
    return [...label, ...partsOf(paths, step, norm, tables, laws, ue.stepEnds)];
  });
  const bits = ([, low, high, digits]) => digits - Math.log2(high - low);
  const sizes = codes.map((code) => code.reduce((sum, part) => sum + bits(part), 0));
  const shortest = codes[sizes.indexOf(Math.min(...sizes))];
  const coder = new IntervalEncoder();
  for (const [, ...part] of shortest) coder.narrow(...part);
  return {
    packet: bitPacket(coder.finish(), ue),
    parts: shortest.map((part) => [part[0], bits(part)]),
  };
}

// The parts [what, lower, upper, binary digits] of sorted paths, by one set of tables.
function partsOf(paths, step, norm, tables, laws, stepEnds) {
  const parts = [];
  const symbol = (what, ends, k) => parts.push([what, ends[k], ends[k + 1], SYMBOLS]);
  symbol("step and norm", stepEnds, step);
  symbol("step and norm", cumulated(tables.norms.data), norm);
  const classes = paths.map(({ power }) => classOf(power));
  const context = Math.floor((classes[0] ?? 0) / 2);
  let [before, top] = [START, FIRST[CLASSES] - 1];
  for (let k = 0; k <= Math.min(paths.length, MAX_PATHS - 1); k++) {
    const c = classes[k] ?? END;
    const row = before * FIRSTS + (k ? context : Math.floor(step / 4));
    const what = c === END ? "end of the list" : "gains";
    symbol(what, cumulated(rowOf(tables.classes, row)), c);
    if (c === END) break;
    const { number, power, delay, angle } = paths[k];
    const size = Math.min(FIRST[c + 1] - 1, top) - FIRST[c] + 1;
    const share = (i) => Math.floor((i * 2 ** POINTS) / size);
    const i = number - FIRST[c];
    parts.push(["gains", share(i), share(i + 1), POINTS]);
    [before, top] = [c, number];
    const [earlier, digits] = [paths.slice(0, k), fineness(power)];
    const ofDelay = laws.ofDelay(digits, earlier);
    parts.push(["delays", ...place(ofDelay, delay)]);
    const ofAngle = laws.ofAngle(digits, earlier, ofDelay, delay);
    parts.push(["angles", ...place(ofAngle, angle)]);
  }
  return parts;
}

function place(mixture, at) {
  const cell = mixture.cellOf(at);
  return [mixture.below(cell), mixture.below(cell + 1), PLACES];
}

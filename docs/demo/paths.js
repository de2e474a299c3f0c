// Path coding: a list of paths in integers to a packet, as tfcsi/coding/path_coder.py,
// path_sets.py and path_laws.py. No DOM, no libraries.
//
// The list comes from the network that tfcsi export wrote. Here are integers alone, and no
// product exceeds 2^53, so that plain JavaScript numbers are exact.

import { bitPacket, IntervalEncoder } from "./packet.js";

const UNIT = 128; // Places in a bin.
const EDGE = 256; // Ends of cells in a bin.
const MASS = 2 ** 20; // What a histogram sums to.
const WEIGHT = 2 ** 16; // What the weights of the four laws sum to.
const [SYMBOLS, POINTS, PLACES] = [16, 24, 22]; // Binary digits of the probabilities.
const [NEAR, NEAR_DELAY, NEAR_ANGLE, ANYWHERE] = [0, 1, 2, 3];
const CLASSES = 32; // Class c of a path: 2^(c/2) <= |q|^2 < 2^((c+1)/2).
const [END, START] = [CLASSES, CLASSES];
const FIRSTS = 16;
const MAX_PATHS = 128;
const MAX_POWER = 2 ** 16 - 1;
const NORMS = 256;
const DELAY_EDGES = [1, 4, 8, 16, 32, 64, 128, 256, 512, 1280];
const ANGLE_EDGES = [3, 10, 20, 41, 77, 128, 179, 256, 358, 512, 768, 1280, 2048];

// What tables.npz says of a codec of paths, from its arrays as readNpz gives them.
export function readPathTables(arrays) {
  const shape = Array.from(arrays.shape.data);
  const numFft = arrays.num_fft.data[0];
  const under = (prefix) => {
    const inside = Object.entries(arrays).filter(([name]) => name.startsWith(prefix));
    const short = ([name, array]) => [name.slice(prefix.length), array];
    return Object.fromEntries(inside.map(short));
  };
  const [angle, delay] = [axis(shape[0], shape[0]), axis(shape[1], numFft)];
  const labels = Array.from(arrays["tables/labels"]?.data ?? []);
  const prefixes = labels.length ? labels.map((_, i) => `tables/${i}/`) : ["tables/"];
  return {
    version: Number(arrays.format.data[0]),
    codec: arrays.codec,
    shape,
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

// {x, norm}: the network's input of CSI h (re, im in turn), and the number of the norm by
// which it was divided.
export function pathInput(h, { shape: [numTx, numDelay] }) {
  if (h.length !== 2 * numTx * numDelay) {
    throw new Error(
      `the matrix has ${h.length / 2} entries, not ${numTx} x ${numDelay}`,
    );
  }
  const energy = h.reduce((sum, part) => sum + part * part, 0);
  if (!Number.isFinite(energy)) throw new Error("the matrix holds NaN or infinity");
  const norm = NORMS / 2 + (energy ? Math.round(Math.log2(energy)) : 0);
  if (norm < 0 || norm >= NORMS) {
    throw new Error(`the matrix has norm ${Math.sqrt(energy)}, which no packet states`);
  }
  const unit = 2 ** ((norm - NORMS / 2) / 2);
  return { x: Float32Array.from(h, (part) => part / unit), norm };
}

// The packet of a list, rows of (re, im, angle, delay); zeros are no paths.
export function pathPacket(rows, step, norm, ue) {
  const paths = sorted(rows);
  const ends = cumulated(ue.labels);
  const codes = ue.sets.map(({ tables, laws }, i) => {
    const label = ue.labels.length ? [[ends[i], ends[i + 1], SYMBOLS]] : [];
    return [...label, ...partsOf(paths, step, norm, tables, laws, ue.stepEnds)];
  });
  const bits = codes.map((parts) =>
    parts.reduce((sum, [low, high, digits]) => sum + digits - Math.log2(high - low), 0),
  );
  const coder = new IntervalEncoder();
  for (const part of codes[bits.indexOf(Math.min(...bits))]) coder.narrow(...part);
  return bitPacket(coder.finish(), ue);
}

// The parts [lower, upper, binary digits] of a sorted list, by one set of tables.
function partsOf(paths, step, norm, tables, laws, stepEnds) {
  const parts = [];
  const symbol = (ends, k) => parts.push([ends[k], ends[k + 1], SYMBOLS]);
  symbol(stepEnds, step);
  symbol(cumulated(tables.norms.data), norm);
  const classes = paths.map(({ power }) => classOf(power));
  const context = Math.floor((classes[0] ?? 0) / 2);
  let [before, top] = [START, FIRST[CLASSES] - 1];
  for (let k = 0; k <= Math.min(paths.length, MAX_PATHS - 1); k++) {
    const c = classes[k] ?? END;
    const row = before * FIRSTS + (k ? context : Math.floor(step / 4));
    symbol(cumulated(rowOf(tables.classes, row)), c);
    if (c === END) break;
    const { number, power, delay, angle } = paths[k];
    const size = Math.min(FIRST[c + 1] - 1, top) - FIRST[c] + 1;
    const share = (i) => Math.floor((i * 2 ** POINTS) / size);
    const i = number - FIRST[c];
    parts.push([share(i), share(i + 1), POINTS]);
    [before, top] = [c, number];
    const [earlier, digits] = [paths.slice(0, k), fineness(power)];
    const ofDelay = laws.ofDelay(digits, earlier);
    parts.push(place(ofDelay, delay));
    parts.push(place(laws.ofAngle(digits, earlier, ofDelay, delay), angle));
  }
  return parts;
}

function place(mixture, at) {
  const cell = mixture.cellOf(at);
  return [mixture.below(cell), mixture.below(cell + 1), PLACES];
}

// Lattice points q != 0 have numbers by (|q|^2, re, im).
const BELOW = pointsBelow(); // Of each power, the points of less power.
const FIRST = Array.from({ length: CLASSES }, (_, c) => BELOW[Math.ceil(2 ** (c / 2))]);
FIRST.push(BELOW[MAX_POWER + 1]);

function pointsBelow() {
  const count = new Int32Array(MAX_POWER + 2);
  for (let re = -255; re <= 255; re++) {
    for (let im = -255; im <= 255; im++) {
      const power = re * re + im * im;
      if (power && power <= MAX_POWER) count[power + 1]++;
    }
  }
  return count.map((_, power) => (count[power] += power ? count[power - 1] : 0));
}

function numberOf(re, im) {
  const power = re * re + im * im;
  let number = BELOW[power] + (im > 0 ? 1 : 0); // (re, -im) comes before (re, im).
  for (let left = -Math.floor(Math.sqrt(power)); left < re; left++) {
    const up = Math.round(Math.sqrt(power - left * left));
    if (left * left + up * up === power) number += up ? 2 : 1;
  }
  return number;
}

function classOf(power) {
  let c = 0;
  while (c + 1 < CLASSES && Math.ceil(2 ** ((c + 1) / 2)) <= power) c++;
  return c;
}

// Binary digits of a place behind the point.
function fineness(power) {
  let digits = 1;
  while (digits < 7 && power >= 2 ** (2 * digits - 1)) digits++;
  return digits;
}

function sorted(rows) {
  const paths = rows
    .filter(([re, im]) => re || im)
    .map(([re, im, angle, delay]) => ({ re, im, angle, delay, power: re * re + im * im }));
  for (const path of paths) path.number = numberOf(path.re, path.im);
  const after = (a, b) => b.number - a.number || a.delay - b.delay || a.angle - b.angle;
  return paths.sort(after);
}

function cumulated(masses) {
  const ends = [0];
  for (const mass of masses) ends.push(ends[ends.length - 1] + mass);
  return ends;
}

function rowOf({ shape, data }, row) {
  const width = shape[shape.length - 1];
  return data.subarray(row * width, (row + 1) * width);
}

function axis(size, period) {
  const circular = size === period;
  return { size, circular, origin: circular ? 0 : -UNIT / 2 };
}

// Mass below points of a distance or a place.
class Law {
  constructor(histograms, edges, period, folded) {
    this.period = period;
    this.folded = folded;
    [this.first, this.last] = [edges[0], edges[edges.length - 1]];
    this.origin = folded ? -this.last : this.first;
    this.edges = edges;
    const rows = histograms.data.length / (edges.length - 1);
    this.ends = Array.from({ length: rows }, (_, row) => cumulated(rowOf(histograms, row)));
  }

  below(point, row) {
    if (!this.period) {
      return this.inside(Math.min(Math.max(point, this.first), this.last), row);
    }
    const laps = Math.floor((point - this.origin) / this.period);
    const at = point - laps * this.period;
    if (!this.folded) return laps * MASS + this.inside(at, row);
    const far = Math.abs(at);
    const half = far === this.last ? MASS / 2 : Math.floor(this.inside(far, row) / 2);
    return laps * MASS + MASS / 2 + (at < 0 ? -half : half);
  }

  // Within a box the mass is spread evenly.
  inside(point, row) {
    const ends = this.ends[row];
    let box = Math.min(boxOf(this.edges, point), this.edges.length - 2);
    while (this.edges[box + 1] === this.edges[box]) box--;
    const width = this.edges[box + 1] - this.edges[box];
    const mass = ends[box + 1] - ends[box];
    return ends[box] + Math.floor((mass * (point - this.edges[box])) / width);
  }
}

// The last box that begins at or before a point.
function boxOf(edges, point) {
  let box = edges.length - 1;
  while (edges[box] > point) box--;
  return box;
}

function delayEdges({ size, circular }) {
  const far = circular ? Math.floor((EDGE * size) / 2) : EDGE * (size + 1);
  const inner = DELAY_EDGES.map((edge) => Math.min(edge, far));
  return [-far, ...inner.map((edge) => -edge).reverse(), ...inner, far];
}

function angleEdges({ size }) {
  const far = Math.floor((EDGE * size) / 2);
  return [0, ...ANGLE_EDGES.map((edge) => Math.min(edge, far)), far];
}

function placeEdges({ size, circular }) {
  const start = -EDGE / 2 - (circular ? 0 : EDGE / 4);
  return Array.from({ length: size + (circular ? 1 : 2) }, (_, bin) => EDGE * bin + start);
}

function lawsOf(tables, angle, delay) {
  const period = delay.circular ? EDGE * delay.size : 0;
  const edges = delayEdges(delay);
  const round = EDGE * angle.size;
  const delays = {
    any: new Law(tables.delay_any, placeEdges(delay), period, false),
    near: new Law(tables.delay_near, edges, period, false),
    alone: new Law(tables.delay_alone, edges, period, false),
  };
  const angles = {
    any: new Law(tables.angle_any, placeEdges(angle), round, false),
    near: new Law(tables.angle_near, angleEdges(angle), round, true),
    alone: new Law(tables.angle_alone, angleEdges(angle), round, true),
  };
  const numBoxes = edges.length - 1;
  // The set of tables of a rank, and its weights, those of earlier paths for one of them.
  const ofRank = (rank) => {
    const set = rank === 0 ? 0 : rank < 5 ? 1 : rank < 9 ? 2 : 3;
    const weights = Array.from(rowOf(tables.weights, set));
    return { set, weights, each: weights.map((w) => Math.floor(w / Math.max(rank, 1))) };
  };

  function ofDelay(digits, earlier) {
    const { set, each } = ofRank(earlier.length);
    const parts = [{ law: delays.any, row: set, centre: 0, share: WEIGHT }];
    for (const [law, share] of [
      [delays.near, each[NEAR]],
      [delays.alone, each[NEAR_DELAY]],
    ]) {
      for (const path of earlier) {
        parts.push({ law, row: set, centre: 2 * path.delay, share });
        parts[0].share -= share;
      }
    }
    return new Mixture(delay, digits, parts, WEIGHT);
  }

  function ofAngle(digits, earlier, ofDelay, at) {
    const rank = earlier.length;
    const { set, weights, each } = ofRank(rank);
    const masses = ofDelay.masses(ofDelay.cellOf(at));
    const [any, near, alone] = [
      masses[0],
      masses.slice(1, rank + 1),
      masses.slice(rank + 1),
    ];
    const first = { law: angles.any, row: set, centre: 0 };
    first.share = any * weights[ANYWHERE] + 1;
    alone.forEach((mass) => (first.share += mass * each[NEAR_DELAY]));
    const nearby = earlier.map((path, i) => {
      let distance = 2 * (at - path.delay);
      if (period) distance -= period * Math.floor((distance + period / 2) / period);
      const box = Math.min(boxOf(edges, distance), numBoxes - 1);
      const row = set * numBoxes + box;
      return { law: angles.near, row, centre: 2 * path.angle, share: near[i] * each[NEAR] };
    });
    const beside = earlier.map((path) => {
      const share = any * each[NEAR_ANGLE];
      return { law: angles.alone, row: set, centre: 2 * path.angle, share };
    });
    const parts = [first, ...nearby, ...beside];
    const total = () => parts.reduce((sum, { share }) => sum + share, 0);
    let excess = 1; // Shares of 30 digits and probabilities of 22 make products of 52.
    while (total() >= excess * 2 ** 30) excess *= 2;
    parts.forEach((part) => (part.share = Math.floor(part.share / excess)));
    return new Mixture(angle, digits, parts, total());
  }
  return { ofDelay, ofAngle };
}

// Cumulative probability of the cells of an axis. Each cell has one part of it beside what
// the laws give.
class Mixture {
  constructor({ size, circular, origin }, digits, parts, total) {
    this.cell = EDGE / 2 ** digits;
    this.start = 2 * origin - this.cell / 2;
    const numCells = size * 2 ** digits + (circular ? 0 : 1);
    const room = 2 ** PLACES - numCells;
    this.parts = parts;
    let rest = room;
    for (const part of parts) {
      part.weight = Math.floor((part.share * room) / total);
      rest -= part.weight;
      part.zero = this.mass(part, 0);
      part.span = Math.max(this.mass(part, numCells) - part.zero, 1);
    }
    parts[0].weight += rest;
  }

  cellOf(at) {
    return Math.floor((2 * at - this.start) / this.cell);
  }

  mass({ law, row, centre }, cell) {
    return law.below(this.start + this.cell * cell - centre, row);
  }

  below(cell) {
    return this.parts.reduce((sum, part) => {
      const mass = Math.min(this.mass(part, cell) - part.zero, part.span);
      return sum + Math.floor((part.weight * mass) / part.span);
    }, cell);
  }

  masses(cell) {
    return this.parts.map((part) => {
      const mass = this.mass(part, cell + 1) - this.mass(part, cell);
      return Math.floor((mass * MASS) / part.span);
    });
  }
}

// Laws of the places of paths, as tfcsi/coding/path_laws.py: mixtures of integer
// histograms. No DOM, no libraries.
//
// Here are integers alone, and no product exceeds 2^53, so that plain JavaScript numbers
// are exact.

import { EDGE } from "./atoms.js";

const MASS = 2 ** 20; // What a histogram sums to.
const WEIGHT = 2 ** 16; // What the weights of the four laws sum to.
export const PLACES = 22; // Binary digits of the probability of a place.
const [NEAR, NEAR_DELAY, NEAR_ANGLE, ANYWHERE] = [0, 1, 2, 3];
const DELAY_EDGES = [1, 4, 8, 16, 32, 64, 128, 256, 512, 1280];
const ANGLE_EDGES = [3, 10, 20, 41, 77, 128, 179, 256, 358, 512, 768, 1280, 2048];

// Sums of the numbers before each place, and of all.
export function cumulated(masses) {
  const ends = [0];
  for (const mass of masses) ends.push(ends[ends.length - 1] + mass);
  return ends;
}

// A row along the last axis of an array.
export function rowOf({ shape, data }, row) {
  const width = shape[shape.length - 1];
  return data.subarray(row * width, (row + 1) * width);
}

// The set of tables of the path of a rank, counted from 0.
export function setOf(rank) {
  return rank === 0 ? 0 : rank < 5 ? 1 : rank < 9 ? 2 : 3;
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

  // The share of a cell about a point.
  share(middle, cell, row) {
    const low = middle - Math.floor(cell / 2);
    return (this.below(low + cell, row) - this.below(low, row)) / MASS;
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

export function lawsOf(tables, angle, delay) {
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
  const boxOfDelay = (distance) => Math.min(boxOf(edges, distance), numBoxes - 1);
  // The set of tables of a rank, and its weights, those of earlier paths for one of them.
  const ofRank = (rank) => {
    const set = setOf(rank);
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
      const row = set * numBoxes + boxOfDelay(distance);
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
  return { ofDelay, ofAngle, delays, angles, boxOfDelay, numBoxes };
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

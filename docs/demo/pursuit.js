// Pursuit: finds the paths of a matrix, as tfcsi/coding/pursuit.py with the effort
// "default". No DOM, no libraries.
//
// Each round adds the atom that correlates most with what the paths leave. Gain and place
// are quantised at once. Then the earlier paths are searched anew near their places. The
// decoder repeats none of this. Sums are in 64 bits here and in 32 bits in Python, so a
// list may differ in a path that was as good.

import { HALF, UNIT } from "./atoms.js";
import { fineness, MAX_POWER, pathOf } from "./lattice.js";

const MAX_PATHS = 128;
const LAMBDA = 0.15; // What a bit costs [step^2].
const STOP = 1.1; // Least |g| of a new path, in steps.
const PASSES = 3; // How often all paths are searched anew at the end.
const MARGIN = 0.7;
const RADIUS = Math.sqrt(MAX_POWER) - 2; // All four points about it are allowed.
const OFFSETS = [-1, 0, 1];
const CORNERS = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];

// The paths of a picture in units of the step. `start` is the context of the first path's
// class. Paths of less power than `floor` are left out.
export function find(picture, atoms, prices, start, floor) {
  return new Pursuit(picture, atoms, prices, start, floor).run();
}

class Pursuit {
  constructor(picture, atoms, prices, start, floor) {
    Object.assign(this, { atoms, prices, start, floor });
    this.rest = picture.slice();
    this.slots = []; // A path or null.
    this.priced = false;
    this.moved = false;
  }

  run() {
    for (let round = 0; round < 2 * MAX_PATHS; round++) {
      const { power, angle, delay } = this.peak();
      if (!(power > Math.max(STOP ** 2, this.floor))) break;
      const empty = this.slots.indexOf(null);
      const slot = empty < 0 ? this.slots.length : empty;
      if (slot === MAX_PATHS) break;
      this.slots[slot] ??= null;
      if (!this.search(slot, angle, delay, true)) break;
      this.refine(slot);
    }
    this.priced = true;
    for (let pass = 0; pass < PASSES; pass++) {
      this.moved = false;
      this.refine();
      if (!this.moved) break;
    }
    return this.slots.filter((path) => path);
  }

  // Searches all paths but one anew, weakest first.
  refine(except = -1) {
    const chosen = [...this.slots.keys()].filter((i) => this.slots[i] && i !== except);
    chosen.sort((i, j) => this.slots[i].power - this.slots[j].power);
    for (const slot of chosen) {
      this.search(slot, this.slots[slot].angle, this.slots[slot].delay);
    }
  }

  // The largest |g|^2 on the grid of half bins.
  peak() {
    const { angle, delay } = this.atoms;
    const between = angle.halfRows.map((row) => weighted(row, this.rest, delay.size));
    const whole = split(this.rest, 2 * delay.size);
    let best = { power: -1 };
    const look = (g, width, a, firstDelay) => {
      for (let d = 0; d < width; d++) {
        const power = g[d] ** 2 + g[width + d] ** 2;
        if (power > best.power) {
          best = { power, angle: a, delay: firstDelay + UNIT * d };
        }
      }
    };
    for (const [rows, first] of [
      [whole, 0],
      [between, HALF],
    ]) {
      rows.forEach((g, i) => look(g, delay.size, first + UNIT * i, 0));
      rows.forEach((g, i) => {
        const halves = [0, delay.size].flatMap((part) =>
          delay.halfRows.map((row) => dot(row, g, part)),
        );
        const origin = delay.circular ? HALF : -HALF;
        look(halves, delay.halfRows.length, first + UNIT * i, origin);
      });
    }
    return best;
  }

  // Takes a path out and finds it anew near a place; returns whether there is one now.
  search(slot, angle, delay, isNew = false) {
    const { atoms } = this;
    const old = this.slots[slot];
    let powers;
    for (const spacing of isNew ? [HALF, UNIT / 8] : [UNIT / 8]) {
      const { gains } = this.correlate(old, angle, delay, spacing);
      powers = gains.map((row) => row.map(([re, im]) => re * re + im * im));
      const offset = vertices(powers, spacing);
      angle = atoms.angle.wrap(angle + offset[0]);
      delay = atoms.delay.wrap(delay + offset[1]);
    }
    let digits = digitsOf(powers.flat());
    let near = this.candidates(old, angle, delay, digits);
    // Rounding the place changes the gain a little. If no lattice point about it has the
    // resolution any more, the place gets the resolution of the new gain.
    if (!near.points.some(({ fits }) => fits)) {
      digits = digitsOf(near.points.map(({ power }) => power));
      near = this.candidates(old, angle, delay, digits);
    }
    const others = this.slots.filter((path, i) => path && i !== slot);
    const places = [near.angles, near.delays, digits];
    const costs =
      this.priced && this.prices.of(near.points, ...places, others, this.start);
    let [best, most] = [null, this.priced ? 0 : MARGIN * STOP ** 2];
    near.points.forEach((point, k) => {
      if (!point.fits || !(point.earned > this.floor)) return;
      const earned = point.earned - (costs ? LAMBDA * costs[k] : 0);
      if (earned > most) [best, most] = [point, earned];
    });
    const chosen =
      best && pathOf(best.re, best.im, near.angles[best.i], near.delays[best.j]);
    if (!alike(old, chosen)) {
      this.moved = true;
      if (old) atoms.add(this.rest, old);
      if (chosen) atoms.add(this.rest, chosen, -1);
      this.slots[slot] = chosen;
    }
    return Boolean(chosen);
  }

  // Gains [3 angles][3 delays] at places `spacing` apart, without a path.
  correlate(old, angle, delay, spacing) {
    const { angle: ofAngle, delay: ofDelay } = this.atoms;
    const angles = OFFSETS.map((offset) => ofAngle.wrap(angle + offset * spacing));
    const delays = OFFSETS.map((offset) => ofDelay.wrap(delay + offset * spacing));
    const gains = angles.map((a) => {
      const row = ofAngle.row(a);
      const along = weighted(row, this.rest, ofDelay.size);
      const left = old ? dot(row, ofAngle.row(old.angle), 0) : 0;
      return delays.map((d) => {
        const right = ofDelay.row(d);
        const [re, im] = [dot(right, along, 0), dot(right, along, ofDelay.size)];
        if (!old) return [re, im];
        const overlap = left * dot(right, ofDelay.row(old.delay), 0);
        return [re + overlap * old.re, im + overlap * old.im];
      });
    });
    return { gains, angles, delays };
  }

  // Lattice points round the gains at nine places of a resolution, and what they earn.
  candidates(old, angle, delay, digits) {
    const cell = UNIT / 2 ** digits;
    const round = (place) => Math.floor((place + Math.floor(cell / 2)) / cell) * cell;
    const { gains, angles, delays } = this.correlate(
      old,
      this.atoms.angle.wrap(round(angle)),
      this.atoms.delay.wrap(round(delay)),
      cell,
    );
    let points = pointsAbout(gains, digits);
    if (points.every(({ power }) => power > MAX_POWER)) {
      // They were too large for the lattice.
      const shrunk = ([re, im]) => [re, im].map((part) => (part * RADIUS) / Math.hypot(re, im));
      points = pointsAbout(gains, digits, shrunk);
    }
    return { points, angles, delays };
  }
}

// The four lattice points round each gain, or round what `shrunk` makes of it.
function pointsAbout(gains, digits, shrunk = (gain) => gain) {
  const points = [];
  gains.forEach((row, i) =>
    row.forEach((gain, j) => {
      const [left, low] = shrunk(gain).map(Math.floor);
      for (const [right, up] of CORNERS) {
        const [re, im] = [left + right, low + up];
        const power = re * re + im * im;
        const rest = (gain[0] - re) ** 2 + (gain[1] - im) ** 2;
        const earned = gain[0] ** 2 + gain[1] ** 2 - rest;
        const fits = power > 0 && power <= MAX_POWER && fineness(power) === digits;
        points.push({ re, im, i, j, power, earned, fits });
      }
    }),
  );
  return points;
}

function alike(one, two) {
  if (!one || !two) return one === two;
  return ["re", "im", "angle", "delay"].every((field) => one[field] === two[field]);
}

// Resolution of the places of the largest of some |g|^2.
function digitsOf(powers) {
  return fineness(Math.min(Math.max(...powers, 1), MAX_POWER));
}

// Offsets of the tops of two parabolas through the middle, within a spacing.
function vertices(power, spacing) {
  const middle = power[1][1];
  return [
    [power[0][1], power[2][1]],
    [power[1][0], power[1][2]],
  ].map(([before, behind]) => {
    const curve = 2 * middle - before - behind;
    const slope = behind - before;
    const top = curve > 1e-6 * middle ? slope / Math.max(2 * curve, 1e-30) : slope;
    const inside = curve > 1e-6 * middle ? Math.min(Math.max(top, -1), 1) : Math.sign(top);
    return Math.round(inside * spacing);
  });
}

function dot(row, values, start) {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i] * values[start + i];
  return sum;
}

// The rows of a picture, weighted and summed: (re, im) of each delay.
function weighted(row, picture, numDelay) {
  const width = 2 * numDelay;
  const sum = new Float64Array(width);
  for (let a = 0; a < row.length; a++) {
    const start = a * width;
    for (let i = 0; i < width; i++) sum[i] += row[a] * picture[start + i];
  }
  return sum;
}

function split(picture, width) {
  const rows = picture.length / width;
  return Array.from({ length: rows }, (_, i) => picture.subarray(i * width, (i + 1) * width));
}

// Atoms: pictures of propagation paths in angle and delay, as tfcsi/coding/atoms.py.
// No DOM, no libraries.
//
// A picture is a Float64Array of [num_tx, (re, im), num_delay], in which atoms are real.

import { toAngularDelay, toSpaceFrequency } from "./domains.js";

export const UNIT = 128; // Places in a bin.
export const EDGE = 256; // Ends of cells in a bin.
export const HALF = UNIT / 2;

// Kernels of the first `size` of `period` bins of a DFT.
export class Axis {
  constructor(size, period, inverse) {
    this.size = size;
    this.period = period;
    this.circular = size === period;
    this.origin = this.circular ? 0 : -HALF;
    const turn = ((inverse ? 1 : -1) * Math.PI * (period - 1)) / period;
    this.phases = Array.from({ length: size }, (_, i) => [
      Math.cos(turn * i),
      Math.sin(turn * i),
    ]);
    this.rows = new Map();
    const between = size + (this.circular ? 0 : 1);
    const first = this.circular ? HALF : -HALF;
    this.halfRows = Array.from({ length: between }, (_, i) => this.row(first + UNIT * i));
  }

  // The kernel at a place, of norm 1 in float32.
  row(place) {
    if (!this.rows.has(place)) {
      const kernel = Array.from({ length: this.size }, (_, i) =>
        this.dirichlet(place - UNIT * i),
      );
      const norm = Math.hypot(...kernel);
      this.rows.set(place, Float32Array.from(kernel, (value) => value / norm));
    }
    return this.rows.get(place);
  }

  dirichlet(distance) {
    const lap = UNIT * this.period;
    if (distance % lap === 0) {
      return ((distance / lap) * (this.period - 1)) % 2 ? -1 : 1;
    }
    const turn = (Math.PI * distance) / UNIT;
    return Math.sin(turn) / (this.period * Math.sin(turn / this.period));
  }

  // A place inside the axis: round the circle, or at its nearer end.
  wrap(place) {
    const end = this.size * UNIT;
    if (this.circular) return ((place % end) + end) % end;
    return Math.min(Math.max(place, -HALF), end - HALF);
  }

  // place - centre, the short way round a circular axis.
  distance(place, centre) {
    const far = place - centre;
    if (!this.circular) return far;
    const [lap, half] = [this.size * UNIT, Math.floor((this.size * UNIT) / 2)];
    return ((((far + half) % lap) + lap) % lap) - half;
  }
}

export class Atoms {
  constructor([numTx, numDelay], numFft, domain) {
    this.shape = [numTx, numDelay];
    this.domain = domain;
    this.angle = new Axis(numTx, numTx, false);
    this.delay = new Axis(numDelay, numFft, true);
  }

  // CSI (re, im in turn) of the domain as a picture.
  picture(h) {
    const [numTx, numDelay] = this.shape;
    const flat = this.domain === "space_frequency" ? toAngularDelay(h, this.shape) : h;
    const picture = new Float64Array(flat.length);
    this.eachBin((a, d, [re, im]) => {
      const at = 2 * (a * numDelay + d);
      const [x, y] = [flat[at], flat[at + 1]];
      picture[2 * a * numDelay + d] = x * re + y * im; // Times the conjugate phase.
      picture[(2 * a + 1) * numDelay + d] = y * re - x * im;
    });
    return picture;
  }

  // The inverse of `picture`.
  csi(picture) {
    const numDelay = this.shape[1];
    const h = new Float64Array(picture.length);
    this.eachBin((a, d, [re, im]) => {
      const at = 2 * (a * numDelay + d);
      const x = picture[2 * a * numDelay + d];
      const y = picture[(2 * a + 1) * numDelay + d];
      h[at] = x * re - y * im;
      h[at + 1] = x * im + y * re;
    });
    return this.domain === "space_frequency" ? toSpaceFrequency(h, this.shape) : h;
  }

  eachBin(visit) {
    this.angle.phases.forEach(([re, im], a) =>
      this.delay.phases.forEach(([x, y], d) =>
        visit(a, d, [re * x - im * y, re * y + im * x]),
      ),
    );
  }

  // Adds the atom of a path to a picture; `scale` multiplies its gain.
  add(picture, { re, im, angle, delay }, scale = 1) {
    const [left, right] = [this.angle.row(angle), this.delay.row(delay)];
    const numDelay = right.length;
    for (let a = 0; a < left.length; a++) {
      const [x, y] = [scale * re * left[a], scale * im * left[a]];
      const start = 2 * a * numDelay;
      for (let d = 0; d < numDelay; d++) {
        picture[start + d] += x * right[d];
        picture[start + numDelay + d] += y * right[d];
      }
    }
  }

  // The picture of paths.
  synthesize(paths, scale = 1) {
    const picture = new Float64Array(2 * this.shape[0] * this.shape[1]);
    for (const path of paths) this.add(picture, path, scale);
    return picture;
  }
}

// The codec "paths": a matrix to its packet and back, with nothing but the tables. As
// tfcsi/coding/path_encoder.py. No DOM, no libraries.

import { Atoms } from "./atoms.js";
import { fineness, sorted } from "./lattice.js";
import { codePaths, normOf, pathInput } from "./paths.js";
import { Prices } from "./prices.js";
import { find } from "./pursuit.js";

const STEPS = 64; // Step i is 2^(-i/8), relative to the norm.
const STEPS_A_CONTEXT = 4;
const PEAKS = 8; // Largest of the noise's powers, in variances.
const QUANTILES = [0.1, 0.2, 0.3, 0.4, 0.5];
const ALIKE = 0.75;
const ENTRIES = 512; // Entries that a matrix must have to look noisy.

export const stepOf = (i) => 2 ** (-i / 8);

export class PathCodec {
  // Takes tables as `readTables` gives them.
  constructor(ue) {
    this.ue = ue;
    this.atoms = new Atoms(ue.shape, ue.numFft, ue.domain);
    this.prices = new Prices(ue.sets[0], this.atoms.delay);
  }

  // What is sent of CSI h (re, im in turn): see `packed`. With `nmseDb` it has the coarsest
  // step whose NMSE is not above that; `missed` says that even the finest step is above it.
  compress(h, { nmseDb = null } = {}) {
    const { norm, x } = pathInput(h, this.ue);
    const picture = this.atoms.picture(Float64Array.from(x));
    const noise = nmseDb === null ? likelyNoise(picture, this.ue.shape) : 0;
    const search = (i) => {
      const unit = stepOf(i);
      const start = Math.floor(i / STEPS_A_CONTEXT);
      const floor = (PEAKS * noise) / unit ** 2;
      const scaled = picture.map((part) => part / unit);
      return find(scaled, this.atoms, this.prices, start, floor);
    };
    if (nmseDb === null) return this.packed(search(this.ue.step), this.ue.step, norm);
    const reached = (i, paths) =>
      errorOf(picture, this.atoms.synthesize(paths, stepOf(i))) <= 10 ** (nmseDb / 10);
    let [low, high, best] = [-1, STEPS - 1, null];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const paths = search(middle);
      if (reached(middle, paths)) [high, best] = [middle, paths];
      else low = middle;
    }
    const paths = best ?? search(high);
    return { ...this.packed(paths, high, norm), missed: !best && !reached(high, paths) };
  }

  // {packet, parts, paths, hHat} of paths at a step; parts say what the bits carry.
  packed(paths, step, norm) {
    const list = sorted(paths.map(({ re, im, angle, delay }) => [re, im, angle, delay]));
    const scale = stepOf(step) * normOf(norm);
    return {
      ...codePaths(list, step, norm, this.ue),
      paths: list,
      scale,
      hHat: this.atoms.csi(this.atoms.synthesize(list, scale)),
    };
  }
}

// The linear NMSE of a matrix, squares of its error over its own; 0 of a zero matrix.
export function errorOf(h, hHat) {
  let [error, energy] = [0, 0];
  h.forEach((part, i) => {
    error += (part - hHat[i]) ** 2;
    energy += part ** 2;
  });
  return energy ? error / energy : 0;
}

// The variance of white noise that the weak entries of a picture tell; 0 where they do not
// look like white noise, of which all low quantiles tell about the same variance.
function likelyNoise(picture, [numTx, numDelay]) {
  if (numTx * numDelay < ENTRIES) return 0;
  const power = Float64Array.from({ length: numTx * numDelay }, (_, i) => {
    const at = i + Math.floor(i / numDelay) * numDelay; // (re, im) are rows of delays.
    return picture[at] ** 2 + picture[at + numDelay] ** 2;
  }).sort();
  const variances = QUANTILES.map((share) => {
    const place = share * (power.length - 1);
    const [low, high] = [power[Math.floor(place)], power[Math.ceil(place)]];
    return (low + (place % 1) * (high - low)) / -Math.log1p(-share);
  });
  return Math.min(...variances) >= ALIKE * Math.max(...variances) ? variances[0] : 0;
}

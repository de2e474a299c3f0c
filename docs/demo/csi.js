// A file of CSI matrices, and matrices that the page makes. No DOM, no libraries.
//
// A matrix is {h, shape}: (re, im) in turn, and [rows, columns].

import { Npy } from "./npy.js";

// {num, shape, matrix(i)} of a .npy file's bytes: complex [n, num_tx, num_delay] or one
// matrix, or real with a last axis (re, im). Numbers are rounded to float32, as tfcsi does.
export function readCsi(bytes) {
  const file = new Npy(bytes);
  const sides = file.shape.slice(0, -1);
  const parts = file.shape[file.shape.length - 1];
  if (!file.read || parts !== 2 || sides.length < 2 || sides.length > 3) {
    const sizes = file.parts === 2 ? `complex [${sides}]` : `${file.kind} [${file.shape}]`;
    throw new Error(
      `The array is ${sizes}. CSI must be complex [n, num_tx, num_delay] or one matrix, ` +
        "or real with a last axis (re, im).",
    );
  }
  const shape = sides.slice(-2);
  const [num, size] = [sides.length === 3 ? sides[0] : 1, 2 * shape[0] * shape[1]];
  if (!num || !size) throw new Error(`The array [${sides}] holds no matrix.`);
  const matrix = (i) => ({
    h: file.slice(i * size, (i + 1) * size).map(Math.fround),
    shape,
  });
  return { num, shape, matrix };
}

// A few paths, each a peak over angle and delay with side lobes; max |h| = 0.5.
export function randomPaths([numTx, numDelay]) {
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const sinc = (v) => (v ? Math.sin(Math.PI * v) / (Math.PI * v) : 1);
  const h = new Float64Array(2 * numTx * numDelay);
  const sector = Math.random() * numTx;
  for (let path = 0; path < 4; path++) {
    const angle = sector + (normal() * numTx) / 16;
    const delay = -1.5 * Math.log(1 - Math.random());
    const gain = [normal(), normal()].map((part) => part * Math.exp(-delay / 4));
    for (let i = 0; i < h.length; i++) {
      const cell = i >> 1;
      const apart = Math.floor(cell / numDelay) - angle;
      const around = apart - numTx * Math.round(apart / numTx); // Angles are cyclic.
      h[i] += gain[i & 1] * sinc(around) * sinc((cell % numDelay) - delay);
    }
  }
  let peak = 0;
  for (let i = 0; i < h.length; i += 2)
    peak = Math.max(peak, Math.hypot(h[i], h[i + 1]));
  const shape = [numTx, numDelay];
  const matrix = () => ({ h: h.map((part) => (part * 0.5) / peak), shape });
  return { num: 1, shape, matrix };
}

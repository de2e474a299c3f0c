// Integers of the networks that pick tables, as tfcsi/coding/token_contexts.py. No DOM, no
// libraries.
//
// Weights are within -128 ... 127, what networks read within -127 ... 255, and biases have
// 31 bits. So sums stay far below 2^53, where plain JavaScript numbers are exact; they may
// exceed 31 bits, so nothing here shifts by >>.

import { round } from "./packet.js";

export const SCALES = 48;
export const FRACTIONS = 8; // Parts of a step that a mean counts.
const COMPANDED = Array.from({ length: 256 }, (_, size) =>
  Math.min(round(16 * Math.log2(1 + size)), 127),
);

// A symbol as networks read it.
export function companded(symbol) {
  return Math.sign(symbol) * COMPANDED[Math.min(Math.abs(symbol), 255)];
}

// A sum of products as the next layer reads it.
export function activation(total) {
  return clipped(Math.floor((total + 32) / 64), 0, 255);
}

// The sum of inputs times the weights at `start`, `start + stride` and so on.
export function products(inputs, weights, start, stride) {
  return inputs.reduce((sum, input, i) => sum + input * weights[start + i * stride], 0);
}

// {table, shift} of a mean and a scale that a network put out: the row of the laws, and
// what is taken from the symbol. The mean is at most `farthest` steps from zero.
export function lawOf(mean, scale, farthest = Infinity) {
  const reach = FRACTIONS * farthest;
  const eighths = clipped(Math.floor((mean + 64) / 128), -reach, reach);
  const shift = Math.floor((eighths + FRACTIONS / 2) / FRACTIONS);
  const number = clipped(Math.floor((scale + 128) / 256), -20, SCALES - 21) + 20;
  const table = number * FRACTIONS + eighths - FRACTIONS * shift + FRACTIONS / 2;
  return { table, shift };
}

export function clipped(number, low, high) {
  return Math.min(Math.max(number, low), high);
}

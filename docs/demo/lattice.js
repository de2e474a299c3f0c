// Lattice points q != 0 of the gains of paths, as tfcsi/coding/path_lists.py. They have
// numbers by (|q|^2, re, im). No DOM, no libraries.

export const CLASSES = 32; // Class c of a path: 2^(c/2) <= |q|^2 < 2^((c+1)/2).
export const MAX_POWER = 2 ** 16 - 1;
const BELOW = pointsBelow(); // Of each power, the points of less power.
// The number of the first point of each class, and at the end the number of points.
export const FIRST = Array.from({ length: CLASSES }, (_, c) => BELOW[leastPower(c)]);
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

function leastPower(c) {
  return Math.ceil(2 ** (c / 2));
}

export function numberOf(re, im) {
  const power = re * re + im * im;
  let number = BELOW[power] + (im > 0 ? 1 : 0); // (re, -im) comes before (re, im).
  for (let left = -Math.floor(Math.sqrt(power)); left < re; left++) {
    const up = Math.round(Math.sqrt(power - left * left));
    if (left * left + up * up === power) number += up ? 2 : 1;
  }
  return number;
}

export function classOf(power) {
  let c = 0;
  while (c + 1 < CLASSES && leastPower(c + 1) <= power) c++;
  return c;
}

// Binary digits of a place behind the point.
export function fineness(power) {
  let digits = 1;
  while (digits < 7 && power >= 2 ** (2 * digits - 1)) digits++;
  return digits;
}

// Rows (re, im, angle, delay) as paths in the order of a packet; zeros are no paths.
export function sorted(rows) {
  const paths = rows.filter(([re, im]) => re || im).map((row) => pathOf(...row));
  const after = (a, b) => b.number - a.number || a.delay - b.delay || a.angle - b.angle;
  return paths.sort(after);
}

export function pathOf(re, im, angle, delay) {
  return { re, im, angle, delay, power: re * re + im * im, number: numberOf(re, im) };
}

// CSI from one domain to the other, as tfcsi/transforms.py. No DOM, no libraries.
//
// A matrix is an array of (re, im) in turn, of the shape [rows, columns].

export const DOMAINS = ["angular_delay", "space_frequency"];

// Refuses a matrix of another shape, or with NaN or infinity.
export function checkMatrix(h, [numTx, numDelay]) {
  if (h.length !== 2 * numTx * numDelay) {
    throw new Error(
      `The matrix has ${h.length / 2} entries, not ${numTx} x ${numDelay}.`,
    );
  }
  if (!h.every(Number.isFinite)) throw new Error("The matrix holds NaN or infinity.");
}

// Antennas by subcarriers to angles by delay taps; both DFTs are unitary, and the zero
// angle is in the middle.
export function toAngularDelay(h, [numTx, numSc]) {
  const taps = alongRows(h, [numTx, numSc], 1);
  return shifted(alongColumns(taps, [numTx, numSc], -1), [numTx, numSc], numTx >> 1);
}

// The inverse of `toAngularDelay`.
export function toSpaceFrequency(h, [numTx, numDelay]) {
  const middle = shifted(h, [numTx, numDelay], numTx - (numTx >> 1));
  return alongRows(alongColumns(middle, [numTx, numDelay], 1), [numTx, numDelay], -1);
}

// A matrix in the form that a codec takes, [numTx, numDelay] of the domain `to`. In the
// domain angular_delay the first taps are kept, and missing ones are zero.
export function inForm({ h, shape }, from, to, form) {
  const [numTx, width] = shape;
  const wanted = `${form[0]} x ${form[1]} of the domain ${to}`;
  const misfit = (what) =>
    new Error(
      `The file has matrices of ${numTx} x ${width} in the domain ${from}. ` +
        `This codec takes ${wanted}. ${what}`,
    );
  if (numTx !== form[0]) {
    throw misfit(`Choose the tables of a codec for ${numTx} rows, or another file.`);
  }
  if (from === to) {
    if (width === form[1]) return h;
    throw misfit("Choose the tables of a codec for this size, or another file.");
  }
  if (from === "space_frequency") {
    if (width < form[1]) throw misfit("It has too few subcarriers.");
    return resized(toAngularDelay(h, shape), width, form[1]);
  }
  if (width > form[1]) throw misfit("It has more taps than subcarriers.");
  return toSpaceFrequency(resized(h, width, form[1]), form);
}

// Columns are cut off or filled with zeros.
function resized(h, from, to) {
  const numTx = h.length / 2 / from;
  const result = new Float64Array(2 * numTx * to);
  for (let row = 0; row < numTx; row++) {
    const kept = h.subarray(2 * row * from, 2 * (row * from + Math.min(from, to)));
    result.set(kept, 2 * row * to);
  }
  return result;
}

// Rows move down by so many, those at the end to the front.
function shifted(h, [numTx, width], by) {
  const result = new Float64Array(h.length);
  for (let row = 0; row < numTx; row++) {
    const place = (row + by) % numTx;
    const content = h.subarray(2 * row * width, 2 * (row + 1) * width);
    result.set(content, 2 * place * width);
  }
  return result;
}

function alongRows(h, [numTx, width], sign) {
  const result = new Float64Array(h.length);
  for (let row = 0; row < numTx; row++) {
    dft(h, result, 2 * row * width, 2, width, sign);
  }
  return result;
}

function alongColumns(h, [numTx, width], sign) {
  const result = new Float64Array(h.length);
  for (let column = 0; column < width; column++) {
    dft(h, result, 2 * column, 2 * width, numTx, sign);
  }
  return result;
}

// A unitary DFT of `size` numbers, which begin at `start` and are `apart` places apart.
function dft(from, to, start, apart, size, sign) {
  const turns = Array.from({ length: size }, (_, k) => {
    const turn = (2 * Math.PI * sign * k) / size;
    return [Math.cos(turn) / Math.sqrt(size), Math.sin(turn) / Math.sqrt(size)];
  });
  for (let k = 0; k < size; k++) {
    let [re, im] = [0, 0];
    for (let i = 0; i < size; i++) {
      const [x, y] = turns[(i * k) % size];
      const at = start + i * apart;
      re += from[at] * x - from[at + 1] * y;
      im += from[at] * y + from[at + 1] * x;
    }
    to[start + k * apart] = re;
    to[start + k * apart + 1] = im;
  }
}

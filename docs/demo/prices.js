// Prices of paths: their code lengths while they are searched, as
// tfcsi/coding/path_prices.py. No DOM, no libraries.

import { EDGE } from "./atoms.js";
import { classOf, CLASSES, FIRST, numberOf } from "./lattice.js";
import { rowOf, setOf } from "./path_laws.js";

const WEIGHT = 2 ** 16; // What the weights of the four laws sum to.
const FIRSTS = 16;
const POINTS = FIRST[CLASSES];
const [END, START] = [CLASSES, CLASSES];

export class Prices {
  constructor({ tables, laws }, delay) {
    this.laws = laws;
    this.delay = delay;
    this.weights = [0, 1, 2, 3].map((set) =>
      Array.from(rowOf(tables.weights, set), (weight) => weight / WEIGHT),
    );
    this.classBits = Float64Array.from(
      tables.classes.data,
      (mass) => 16 - Math.log2(Math.max(mass, 0.5)),
    );
  }

  // What candidates {re, im, i, j} for a path cost [bits]; i and j are the numbers of
  // their places among three angles and three delays. `start` is the context of the
  // class of the first path.
  of(candidates, angles, delays, digits, others, start) {
    const numbers = candidates.map(({ re, im, fits }) =>
      numberOf(...(fits ? [re, im] : [1, 0])),
    );
    // Ranks differ little: places take that of the middle one.
    const middle = Math.max(
      ...candidates.map(({ i, j }, k) => (i === 1 && j === 1 ? numbers[k] : 0)),
    );
    const earlier = others.filter(({ number }) => number >= middle);
    const places = this.ofPlaces(angles, delays, digits, earlier);
    return candidates.map(({ i, j, fits }, k) =>
      fits ? this.ofGain(numbers[k], others, start) + places[i][j] : 0,
    );
  }

  bits(before, context, c) {
    return this.classBits[(before * FIRSTS + context) * (CLASSES + 1) + c];
  }

  // Classes and points: those of the list less those of the list without the point.
  ofGain(number, others, start) {
    let [above, below, largest] = [POINTS + 1, -1, number];
    for (const { number: other } of others) {
      if (other >= number) above = Math.min(above, other);
      else below = Math.max(below, other);
      largest = Math.max(largest, other);
    }
    const first = classOfNumber(largest) >> 1;
    const a = above > POINTS ? START : classOfNumber(above);
    const b = below < 0 ? END : classOfNumber(below);
    const c = classOfNumber(number);
    const context = a === START ? start : first;
    const top = Math.min(above, POINTS - 1, FIRST[c + 1] - 1);
    return (
      this.bits(a, context, c) +
      this.bits(c, first, b) -
      this.bits(a, context, b) +
      Math.log2(top - FIRST[c] + 1)
    );
  }

  // [3 angles][3 delays].
  ofPlaces(angles, delays, digits, earlier) {
    const cell = EDGE / 2 ** digits;
    const [count, set] = [earlier.length, setOf(earlier.length)];
    const [near, nearDelay, nearAngle, rest] = this.weights[set];
    const { angles: ofAngle, delays: ofDelay, boxOfDelay, numBoxes } = this.laws;
    const anyDelay = delays.map((d) => ofDelay.any.share(2 * d, cell, set));
    const anyAngle = angles.map((a) => ofAngle.any.share(2 * a, cell, set));
    const total = anyAngle.map((a) => anyDelay.map((d) => (count ? rest : 1) * a * d));
    for (const { angle, delay } of earlier) {
      const far = angles.map((a) => 2 * (a - angle));
      const beside = far.map((f) => ofAngle.alone.share(f, cell, set));
      delays.forEach((place, j) => {
        const distance = 2 * this.delay.distance(place, delay);
        const row = set * numBoxes + boxOfDelay(distance);
        const [both, alone] = ["near", "alone"].map((law) =>
          ofDelay[law].share(distance, cell, set),
        );
        far.forEach((f, i) => {
          total[i][j] +=
            (near * both * ofAngle.near.share(f, cell, row) +
              nearDelay * alone * anyAngle[i] +
              nearAngle * beside[i] * anyDelay[j]) /
            count;
        });
      });
    }
    return total.map((row) => row.map((share) => -Math.log2(share + 1e-9)));
  }
}

function classOfNumber(number) {
  let c = 0;
  while (FIRST[c + 1] <= number) c++;
  return c;
}

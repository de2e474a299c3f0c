// The rate of each packet of a codec that has several, from what a user wishes, as
// tfcsi/coding/rate_dial.py. No DOM, no libraries.

// What is sent at the rate that meets the wishes. `sendAt` takes the number of a rate and
// returns {packet}; `steps` are the mean steps of the rates, falling; `usual` is the rate
// that is taken if nothing is wished. Of `step` the nearest rate is taken. With `maxBits`
// it is the finest rate that keeps to it, with both it is so if that of `step` does not.
export function sendAtRate(sendAt, { steps, usual }, { step = null, maxBits = null }) {
  checkWishes({ step, maxBits });
  if (step !== null && step <= 0) {
    throw new Error(`The step is ${step}. It must be a positive number.`);
  }
  const fits = ({ packet }) => maxBits === null || 8 * packet.length <= maxBits;
  if (step !== null || maxBits === null) {
    const sent = sendAt(step === null ? usual : nearest(steps, step));
    if (fits(sent)) return sent;
  }
  for (let rate = steps.length - 1; rate >= 0; rate--) {
    const sent = sendAt(rate);
    if (fits(sent)) return sent;
  }
  throw new Error(`The matrix needs more than ${maxBits} bits at the coarsest rate.`);
}

// Refuses wishes where a codec has no choice.
export function refuseWishes(wishes) {
  checkWishes(wishes);
  if (Object.values(wishes).some((wish) => wish !== null)) {
    throw new Error(
      "Here this codec sends at one rate. A step or a limit of bits is for a codec of " +
        "several rates (quantizer uniform_rates): choose its files, or leave them out.",
    );
  }
}

// Geometric means of the rows of an array [rates, entries].
export function meanSteps(steps, entries) {
  return Array.from({ length: steps.length / entries }, (_, rate) => {
    const row = Array.from(steps.slice(rate * entries, (rate + 1) * entries));
    return Math.exp(row.reduce((sum, step) => sum + Math.log(step), 0) / entries);
  });
}

function checkWishes(wishes) {
  for (const [name, wish] of Object.entries(wishes)) {
    if (wish !== null && !Number.isFinite(wish)) {
      throw new Error(`${name} is ${wish}. It must be a finite number.`);
    }
  }
}

function nearest(steps, step) {
  const away = steps.map((its) => Math.abs(Math.log(its / step)));
  return away.indexOf(Math.min(...away));
}

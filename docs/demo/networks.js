// Networks in the browser: LiteRT.js runs TFLite files. No DOM.

import { Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";

const WASM = new URL("node_modules/@litertjs/core/wasm/", import.meta.url).pathname;
let ready = null;

// Compiles a TFLite file.
export async function loadNetwork(bytes) {
  ready ??= loadLiteRt(WASM);
  await ready;
  try {
    return await loadAndCompile(bytes, { accelerator: "wasm" });
  } catch (error) {
    throw new Error(
      "The network does not run here. Choose a .tflite file of tfcsi export that takes " +
        `float32, not int8_full or int16x8. LiteRT says: ${error.message}`,
    );
  }
}

// What a network makes of numbers. A network of paths takes the number of the step, too.
export async function runNetwork(network, x, step) {
  const inputs = network.getInputDetails().map(({ shape }) => {
    const sides = Array.from(shape);
    const size = sides.reduce((all, side) => all * side, 1);
    if (sides.length > 1 && size !== x.length) {
      throw new Error(
        `The network takes ${size} numbers, and the tables are for ${x.length}. Choose ` +
          "files of one export.",
      );
    }
    return new Tensor(sides.length > 1 ? x : Int32Array.of(step), sides);
  });
  const outputs = await network.run(inputs);
  const y = outputs[0].toTypedArray().slice();
  [...inputs, ...outputs].forEach((tensor) => tensor.delete());
  return y;
}

// Refuses a network that is none of those that were exported with tables. Early tables do not
// name them, and a page that came over plain HTTP from another computer cannot tell.
export async function checkNetwork(bytes, ue, name) {
  if (!ue.encoders?.length || !globalThis.crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const same = (known) => known.every((byte, i) => byte === digest[i]);
  if (ue.encoders.some(same)) return;
  throw new Error(
    `The ${name} was not exported with these tables. Choose files of one export.`,
  );
}

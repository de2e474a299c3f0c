// The page: files and CSI in, the picture, the symbols and the packet out.

import { Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";
import { readNpy, readNpz } from "./npy.js";
import { packetFile, packetParts } from "./packet.js";
import { encodeOutput, networkInput, readTables } from "./ue.js";

const WASM = new URL("node_modules/@litertjs/core/wasm/", import.meta.url).pathname;
const GIVEN = new URLSearchParams(location.search); // ?encoder=URL&tables=URL&csi=URL
const DEFAULTS = { encoder: "encoder.tflite", tables: "tables.npz", csi: "csi.npy" };
const $ = (id) => document.getElementById(id);
const state = { encoder: null, ue: null, csi: null }; // csi: [{shape, h}]

const LOADERS = {
  async encoder(bytes) {
    const before = state.encoder;
    try {
      state.encoder = await loadAndCompile(bytes, { accelerator: "wasm" });
    } catch (error) {
      throw new Error(
        `the encoder does not run here, choose one that takes float32: ${error.message}`,
      );
    }
    before?.delete();
  },
  async tables(bytes) {
    state.ue = readTables(await readNpz(bytes));
  },
  async csi(bytes) {
    const { shape, data } = readNpy(bytes);
    const [numTx, numDelay, parts] = shape.slice(-3);
    if (shape.length < 3 || shape.length > 4 || parts !== 2) {
      throw new Error(`CSI must be complex [n, num_tx, num_delay], got [${shape}]`);
    }
    const size = 2 * numTx * numDelay;
    state.csi = Array.from({ length: data.length / size }, (_, i) => ({
      shape: [numTx, numDelay],
      h: data.slice(i * size, (i + 1) * size),
    }));
    $("matrix").value = 0;
  },
};

async function start() {
  for (const [id, load] of Object.entries(LOADERS)) {
    onEvent(id, "change", async () => {
      const [file] = $(id).files;
      if (file) await load(new Uint8Array(await file.arrayBuffer()));
      await show();
    });
  }
  onEvent("matrix", "input", show);
  onEvent("random", "click", async () => {
    state.csi = [randomPaths(state.ue?.shape ?? [32, 32])];
    $("matrix").value = 0;
    await show();
  });
  await loadLiteRt(WASM);
  for (const [id, url] of Object.entries(DEFAULTS)) {
    const response = await fetch(GIVEN.get(id) ?? url);
    if (response.ok) await LOADERS[id](new Uint8Array(await response.arrayBuffer()));
    else if (GIVEN.has(id)) throw new Error(`${GIVEN.get(id)}: ${response.statusText}`);
  }
  await show();
}

function onEvent(id, event, task) {
  $(id).addEventListener(event, () => inTurn(task));
}

// Runs `task` after those before it; shows its error on the page.
let last = Promise.resolve();
function inTurn(task) {
  last = last.then(task).catch((error) => {
    console.error(error);
    say(error.message ?? String(error), true);
  });
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

async function show() {
  ["csi-facts", "symbol-facts", "packet-facts", "packet"].forEach(
    (id) => ($(id).textContent = ""),
  );
  $("save").hidden = true;
  delete $("packet").dataset.matrix;
  $("matrix").max = (state.csi?.length ?? 1) - 1;
  $("count").textContent = state.csi ? `of 0 to ${state.csi.length - 1}` : "";
  const matrix = state.csi?.[$("matrix").valueAsNumber];
  if (!matrix) return say("Choose CSI, a .npy file, and one of its matrices.");
  drawMatrix(matrix);
  if (!state.encoder || !state.ue) {
    return say(
      "Choose an encoder and the tables.npz beside it, which tfcsi export wrote.",
    );
  }
  const { x, gain } = networkInput(matrix.h, state.ue);
  const began = performance.now();
  const y = await run(x);
  const encoded = performance.now();
  const sent = encodeOutput(y, gain, state.ue);
  const done = performance.now();
  drawSymbols(sent.symbols);
  writePacket(sent, 4 * x.length);
  const times = [encoded - began, done - encoded].map((ms) => ms.toFixed(1));
  say(`${state.ue.codec}: encoder ${times[0]} ms, quantiser and coder ${times[1]} ms`);
}

async function run(x) {
  // A network of paths takes the number of the step too.
  const inputs = state.encoder.getInputDetails().map(({ shape }) => {
    const content = shape.length > 1 ? x : Int32Array.of(state.ue.step);
    return new Tensor(content, Array.from(shape));
  });
  const [output] = await state.encoder.run(inputs);
  const y = output.toTypedArray().slice();
  [...inputs, output].forEach((tensor) => tensor.delete());
  return y;
}

function drawMatrix({ shape: [numTx, numDelay], h }) {
  const canvas = $("picture");
  [canvas.width, canvas.height] = [numDelay, numTx];
  const magnitude = Array.from({ length: h.length / 2 }, (_, i) =>
    Math.hypot(h[2 * i], h[2 * i + 1]),
  );
  const peak = Math.max(...magnitude);
  const image = new ImageData(numDelay, numTx);
  magnitude.forEach((m, i) => image.data.set([...color(m / peak), 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
  $("csi-facts").textContent = `${numTx} x ${numDelay}, at most ${peak.toPrecision(3)}`;
}

// A dark to light scale, 0 to 1; the square root shows weak paths too.
const SCALE = [
  [13, 8, 60],
  [84, 16, 120],
  [176, 42, 107],
  [240, 110, 60],
  [252, 235, 150],
];
function color(share) {
  const at = Math.sqrt(share || 0) * (SCALE.length - 1);
  const k = Math.min(Math.floor(at), SCALE.length - 2);
  return SCALE[k].map((from, i) => from + (at - k) * (SCALE[k + 1][i] - from));
}

function drawSymbols(symbols) {
  const canvas = $("bars");
  const ratio = devicePixelRatio;
  [canvas.width, canvas.height] = [
    canvas.clientWidth * ratio,
    canvas.clientHeight * ratio,
  ];
  const [low, high] = [Math.min(0, ...symbols), Math.max(0, ...symbols)];
  const unit = (canvas.height - 2 * ratio) / Math.max(high - low, 1);
  const zero = ratio + high * unit;
  const width = canvas.width / symbols.length;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  context.fillStyle = style.getPropertyValue("color");
  context.fillRect(0, zero, canvas.width, 1);
  symbols.forEach((symbol, i) => {
    context.fillRect(i * width, zero, Math.max(width - 1, 1), -symbol * unit);
  });
  const zeros = symbols.filter((symbol) => !symbol).length;
  $("symbol-facts").textContent =
    `${symbols.length} integers from ${low} to ${high}, ${zeros} of them zero`;
}

function writePacket({ packet, side }, rawBytes) {
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const size = packet.length;
  $("packet-facts").textContent =
    `${size} bytes, ${8 * size} bits; ` +
    `1/${Math.round(rawBytes / size)} of ${rawBytes} bytes of float32`;
  for (const [name, start, end] of packetParts(packet, side, state.ue)) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = Array.from(packet.slice(start, end), hex).join(" ") + " ";
    $("packet").append(part);
  }
  $("packet").dataset.matrix = $("matrix").value;
  URL.revokeObjectURL($("save").href);
  $("save").href = URL.createObjectURL(new Blob([packetFile(state.ue, [packet])]));
  $("save").hidden = false;
}

// A few paths, each a peak over angle and delay with side lobes; max |h| = 0.5.
function randomPaths([numTx, numDelay]) {
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
  return { shape: [numTx, numDelay], h: h.map((part) => (part * 0.5) / peak) };
}

inTurn(start);

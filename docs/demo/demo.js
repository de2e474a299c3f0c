// The page: files in; pictures, packets and files of packets out.

import * as charts from "./charts.js";
import { NeuralCodec, PathNetworkCodec } from "./codecs.js";
import { randomPaths, readCsi } from "./csi.js";
import { inForm, toAngularDelay } from "./domains.js";
import { drawFigures, drawPacket, element, offer, paint } from "./draw.js";
import { checkNetwork, loadNetwork, runNetwork } from "./networks.js";
import { readNpz } from "./npy.js";
import { packetFile } from "./packet.js";
import { bitsByKind, partsOf } from "./parts.js";
import { errorOf, PathCodec } from "./path_codec.js";
import { readTables } from "./ue.js";

const GIVEN = new URLSearchParams(location.search); // Such as ?paths=URL&csi=URL.
const DEFAULTS = {
  paths: "paths.npz",
  tables: "tables.npz",
  encoder: "encoder.tflite",
  decoder: "decoder.tflite",
  csi: "csi.npy",
};
const $ = (selector) => document.querySelector(selector);
const inDb = (linear) => 10 * Math.log10(linear);
const numberIn = (selector) => ($(selector).value === "" ? null : $(selector).valueAsNumber);
const loaded = {}; // By the names of DEFAULTS. A file that was refused leaves nothing.

const LOADERS = {
  paths: async (bytes) => {
    const ue = readTables(await readNpz(bytes));
    if (!ue.sets) throw new Error(`The tables are of ${ue.codec}, not of the codec paths.`);
    return new PathCodec(ue);
  },
  tables: async (bytes) => readTables(await readNpz(bytes)),
  encoder: async (bytes) => ({ bytes, network: await loadNetwork(bytes) }),
  decoder: async (bytes) => ({ bytes, network: await loadNetwork(bytes) }),
  csi: async (bytes) => readCsi(bytes),
};

// The codecs of the page: where each is shown, and how it is made of what is loaded.
const CODECS = [
  {
    place: "#of-paths",
    make: () =>
      loaded.paths ?? "Choose the tables of paths. tfcsi export --codec=paths writes them.",
    wishes: () => ({ nmseDb: numberIn("#nmse") }),
  },
  { place: "#of-neural", make: neural, wishes: () => ({ maxBits: numberIn("#bits") }) },
];

async function neural() {
  const { tables, encoder, decoder } = loaded;
  if (!tables || !encoder) {
    return "Choose an encoder and its tables. tfcsi export --decoder writes all three files.";
  }
  await checkNetwork(encoder.bytes, tables, "encoder");
  const encode = (x) => runNetwork(encoder.network, x, tables.step);
  if (tables.sets) return new PathNetworkCodec(tables, encode);
  if (!decoder) return new NeuralCodec(tables, encode, null);
  await checkNetwork(decoder.bytes, tables, "decoder");
  return new NeuralCodec(tables, encode, (y) => runNetwork(decoder.network, y));
}

async function start() {
  for (const { place } of CODECS) $(place).append($("#codec").content.cloneNode(true));
  for (const id of Object.keys(DEFAULTS)) {
    onEvent(id, "change", async () => {
      const [file] = $(`#${id}`).files;
      if (file) await load(id, file.name, new Uint8Array(await file.arrayBuffer()));
      await show();
    });
  }
  for (const id of ["matrix", "nmse", "bits"]) onEvent(id, "input", show);
  onEvent("domain", "change", show);
  onEvent("random", "click", async () => {
    const { ue } = loaded.paths ?? { ue: loaded.tables };
    loaded.csi = randomPaths(ue?.shape ?? [32, 32]);
    $("#domain").value = "angular_delay";
    $("#matrix").value = 0;
    await show();
  });
  onEvent("all", "click", compressAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  if (GIVEN.has("domain")) $("#domain").value = GIVEN.get("domain");
  for (const [id, url] of Object.entries(DEFAULTS)) {
    const response = await fetch(GIVEN.get(id) ?? url);
    if (response.ok) {
      await load(id, response.url, new Uint8Array(await response.arrayBuffer()));
    } else if (GIVEN.has(id)) {
      throw new Error(`${GIVEN.get(id)}: ${response.statusText}`);
    }
  }
  await show();
}

async function load(id, name, bytes) {
  loaded[id]?.network?.delete();
  delete loaded[id];
  if (id === "csi") $("#matrix").value = 0;
  try {
    loaded[id] = await LOADERS[id](bytes);
  } catch (error) {
    throw new Error(`${name.split("/").pop()}: ${error.message}`);
  }
}

// Events are served one after the other; a new one ends the work on all matrices.
let last = Promise.resolve();
let newest = 0;
function onEvent(id, event, task) {
  $(`#${id}`).addEventListener(event, () => inTurn(task));
}

function inTurn(task) {
  const number = ++newest;
  last = last
    .then(() => task(number))
    .catch(async (error) => {
      console.warn(error);
      clear();
      say($("#status"), error.message ?? String(error), true);
    })
    .then(paint)
    .then(() => (document.body.dataset.painted = number));
}

function say(place, text, bad = false) {
  place.textContent = text;
  place.classList.toggle("bad", bad);
}

function clear() {
  $("#overview").hidden = $("#together").hidden = true;
  for (const { place } of CODECS) {
    $(`${place} .result`).hidden = true;
    say($(`${place} .facts`), "");
  }
}

// Compresses the chosen matrix by both codecs, and shows what comes of it.
async function show() {
  const { csi } = loaded;
  clear();
  $("#matrix").max = (csi?.num ?? 1) - 1;
  $("#count").textContent = csi ? `of 0 to ${csi.num - 1}` : "";
  const number = $("#matrix").valueAsNumber;
  if (!csi) return say($("#status"), "Choose CSI, a .npy file.", true);
  if (!Number.isInteger(number) || number < 0 || number >= csi.num) {
    return say($("#status"), `Choose a matrix of 0 to ${csi.num - 1}.`, true);
  }
  const matrix = csi.matrix(number);
  say($("#status"), `${csi.num} CSI matrices of ${csi.shape.join(" x ")}`);
  const bits = {};
  let first = null; // What was drawn as the true matrix.
  for (const { place, make, wishes } of CODECS) {
    try {
      const codec = await make();
      if (typeof codec === "string") {
        say($(`${place} .facts`), codec);
        continue;
      }
      const result = await compressed(codec, matrix, wishes());
      first ??= await showTrue(result, codec.ue);
      await showResult(place, codec, result, first, number);
      bits[nameOf(codec, bits)] = bitsByKind(result.parts);
    } catch (error) {
      console.warn(error);
      say($(`${place} .facts`), error.message ?? String(error), true);
    }
  }
  if (!first) return;
  $("#together").hidden = false;
  $("#together .scroll").hidden = true;
  $("#progress").textContent = "";
  await drawFigures($("#overview .bits .row"), [charts.bitsOfParts(bits)]);
}

function nameOf(codec, others) {
  return codec.ue.codec in others ? `${codec.ue.codec}, by a network` : codec.ue.codec;
}

async function compressed(codec, matrix, wishes) {
  const { domain, shape } = codec.ue;
  const h = inForm(matrix, $("#domain").value, domain, shape);
  const began = performance.now();
  const sent = await codec.compress(h, wishes);
  const ms = performance.now() - began;
  const nmse = sent.hHat ? errorOf(h, sent.hHat) : null;
  return { ...sent, h, ms, nmse, parts: partsOf(sent, codec.ue) };
}

// Draws the true matrix of a result; returns its form.
async function showTrue({ h, hHat }, { shape, domain }) {
  $("#overview").hidden = false;
  const [picture] = charts.csi(h, hHat ?? h, shape, domain, 0);
  await drawFigures($("#overview .true .row"), [picture]);
  return `${shape} ${domain}`;
}

async function showResult(place, codec, result, first, number) {
  const { packet, parts, paths, hHat, h, nmse, ms } = result;
  const { ue } = codec;
  const at = (selector) => $(`${place} ${selector}`);
  at("h2").textContent = `${ue.codec}${codec.encode && paths ? ", by a network" : ""}`;
  at(".result").hidden = false;
  at(".csi").hidden = !hHat;
  if (hHat) {
    const figures = charts.csi(h, hHat, ue.shape, ue.domain, inDb(nmse));
    const same = first === `${ue.shape} ${ue.domain}`; // The true matrix is above.
    await drawFigures(at(".csi .row"), figures.slice(same ? 1 : 0));
  }
  const own = paths
    ? charts.paths(paths, result.scale, inAngles(h, ue), codec.atoms)
    : charts.symbolBars(result.symbols);
  await drawFigures(at(".own .row"), [own]);
  at(".own figcaption").textContent = paths
    ? "The paths in the packet, over the true matrix"
    : "The symbols in the packet";
  drawPacket(at(".packet"), packet, parts, bitsByKind(parts));
  at(".packet").dataset.matrix = number;
  offer(at(".save"), packetFile(ue, [packet]), "Save the packet for tfcsi decompress");
  at(".save").download = `${ue.codec}.tcsi`;
  const facts = [
    `${packet.length} bytes, ${8 * packet.length} bits`,
    ue.contexts ? "the page has no decoder of this codec" : nmseWords(nmse),
    paths ? `${paths.length} paths` : `${result.symbols.length} symbols`,
    `${ms.toFixed(0)} ms`,
  ];
  if (result.missed) facts.push("the finest step misses the NMSE that was asked for");
  if (result.scaled) facts.push("the packet does not tell the power of the matrix");
  say(at(".facts"), facts.join("; "), result.missed);
}

function nmseWords(nmse) {
  if (nmse === null) return "choose the decoder for the NMSE";
  return nmse ? `NMSE ${inDb(nmse).toFixed(2)} dB` : "no error";
}

function inAngles(h, { shape, domain }) {
  return domain === "space_frequency" ? toAngularDelay(h, shape) : h;
}

// Compresses all matrices by each codec, and offers files of their packets.
async function compressAll(number) {
  const rows = [];
  for (const { make, wishes } of CODECS) {
    const codec = await make();
    if (typeof codec === "string") continue;
    const packets = [];
    let error = 0;
    for (let i = 0; i < loaded.csi.num; i++) {
      const sent = await compressed(codec, loaded.csi.matrix(i), wishes()).catch((cause) => {
        throw new Error(`Matrix ${i}, ${codec.ue.codec}: ${cause.message}`);
      });
      packets.push(sent.packet);
      error += (sent.nmse ?? NaN) / loaded.csi.num;
      $("#progress").textContent = `${codec.ue.codec}: ${i + 1} of ${loaded.csi.num}`;
      await new Promise((done) => setTimeout(done)); // The page stays alive.
      if (number !== newest) return;
    }
    rows.push(rowOf(codec, packets, error));
  }
  $("#progress").textContent = "";
  $("#together .scroll").hidden = false;
  $("#together tbody").replaceChildren(...rows);
}

function rowOf({ ue }, packets, error) {
  const bits = packets.reduce((sum, packet) => sum + 8 * packet.length, 0);
  const name = `${ue.codec}.tcsi`;
  const link = element("a", { download: name, class: "save" });
  offer(link, packetFile(ue, packets), name);
  const cells = [
    ue.codec,
    packets.length,
    (bits / packets.length).toFixed(1),
    Number.isNaN(error) ? "" : inDb(error).toFixed(2),
    link,
  ];
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}

inTurn(start);

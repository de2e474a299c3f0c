// Works the page in headless Chromium and prints, as JSON, what it shows after each step.
//
//     node drive.mjs CHROMIUM URL < steps.json
//
// A step is {csi: FILE}, {domain: VALUE}, {matrix: NUMBER}, {nmse: DB} and so on, after the
// ids of the page, {random: true}, {all: true}, or {} for the page as it is. With `shot` it
// also takes a screenshot to that file, `width` and `scheme` (light or dark) set how.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const TIMEOUT = 240_000; // Of a busy computer, in milliseconds.
const [executablePath, url] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(0));
const args = ["no-sandbox", "disable-gpu", "disable-quic", "disable-background-networking"];
const browser = await chromium.launch({
  executablePath,
  timeout: TIMEOUT,
  args: args.map((name) => `--${name}`),
});
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  page.setDefaultTimeout(TIMEOUT);
  const faults = [];
  const requests = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  await page.locator("body[data-painted='1']").waitFor();
  const shown = [];
  let painted = 1;
  for (const step of steps) {
    if (await act(page, step)) painted++;
    await page.locator(`body[data-painted='${painted}']`).waitFor();
    await page.waitForFunction(settled);
    shown.push(await look(page));
    if (step.shot) await page.screenshot({ path: step.shot, fullPage: true });
  }
  console.log(JSON.stringify({ shown, faults, requests }));
} finally {
  await browser.close();
}

// Does what a step says; returns whether the page computes anew.
async function act(page, { shot, width, scheme, ...step }) {
  if (width) await page.setViewportSize({ width, height: 900 });
  if (scheme) await page.emulateMedia({ colorScheme: scheme });
  const [[id, value] = []] = Object.entries(step);
  if (!id) return false;
  const control = page.locator(`#${id}`);
  if (value === true) await control.click();
  else if (id === "domain") await control.selectOption(value);
  else if (typeof value === "string") await control.setInputFiles(value);
  else await control.fill(value === null ? "" : String(value));
  return true;
}

async function look(page) {
  const codecs = {};
  for (const id of ["paths", "neural"]) {
    const place = page.locator(`#of-${id}`);
    const seen = {
      facts: await place.locator(".facts").innerText(),
      bad: await place.locator(".facts.bad").count(),
    };
    if (await place.locator(".result").isVisible()) {
      const bytes = await place.locator(".bytes span").allInnerTexts();
      seen.packet = bytes.join("");
      seen.matrix = Number(await place.locator(".packet").getAttribute("data-matrix"));
      seen.legend = await place.locator(".legend li").allInnerTexts();
      seen.file = await saved(page, place.locator(".save"));
    }
    codecs[id] = seen;
  }
  const table = [];
  for (const row of await page.locator("tbody tr:visible").all()) {
    const cells = await row.locator("td").allInnerTexts();
    table.push([...cells, await saved(page, row.locator("a"))]);
  }
  const layout = await page.evaluate(measure);
  const status = await page.locator("#status").innerText();
  return { ...codecs, table, status, ...layout };
}

// The content of a file that a link saves, in hexadecimal digits.
async function saved(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return readFileSync(await download.path()).toString("hex");
}

// Whether the pictures have the colours and the width of the page; runs in the page.
function settled() {
  const wide = (element) => element.getBoundingClientRect().width;
  return [...document.querySelectorAll(".js-plotly-plot")].every((chart) => {
    const [words, svg] = [chart.querySelector("text"), chart.querySelector(".main-svg")];
    if (!wide(chart)) return true; // It is hidden.
    const painted = words && getComputedStyle(words).fill === getComputedStyle(document.body).color;
    return painted && Math.abs(wide(chart) - wide(svg)) < 2;
  });
}

// How the page is laid out; runs in the page.
function measure() {
  const wide = document.documentElement.clientWidth;
  const charts = [...document.querySelectorAll(".js-plotly-plot")];
  const marks = ".scatterlayer .point, .heatmaplayer image, .barlayer path";
  // Charts, captions and packets lie below each other.
  const boxes = [...document.querySelectorAll("main p, .chart, figcaption, .bytes, h2")]
    .filter((part) => part.getClientRects().length)
    .map((part) => [part, part.getBoundingClientRect(), part.querySelector(".main-svg")]);
  const real = boxes.map(([, box, svg]) => (svg ? svg.getBoundingClientRect() : box));
  const collisions = real.flatMap((a, i) =>
    real.slice(i + 1).filter(
      (b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1,
    ),
  );
  const visible = charts.filter((chart) => chart.getBoundingClientRect().width);
  return {
    collisions: collisions.length,
    overflow: document.documentElement.scrollWidth - wide,
    charts: visible.map((chart) => ({
      width: chart.getBoundingClientRect().width,
      marks: chart.querySelectorAll(marks).length,
      title: chart.querySelector(".gtitle")?.textContent ?? "",
      text: getComputedStyle(chart.querySelector("text")).fill,
    })),
    background: getComputedStyle(document.body).backgroundColor,
  };
}

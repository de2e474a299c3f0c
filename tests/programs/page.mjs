// Opens a page in headless Chromium and prints, as JSON, how it is laid out.
//
//     node page.mjs CHROMIUM URL WIDTH light|dark SCREENSHOT

import { createRequire } from "node:module";
const demo = new URL("../../docs/demo/package.json", import.meta.url);
const { chromium } = createRequire(demo)("playwright-core");

const [executablePath, url, width, colorScheme, screenshot] = process.argv.slice(2);
const TIMEOUT = 240_000; // Of a busy computer, in milliseconds.
const args = ["disable-gpu", "disable-quic", "disable-background-networking"];
const browser = await chromium.launch({
  executablePath,
  timeout: TIMEOUT,
  args: ["no-sandbox", ...args].map((name) => `--${name}`),
});
const page = await browser.newPage({
  viewport: { width: Number(width), height: 900 },
  colorScheme,
});
const errors = [];
const requests = [];
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
page.on("request", (request) => requests.push(request.url()));
try {
  page.setDefaultTimeout(TIMEOUT);
  await page.goto(url);
  await page.locator("body[data-painted]").waitFor();
  const seen = await page.evaluate(() => {
    const wide = document.documentElement.clientWidth;
    const box = (element) => element.getBoundingClientRect();
    const inside = (element) => element.closest(".scroll, pre, svg");
    const outside = [...document.querySelectorAll("main *")].filter(
      (element) => !inside(element) && box(element).right > wide + 1,
    );
    const charts = [...document.querySelectorAll(".js-plotly-plot")];
    // Texts of a chart that lie on each other or leave the chart.
    const collisions = charts.flatMap((chart) => {
      const frame = box(chart);
      const texts = [...chart.querySelectorAll("text")].filter(
        (text) => text.textContent.trim() && box(text).width,
      );
      const beyond = texts.filter((text) => {
        const { left, right, top, bottom } = box(text);
        return (
          left < frame.left - 1 || right > frame.right + 1 ||
          top < frame.top - 1 || bottom > frame.bottom + 1
        );
      });
      const over = texts.flatMap((one, i) =>
        texts.slice(i + 1).filter((two) => {
          const [a, b] = [box(one), box(two)];
          return (
            a.left < b.right - 1 && b.left < a.right - 1 &&
            a.top < b.bottom - 2 && b.top < a.bottom - 2
          );
        }).map((two) => `${one.textContent} / ${two.textContent}`),
      );
      return [...beyond.map((text) => `${text.textContent} leaves the chart`), ...over];
    });
    const style = getComputedStyle(document.body);
    return {
      overflow: document.documentElement.scrollWidth - wide,
      outside: outside.map((element) => element.outerHTML.slice(0, 120)),
      charts: charts.map((chart) => ({
        width: box(chart).width,
        height: box(chart).height,
        marks: chart.querySelectorAll(
          ".scatterlayer .js-line, .scatterlayer .point, .heatmaplayer image, .barlayer path",
        ).length,
        text: getComputedStyle(chart.querySelector("text")).fill,
      })),
      collisions,
      images: [...document.images].map((image) => image.naturalWidth),
      tables: [...document.querySelectorAll("table")].map(
        (table) => table.parentElement.className,
      ),
      background: style.backgroundColor,
      text: style.color,
      words: document.body.innerText,
    };
  });
  await page.screenshot({ path: screenshot, fullPage: true });
  console.log(JSON.stringify({ ...seen, errors, requests }));
} finally {
  await browser.close();
}

// Opens the page in headless Chromium and prints, as JSON, what it shows of each matrix.
//
//     node drive.mjs CHROMIUM URL MATRICES SCREENSHOT

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [executablePath, url, matrices, screenshot] = process.argv.slice(2);
const args = ["disable-gpu", "disable-quic", "disable-background-networking"];
const browser = await chromium.launch({
  executablePath,
  args: ["no-sandbox", ...args].map((name) => `--${name}`),
});
try {
  const page = await browser.newPage({ viewport: { width: 1100, height: 620 } });
  page.on("pageerror", (error) => console.error(error));
  await page.goto(url);
  await page.locator("#packet[data-matrix]").waitFor();
  const shown = [];
  for (let matrix = 0; matrix < Number(matrices); matrix++) {
    await page.locator("#matrix").fill(String(matrix));
    await page.locator(`#packet[data-matrix="${matrix}"]`).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator("#save").click(),
    ]);
    shown.push({
      packet: (await page.locator("#packet").innerText()).replace(/\s/g, ""),
      facts: await page.locator("#packet-facts").innerText(),
      file: readFileSync(await download.path()).toString("hex"),
    });
  }
  await page.screenshot({ path: screenshot });
  console.log(JSON.stringify(shown));
} finally {
  await browser.close();
}

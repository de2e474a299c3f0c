// What the page draws: plotly pictures, bytes of packets, rows of tables.

import { bytesView } from "./parts.js";
import { PART_COLOURS } from "./charts.js";

const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };

export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

// Draws pictures side by side in place of what an element holds.
export async function drawFigures(place, figures) {
  place.querySelectorAll(".chart").forEach((chart) => Plotly.purge(chart));
  const charts = figures.map(({ layout: { height } }) =>
    element("div", { class: "chart", style: `height:${height}px` }),
  );
  place.replaceChildren(...charts);
  await Promise.all(
    figures.map(({ data, layout }, i) => Plotly.newPlot(charts[i], data, layout, CONFIG)),
  );
}

// Gives all pictures the colours of the page.
export async function paint() {
  const style = getComputedStyle(document.documentElement);
  const [text, line, page] = ["--text", "--line", "--page"].map((name) =>
    style.getPropertyValue(name).trim(),
  );
  const charts = [...document.querySelectorAll(".js-plotly-plot")];
  await Promise.all(
    charts.map((chart) => {
      const change = { "font.color": text, "hoverlabel.bgcolor": page };
      change["hoverlabel.font.color"] = text;
      for (const name of Object.keys(chart._fullLayout)) {
        if (!/^[xy]axis\d*$/.test(name)) continue;
        for (const part of ["gridcolor", "linecolor", "tickcolor"]) {
          change[`${name}.${part}`] = line;
        }
      }
      return Plotly.relayout(chart, change).then(() => Plotly.Plots.resize(chart));
    }),
  );
}

// Shows the bytes of a packet, coloured by what their bits carry, and a legend.
export function drawPacket(place, packet, parts, bits) {
  const legend = Object.entries(bits).map(([what, size]) => {
    const colour = element("i", { style: `background:${PART_COLOURS[what]}` });
    return element("li", {}, colour, `${what}, ${size.toFixed(1)} bits`);
  });
  const bytes = bytesView(packet, parts).map(({ text, words, stops }) => {
    const colours = stops.map(([colour, from, to]) => `${colour} ${from}% ${to}%`);
    const style = `background-image:linear-gradient(to right, ${colours.join(", ")})`;
    return element("span", { title: words, style }, text);
  });
  place.replaceChildren(
    element("ul", { class: "legend" }, ...legend),
    element("div", { class: "bytes" }, ...bytes),
  );
}

// Points a link at a file of bytes.
export function offer(link, bytes, words) {
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.textContent = words;
  link.hidden = false;
}

// Pictures for plotly, as tfcsi/evaluation/charts.py makes them for the report: each is
// {data, layout}. No DOM, no libraries.

const UNIT = 128; // Places in a bin.
const FLOOR_DB = -40; // Of the picture behind the paths.
const [ANGLE, DELAY] = ["angle [bins]", "delay [taps]"];
const AXES = {
  angular_delay: [ANGLE, DELAY],
  space_frequency: ["antenna", "subcarrier"],
};
const COLOURS = [
  ...["#3f7fd6", "#e0812f", "#2f9e6b", "#b65bb0", "#c94f55", "#8b7a2b", "#2a98a8"],
  ...["#7b6fd0", "#a8663c", "#6a8f3a", "#d0679a", "#4aa3df", "#b8a33a"],
];
// Viridis, and the scale "gray" of the Python side, which plotly.js does not know.
const VIRIDIS = scaleOf(
  ...["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779"],
  ...["#6ece58", "#b5de2b", "#fde725"],
);
const GRAY = scaleOf(
  ...["rgb(0, 0, 0)", "rgb(16, 16, 16)", "rgb(38, 38, 38)", "rgb(59, 59, 59)"],
  ...["rgb(81, 80, 80)", "rgb(102, 101, 101)", "rgb(124, 123, 122)", "rgb(146, 146, 145)"],
  ...["rgb(171, 171, 170)", "rgb(197, 197, 195)", "rgb(224, 224, 223)", "rgb(254, 254, 253)"],
);
// What bits carry to its colour; those without content are grey.
export const PART_COLOURS = {
  check: "#68788a",
  "side information": COLOURS[0],
  "set of tables": COLOURS[1],
  "step and norm": COLOURS[2],
  gains: COLOURS[3],
  delays: COLOURS[4],
  angles: COLOURS[5],
  "end of the list": COLOURS[6],
  "symbols that are zero": COLOURS[7],
  "symbols that are not zero": COLOURS[8],
  "coded CSI": COLOURS[11],
  "end of the code, padding": "#9aa7b5",
};

// Magnitudes of a true matrix, its reconstruction and the error: three pictures with one
// scale of colours.
export function csi(h, hHat, [, width], domain, lossDb) {
  const [up, right] = AXES[domain];
  const error = h.map((part, i) => part - hHat[i]);
  const true_ = magnitudes(h);
  const words = Number.isFinite(lossDb) ? `, ${lossDb.toFixed(1)} dB` : "";
  return [
    ["true", true_],
    ["decoded", magnitudes(hHat)],
    [`error${words}`, magnitudes(error)],
  ].map(([title, z]) => {
    const layout = styled(right, up, 300);
    layout.title = { text: title, font: { size: 14 }, x: 0.5 };
    layout.margin.t = 36;
    const heatmap = {
      type: "heatmap",
      z: rows(z.map(rounded(5)), width),
      colorscale: VIRIDIS,
      zmin: 0,
      zmax: largest(true_),
      colorbar: bar(""),
      hovertemplate: `${up} %{y}, ${right} %{x}: %{z:.4g}<extra></extra>`,
    };
    return { data: [heatmap], layout };
  });
}

// The paths of a packet over the true matrix in angle and delay. `scale` is the unit of
// their gains.
export function paths(list, scale, h, atoms) {
  const [numTx, numDelay] = atoms.shape;
  const magnitude = magnitudes(h);
  const peak = largest(magnitude);
  const db = magnitude.map((m) => 20 * Math.log10(Math.max(m / (peak || 1), 10 ** (FLOOR_DB / 20))));
  const norm = Math.sqrt(magnitude.reduce((sum, m) => sum + m * m, 0));
  const strength = list.map(({ power }) => Math.sqrt(power));
  const strongest = Math.max(1, largest(strength));
  const layout = styled(DELAY, ANGLE, 420);
  Object.assign(layout.xaxis, { range: [-0.5, numDelay - 0.5], showgrid: false });
  Object.assign(layout.yaxis, { range: [-0.5, numTx - 0.5], showgrid: false });
  const heatmap = {
    type: "heatmap",
    z: rows(db.map(rounded(2)), numDelay),
    colorscale: GRAY,
    zmin: FLOOR_DB,
    zmax: 0,
    colorbar: bar("|h| [dB]"),
    hovertemplate: "angle %{y}, delay %{x}: %{z:.1f} dB<extra></extra>",
    showlegend: false,
  };
  const rings = {
    type: "scatter",
    x: list.map(({ delay }) => binOf(delay, atoms.delay)),
    y: list.map(({ angle }) => binOf(angle, atoms.angle)),
    mode: "markers",
    name: "paths",
    marker: {
      size: strength.map((size) => 7 + 13 * Math.sqrt(size / strongest)),
      color: "rgba(255, 138, 31, 0.2)",
      line: { color: "#ff8a1f", width: 2.5 },
    },
    customdata: list.map(({ re, im }, i) => [
      i + 1,
      20 * Math.log10((strength[i] * scale) / norm),
      (180 * Math.atan2(im, re)) / Math.PI,
    ]),
    hovertemplate:
      "path %{customdata[0]:.0f}<br>angle %{y:.2f}, delay %{x:.2f}" +
      "<br>%{customdata[1]:.1f} dB of the matrix, %{customdata[2]:.0f} degrees" +
      "<extra></extra>",
    showlegend: false,
  };
  return { data: [heatmap, rings], layout };
}

// What a packet of each codec consists of, one bar a codec. `bits` has names of codecs to
// what bits carry to their number.
export function bitsOfParts(bits) {
  const names = Object.keys(bits);
  const layout = styled("bits of a packet", "", 90 + 62 * names.length);
  const total = (name) => Object.values(bits[name]).reduce((sum, size) => sum + size, 0);
  layout.annotations = names.map((name) => ({
    text: `${name}, ${total(name).toFixed(1)} bits`,
    x: 0,
    y: name,
    xanchor: "left",
    yshift: 24,
    showarrow: false,
  }));
  Object.assign(layout, { barmode: "stack", bargap: 0.55, showlegend: false });
  Object.assign(layout.yaxis, { autorange: "reversed", visible: false });
  const data = Object.entries(PART_COLOURS)
    .map(([what, color]) => ({
      type: "bar",
      x: names.map((name) => bits[name][what] ?? 0),
      y: names,
      name: what,
      orientation: "h",
      marker: { color },
      hovertemplate: `${what}: %{x:.1f} bits<extra></extra>`,
    }))
    .filter(({ x }) => x.some((size) => size));
  return { data, layout };
}

// The symbols of a codeword, one bar each. The report has no such picture.
export function symbolBars(symbols) {
  const layout = styled("number of the symbol", "symbol", 420);
  Object.assign(layout, { bargap: 0, showlegend: false });
  const bars = {
    type: "bar",
    x: symbols.map((_, i) => i),
    y: symbols,
    marker: { color: COLOURS[0], line: { width: 0 } },
    hovertemplate: "symbol %{x}: %{y}<extra></extra>",
  };
  return { data: [bars], layout };
}

function magnitudes(h) {
  return Array.from({ length: h.length / 2 }, (_, i) => Math.hypot(h[2 * i], h[2 * i + 1]));
}

function largest(values) {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

function rows(values, width) {
  return Array.from({ length: values.length / width }, (_, i) =>
    values.slice(i * width, (i + 1) * width),
  );
}

function rounded(digits) {
  return (value) => Math.round(value * 10 ** digits) / 10 ** digits;
}

// A place in bins; on a circular axis between -1/2 and size - 1/2.
function binOf(place, { circular, size }) {
  const bins = place / UNIT;
  return circular ? ((bins + 0.5) % size) - 0.5 : bins;
}

function styled(x, y, height) {
  const axis = { automargin: true, zeroline: false, ticks: "outside", ticklen: 4 };
  return {
    xaxis: { title: { text: x }, ...axis },
    yaxis: { title: { text: y }, ...axis },
    height,
    colorway: COLOURS,
    font: { family: "system-ui, sans-serif", size: 13 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 12, r: 12, t: 30, b: 12 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
  };
}

function scaleOf(...colours) {
  return colours.map((colour, i) => [i / (colours.length - 1), colour]);
}

// The bar of a scale of colours.
function bar(text) {
  return { thickness: 10, title: { text, side: "right" }, nticks: 6 };
}

import { colour, whenThemeChanges } from "../polling.js";
import { shortly } from "../times.js";
import { Plot } from "./plot.js";
import { duration, write } from "./words.js";

const SECOND = 1_000;
// Peaks measure the sampler as much as the hand: they are cut where they would flatten the mean.
const PEAK_PER_MEAN = 3;

/** Speed and distance over the same time. */
export class Charts {
  constructor(card, axis) {
    this.card = card;
    this.axis = axis;
    this.plots = [];
    const point = () => this.plots.forEach((plot) => plot.point());
    this.speed = chart("speed", [line("mean while moving"), line("peak", { borderWidth: 1.25 })], point);
    this.distance = chart("distance", [line("distance", { stepped: "middle", fill: true, borderWidth: 1.25 })], point);
    this.all = [this.speed, this.distance];
    this.plots = this.all.map((one) => new Plot(one, axis));
    this.reset = card.querySelector("[data-reset]");
    this.reset.addEventListener("click", () => axis.reset());
    axis.addEventListener("cursor", point);
    whenThemeChanges(() => this.#paint());
    this.#paint();
  }

  #paint() {
    const [mean, peak] = this.speed.data.datasets;
    const [area] = this.distance.data.datasets;
    mean.borderColor = mean.backgroundColor = colour("--eye-speed");
    peak.borderColor = peak.backgroundColor = colour("--eye-quiet");
    area.borderColor = colour("--eye-distance");
    area.backgroundColor = `${colour("--eye-distance")}55`;
    for (const one of this.all) {
      for (const scale of Object.values(one.options.scales)) {
        scale.ticks.color = colour("--eye-subtle");
        scale.grid.color = colour("--eye-line");
      }
      one.update("none");
    }
  }

  draw(series) {
    const { start, end } = this.axis.range;
    this.reset.disabled = !this.axis.isZoomed;
    this.card.querySelector("[data-nothing]").hidden = !series.isEmpty;
    this.card.querySelector("[data-incomplete]").hidden = series.isComplete;
    if (end <= start) return;
    const { size, rows } = series.buckets(start, end);
    const points = (value) => rows.map((row) => ({ x: row.at + size / 2, y: value(row) }));
    this.speed.data.datasets[0].data = points(mean);
    this.speed.data.datasets[1].data = points((row) => row.peak);
    this.distance.data.datasets[0].data = points((row) => row.distance);
    this.speed.options.scales.y.max = top(rows);
    write(this.card.querySelector("[data-per]"), `px per ${size > SECOND ? duration(size).replace(/\.0| 00 \w+/, "") : "second"}`);
    for (const one of this.all) {
      Object.assign(one.options.scales.x, { min: start, max: end });
      one.update("none");
    }
  }
}

const mean = (row) => (row.moving ? (row.distance / row.moving) * SECOND : 0);

function top(rows) {
  const highest = (value) => rows.reduce((most, row) => Math.max(most, value(row)), 0);
  const [usual, peak] = [highest(mean), highest((row) => row.peak)];
  if (usual <= 0 || peak <= PEAK_PER_MEAN * usual) return undefined;
  const step = 10 ** Math.floor(Math.log10(PEAK_PER_MEAN * usual));
  return Math.ceil((PEAK_PER_MEAN * usual) / step) * step;
}

function line(label, options = {}) {
  return { label, data: [], borderWidth: 2, pointRadius: 0, pointHitRadius: 8, ...options };
}

/** Below the chart; beside a date there is no room for seconds. */
function label(value) {
  return shortly(value, this.max - this.min).slice(0, "01-31 12:00".length);
}

function title([item]) {
  if (!item) return "";
  const { min, max } = item.chart.scales.x;
  return shortly(item.parsed.x, max - min);
}

/** `afterDraw` is called whenever the chart has been drawn, in whichever size. */
function chart(id, datasets, afterDraw) {
  return new Chart(document.getElementById(id), {
    type: "line",
    data: { datasets },
    plugins: [{ id: "playhead", afterDraw }],
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { title } },
      },
      scales: {
        x: {
          type: "linear",
          grid: { display: false },
          ticks: { maxTicksLimit: 8, maxRotation: 0, includeBounds: false, callback: label },
        },
        y: {
          beginAtZero: true,
          suggestedMax: 100,
          border: { display: false },
          ticks: { maxTicksLimit: 5 },
          grid: {},
          afterFit: (axis) => Object.assign(axis, { width: 56 }),
        },
      },
    },
  });
}

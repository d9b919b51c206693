/** The dashboard: asks for its numbers every two seconds and writes them where they stand. */

import { clock, colour, poll, whenThemeChanges } from "./polling.js";

const POLL_MS = 2_000;
const PARTS = [
  ["stored", "Stored", "--eye-speed"],
  ["duplicate", "Duplicate", "--eye-quiet"],
  ["rejected", "Rejected", "--eye-trouble"],
];

const page = document.getElementById("dashboard");
const lag = page.querySelector("[data-lag]");
const number = new Intl.NumberFormat("en");

function paint() {
  PARTS.forEach(([, , name], place) => {
    chart.data.datasets[place].backgroundColor = colour(name);
  });
  for (const axis of Object.values(chart.options.scales)) {
    axis.ticks.color = colour("--eye-subtle");
    axis.grid.color = colour("--eye-line");
  }
  chart.options.plugins.legend.labels.color = colour("--eye-subtle");
  chart.update();
}

const chart = new Chart(document.getElementById("minutes"), {
  type: "bar",
  data: {
    labels: [],
    datasets: PARTS.map(([, label, name]) => ({
      label,
      data: [],
      backgroundColor: colour(name),
      barPercentage: 1,
      categoryPercentage: 0.86,
      borderRadius: 2,
    })),
  },
  options: {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    plugins: { legend: { align: "end", labels: { boxWidth: 12, boxHeight: 12 } } },
    scales: {
      x: { stacked: true, ticks: { maxTicksLimit: 13, maxRotation: 0 }, grid: { display: false } },
      y: {
        stacked: true,
        suggestedMax: 10,
        beginAtZero: true,
        border: { display: false },
        ticks: { precision: 0, maxTicksLimit: 5 },
        grid: {},
        // As wide for 5 as for 50,000, so that the bars stay where they are.
        afterFit: (axis) => Object.assign(axis, { width: 52 }),
      },
    },
  },
});

function show({ figures, totals, minutes }) {
  for (const [name, { value, note }] of Object.entries(figures)) {
    page.querySelector(`[data-figure="${name}"]`).textContent = value;
    page.querySelector(`[data-note="${name}"]`).textContent = note;
  }
  for (const [name, value] of Object.entries(totals)) {
    page.querySelector(`[data-total="${name}"]`).textContent = number.format(value);
  }
  chart.data.labels = minutes.map(({ start }) => clock(start * 1000).slice(0, 5));
  PARTS.forEach(([name], place) => {
    chart.data.datasets[place].data = minutes.map((minute) => minute[name]);
  });
  chart.update("none");
}

paint();
whenThemeChanges(paint);
poll(async (signal) => {
  const response = await fetch(page.dataset.url, { signal, headers: { Accept: "application/json" } });
  if (!response.ok || response.redirected) throw new Error(response.status);
  const answer = await response.json();
  show(answer);
  const behind = answer.behind && ` · rollups are ${answer.behind} behind`;
  lag.textContent = `Live, ${clock(Date.now())} UTC${behind}`;
  return true;
}, POLL_MS, () => {
  lag.textContent = "The service does not answer; trying again.";
});

import { granted, poll, whenSharpnessChanges } from "../polling.js";
import { many, number, visible, write } from "./words.js";

// From few to many, as in the service's own pictures.
const FEW_TO_MANY = [[37, 52, 148], [44, 127, 184], [65, 182, 150], [240, 170, 40], [215, 48, 31]];
const OPAQUE = 230;
const LEAST_ROWS = 36;
const MOST_PIXELS = 8_000;
const REFRESH_MS = 10_000;
const RETRY_MS = 5_000;
const ONE = { move: "sample", click: "click" };

/** Where on its pages the session's pointer was, as the report counted it. */
export function startHeatmap(section) {
  return new Heatmap(section);
}

class Heatmap {
  #asked = -Infinity;
  #timer = 0;
  #going = new AbortController();
  #offered = "";

  constructor(section) {
    this.section = section;
    this.box = section.querySelector(".eye-heat");
    this.canvas = section.querySelector("canvas");
    this.pages = section.querySelector("select");
    this.note = section.querySelector("[data-heat-note]");
    this.pages.addEventListener("change", () => this.#load());
    section.querySelector("[role=radiogroup]").addEventListener("change", () => this.#show());
    new ResizeObserver(() => this.#draw()).observe(this.box);
    whenSharpnessChanges(() => this.#draw());
    this.#load();
  }

  /** Told that there is a newer report. */
  refresh() {
    const pause = Math.max(this.#asked + REFRESH_MS - performance.now(), 0);
    this.#timer ||= setTimeout(() => this.#load(), pause);
  }

  get kind() {
    return this.section.querySelector("[name=heat]:checked").value;
  }

  /** The last question counts, whichever answer comes last. */
  #load() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#going.abort();
    this.#going = new AbortController();
    const { signal } = this.#going;
    poll(async (limit) => {
      if (!signal.aborted) await this.#ask(AbortSignal.any([signal, limit]));
      return false;
    }, RETRY_MS, (words) => signal.aborted || write(this.note, words));
  }

  async #ask(signal) {
    this.#asked = performance.now();
    const { application, page } = this.pages.selectedOptions[0]?.dataset ?? {};
    const query = page === undefined ? "" : `?${new URLSearchParams({ application, page })}`;
    this.heat = await granted(await fetch(this.section.dataset.heatUrl + query, { signal })).json();
    this.#offer(this.heat);
    this.#show();
  }

  #offer({ pages, shown }) {
    this.box.hidden = pages.length === 0;
    this.section.querySelector("[data-heat-pages]").hidden = pages.length === 0;
    const offered = JSON.stringify(pages);
    if (offered === this.#offered) return;
    this.#offered = offered;
    const several = new Set(pages.map((page) => page.application)).size > 1;
    this.pages.replaceChildren(...pages.map((page, n) => option(page, several, n === shown)));
  }

  #show() {
    if (!this.heat) return;
    if (!this.heat.pages.length) {
      return write(this.note, "No movement on a page whose path was told has been recorded.");
    }
    write(this.note, inWords(this.heat[this.kind], ONE[this.kind]));
    this.#draw();
  }

  #draw() {
    if (!this.heat?.pages.length || this.box.hidden) return;
    const { bins, max, columns } = this.heat[this.kind];
    const rows = bins.reduce((most, [, row]) => Math.max(most, row + 1), LEAST_ROWS);
    const width = this.canvas.clientWidth * (devicePixelRatio || 1);
    this.canvas.style.aspectRatio = `${columns} / ${rows}`;
    this.canvas.width = Math.round(Math.min(width, (MOST_PIXELS * columns) / rows));
    this.canvas.height = Math.round((this.canvas.width * rows) / columns);
    const small = picture(bins, max, columns, rows);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }
}

function option({ application, of, page }, several, isShown) {
  const name = visible(page) || "(no path)";
  const choice = new Option(several ? `${name} · ${visible(of ?? "")}` : name, "", isShown, isShown);
  Object.assign(choice.dataset, { application, page });
  return choice;
}

function inWords({ total, max }, one) {
  if (!total) return `No ${one} on this page has been recorded.`;
  return `${many(total, one)}, at most ${number(max)} in one place. From the page's top to the lowest of them; blue is few, red is many.`;
}

/** One pixel a bin, on a logarithmic scale; transparent where there was nothing. */
function picture(bins, max, columns, rows) {
  const small = new OffscreenCanvas(columns, rows);
  const context = small.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (const [column, row, count] of bins) {
    const share = Math.log1p(count) / Math.log1p(max);
    image.data.set([...tint(share), OPAQUE * Math.sqrt(share)], 4 * (row * columns + column));
  }
  context.putImageData(image, 0, 0);
  return small;
}

function tint(share) {
  const place = share * (FEW_TO_MANY.length - 1);
  const low = Math.min(Math.floor(place), FEW_TO_MANY.length - 2);
  return FEW_TO_MANY[low].map((part, n) => part + (FEW_TO_MANY[low + 1][n] - part) * (place - low));
}

/**
 * A chart of the last minute, second by second, that slides with time.
 *
 * @typedef {{second: number, value: number, light?: number}} Row second: ms since 1970
 */

const SPAN_MS = 60_000;
const TICK_S = [60, 45, 30, 15, 0];
const FEW_TICKS_S = [60, 30, 0];
const EMPTY_HOLDS_MS = 1_000;
const STEPS = [1, 2, 2.5, 5, 10];
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** The round step that cuts 0…`top` into at most `parts`. */
export function niceStep(top, parts) {
  const rough = top / parts;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  return magnitude * STEPS.find((step) => step * magnitude >= rough * 0.999);
}

export class Chart {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{colour: string, light?: string, least: number, line?: boolean}} look names of CSS
   *   variables; the least top of the scale; whether to draw a line, or bars
   */
  constructor(canvas, look) {
    Object.assign(this, { canvas, look, context: canvas.getContext("2d"), drawn: "" });
    new ResizeObserver(() => this.fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.fit());
    this.fit();
  }

  /** Reads size and colours from the page. */
  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const { look } = this;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.ratio = ratio;
    this.em = parseFloat(style.fontSize) * 0.75;
    this.font = `${this.em}px ${style.fontFamily}`;
    const [main, fill, line] = [look.colour, `${look.colour}-light`, "line"].map(colour);
    this.colours = { main, fill, line, muted: colour("muted"), light: colour(look.light) };
    const [right, bottom] = [width - this.em, height - this.em * 1.7];
    this.plot = { left: this.em * 3.6, right, top: this.em * 0.9, bottom };
    this.drawn = "";
  }

  /**
   * Draws, and says for how many ms the picture then holds.
   *
   * @param {Row[]} rows ascending; seconds without a row are zero
   * @param {number} now ms since 1970, at the right edge
   * @param {number} until what is known ends here
   * @returns {number}
   */
  draw(rows, now, until) {
    const shown = rows.filter((row) => row.second + 1_000 > now - SPAN_MS && row.second < now);
    const top = this.scale(shown);
    // Time moves the picture by whole device pixels, and not at all where it is empty.
    const { left, right } = this.plot;
    const pixel = SPAN_MS / Math.max((right - left) * this.ratio, 1);
    const moment = Math.round(now / pixel) * pixel;
    const known = Math.min(until, moment);
    const picture = shown.length ? JSON.stringify([shown, moment, known]) : "empty";
    const holds = shown.length ? pixel : EMPTY_HOLDS_MS;
    if (picture === this.drawn || right <= left) return holds;
    this.drawn = picture;
    const along = (time) => right - ((moment - time) / SPAN_MS) * (right - left);
    const x = (time) => Math.min(Math.max(along(time), left), right);
    const height = this.plot.bottom - this.plot.top;
    const y = (value) => this.plot.bottom - (Math.min(value, top) / top) * height;
    const { context } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.axes(top, y);
    if (this.look.light) this.bars(shown, "light", this.colours.light, x, y, 0);
    if (this.look.line) this.outline(shown, known, x, y);
    else this.bars(shown, "value", this.colours.main, x, y, 1);
    return holds;
  }

  /** A round top that holds every value, and peaks up to three times the highest of them. */
  scale(rows) {
    const highest = Math.max(this.look.least, ...rows.map((row) => row.value));
    const peak = Math.max(0, ...rows.map((row) => row.light || 0));
    const needed = Math.max(highest, Math.min(peak, 3 * highest));
    this.step = niceStep(needed, 4);
    return Math.ceil((needed / this.step) * 0.999) * this.step;
  }

  axes(top, y) {
    const { context, em, plot, colours } = this;
    context.font = this.font;
    context.fillStyle = colours.muted;
    context.strokeStyle = colours.line;
    context.lineWidth = 1 / this.ratio;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let value = 0; value <= top * 1.001; value += this.step) {
      const line = Math.round(y(value) * this.ratio + 0.5) / this.ratio - 0.5 / this.ratio;
      context.beginPath();
      context.moveTo(plot.left, line);
      context.lineTo(plot.right, line);
      context.stroke();
      context.fillText(number.format(value), plot.left - em * 0.6, line);
    }
    context.textBaseline = "alphabetic";
    for (const ago of plot.right - plot.left < 22 * em ? FEW_TICKS_S : TICK_S) {
      context.textAlign = ago === 0 ? "right" : ago === TICK_S[0] ? "left" : "center";
      const at = plot.right - ((ago * 1_000) / SPAN_MS) * (plot.right - plot.left);
      context.fillText(ago ? `−${ago} s` : "now", at, plot.bottom + em * 1.5);
    }
  }

  bars(rows, field, colour, x, y, gap) {
    this.context.fillStyle = colour;
    for (const row of rows) {
      const [from, to] = [x(row.second), x(row.second + 1_000)];
      const height = this.plot.bottom - y(row[field] || 0);
      this.context.fillRect(from, this.plot.bottom - height, Math.max(to - from - gap, 0), height);
    }
  }

  /** A line that stands at each second's value, and at zero between; filled below. */
  outline(rows, until, x, y) {
    const { context, plot, colours } = this;
    const points = [[plot.left, plot.bottom]];
    rows.forEach((row, i) => {
      const [from, to] = [x(row.second), x(row.second + 1_000)];
      const follows = i + 1 < rows.length && rows[i + 1].second === row.second + 1_000;
      if (i === 0 || rows[i - 1].second !== row.second - 1_000) points.push([from, plot.bottom]);
      points.push([from, y(row.value)], [to, y(row.value)]);
      if (!follows) points.push([to, plot.bottom]);
    });
    points.push([Math.max(x(until), points[points.length - 1][0]), plot.bottom]);
    context.beginPath();
    points.forEach(([px, py]) => context.lineTo(px, py));
    context.fillStyle = colours.fill;
    context.fill();
    context.strokeStyle = colours.main;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.stroke();
  }
}

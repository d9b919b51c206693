const DRAG_PX = 5;
const ZOOM = 0.5;
const PAN = 0.2;
const STEP_MS = 1_000;

/** What one does with a chart: look closer, move along, point at a time. And where the playhead is. */
export class Plot {
  #from = null;

  constructor(chart, axis) {
    this.chart = chart;
    this.axis = axis;
    this.box = chart.canvas.parentElement;
    this.cursor = this.#overlay("eye-cursor");
    this.selection = this.#overlay("eye-selection");
    this.box.addEventListener("pointerdown", (event) => this.#press(event));
    this.box.addEventListener("pointermove", (event) => this.#drag(event));
    this.box.addEventListener("pointerup", (event) => this.#release(event));
    this.box.addEventListener("pointercancel", () => this.#let());
    this.box.addEventListener("dblclick", () => axis.reset());
    this.box.addEventListener("keydown", (event) => this.#key(event));
  }

  #overlay(name) {
    const part = document.createElement("div");
    part.className = name;
    part.hidden = true;
    this.box.append(part);
    return part;
  }

  /** Shows the playhead, where it is inside what the chart shows. */
  point() {
    const { cursor, range } = this.axis;
    const inside = cursor !== null && cursor >= range.start && cursor <= range.end;
    this.cursor.hidden = !inside;
    if (inside) this.cursor.style.left = `${this.chart.scales.x.getPixelForValue(cursor)}px`;
  }

  #x(event) {
    const { left, right } = this.chart.chartArea;
    return Math.min(Math.max(event.clientX - this.box.getBoundingClientRect().left, left), right);
  }

  #time(x) {
    return this.chart.scales.x.getValueForPixel(x);
  }

  #press(event) {
    if (event.button !== 0) return;
    this.#from = this.#x(event);
    this.box.setPointerCapture(event.pointerId);
  }

  #drag(event) {
    if (this.#from === null) return;
    const x = this.#x(event);
    this.selection.hidden = Math.abs(x - this.#from) < DRAG_PX;
    this.selection.style.left = `${Math.min(x, this.#from)}px`;
    this.selection.style.width = `${Math.abs(x - this.#from)}px`;
  }

  #release(event) {
    if (this.#from === null) return;
    const [a, b] = [this.#from, this.#x(event)];
    this.#let();
    if (Math.abs(b - a) < DRAG_PX) this.axis.seek(this.#time(b));
    else this.axis.zoom(this.#time(a), this.#time(b));
  }

  #let() {
    this.#from = null;
    this.selection.hidden = true;
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const turn = event.shiftKey ? (to) => this.#move(to * STEP_MS) : (to) => this.axis.pan(to * PAN);
    const does = {
      "+": () => this.axis.scale(ZOOM),
      "=": () => this.axis.scale(ZOOM),
      "-": () => this.axis.scale(1 / ZOOM),
      ArrowLeft: () => turn(-1),
      ArrowRight: () => turn(1),
      Escape: () => (this.#from === null ? this.axis.reset() : this.#let()),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  #move(ms) {
    this.axis.seek((this.axis.cursor ?? this.axis.range.start) + ms);
  }
}

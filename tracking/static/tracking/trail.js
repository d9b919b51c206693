/** What is seen at once: the pointer's recent trail on the surface, and an eye that follows it. */

const TRAIL_MS = 1_600;
const BANDS = 12;
const IRIS_REACH = 42;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Trail {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {SVGGElement} iris
   */
  constructor(canvas, iris) {
    this.canvas = canvas;
    this.iris = iris;
    this.context = canvas.getContext("2d");
    this.points = [];
    this.frame = 0;
    new ResizeObserver(() => this.fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.fit());
    this.fit();
    addEventListener("pointermove", (event) => this.move(event), { passive: true });
    addEventListener("pointerdown", (event) => this.press(event), { passive: true });
  }

  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.colour = getComputedStyle(this.canvas).getPropertyValue("--speed").trim();
  }

  move(event) {
    if (!event.isPrimary) return;
    const { left, top } = this.canvas.getBoundingClientRect();
    const coalesced = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const sample of coalesced.length ? coalesced : [event]) {
      const [x, y] = [sample.clientX - left, sample.clientY - top];
      this.points.push({ x, y, at: performance.now(), starts: this.lifted });
      this.lifted = false;
    }
    this.look(event);
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  /** A finger set down anew begins a trail of its own. */
  press(event) {
    if (event.isPrimary && event.pointerType !== "mouse") this.lifted = true;
  }

  /** Turns the iris towards the pointer, unless the reader wants nothing to move by itself. */
  look(event) {
    if (calm.matches) return;
    const { left, top, width, height } = this.iris.ownerSVGElement.getBoundingClientRect();
    const dx = event.clientX - left - width / 2;
    const dy = event.clientY - top - height / 2;
    const turn = IRIS_REACH / Math.max(Math.hypot(dx, dy), width);
    const by = `${(dx * turn).toFixed(1)} ${(dy * turn).toFixed(1)}`;
    this.iris.setAttribute("transform", `translate(${by})`);
  }

  draw() {
    this.frame = 0;
    const now = performance.now();
    this.points = this.points.filter((point) => now - point.at < TRAIL_MS);
    const { context, points } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.strokeStyle = this.colour;
    context.lineJoin = "round";
    const bandOf = (point) => Math.ceil((1 - (now - point.at) / TRAIL_MS) * BANDS);
    for (let i = 1; i < points.length; ) {
      // One line for all points of about the same age: it bends without gaps.
      const band = bandOf(points[i]);
      context.globalAlpha = band / BANDS;
      context.lineWidth = 1 + (4 * band) / BANDS;
      context.beginPath();
      context.moveTo(points[i - 1].x, points[i - 1].y);
      for (; i < points.length && bandOf(points[i]) === band; i += 1) {
        if (points[i].starts) context.moveTo(points[i].x, points[i].y);
        else context.lineTo(points[i].x, points[i].y);
      }
      context.stroke();
    }
    context.globalAlpha = 1;
    if (points.length) this.frame = requestAnimationFrame(() => this.draw());
  }
}

import { colour, whenSharpnessChanges } from "../polling.js";
import { lastAt } from "./trail.js";

const TAIL_MS = 1_500;
const FRESH_MS = 500;
const RING = 8;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** A canvas that is as sharp as the screen, and is drawn anew by `draw` when its size changes. */
export class Canvas {
  constructor(element, draw) {
    this.element = element;
    this.context = element.getContext("2d");
    this.draw = draw;
    new ResizeObserver(() => this.#fit()).observe(element);
    whenSharpnessChanges(() => this.#fit());
  }

  #fit() {
    const ratio = devicePixelRatio || 1;
    const { width, height } = this.element.getBoundingClientRect();
    this.element.width = Math.round(width * ratio);
    this.element.height = Math.round(height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    [this.width, this.height] = [width, height];
    this.draw();
  }
}

/** What of a trail is seen at a moment, on a surface of the viewport's shape. */
export class Stage {
  #trail = null;
  #at = 0;

  constructor(element) {
    this.canvas = new Canvas(element, () => this.#draw());
    this.repaint();
  }

  repaint() {
    const names = { mat: "--eye-line", paper: "--eye-card", way: "--eye-quiet", tail: "--eye-speed", click: "--eye-distance", rage: "--eye-trouble", ink: "--eye-ink" };
    this.colours = Object.fromEntries(Object.entries(names).map(([part, name]) => [part, colour(name)]));
    this.#draw();
  }

  show(trail, at) {
    this.#trail = trail;
    this.#at = at;
    this.#draw();
  }

  #draw() {
    const { context, width, height } = this.canvas;
    if (!width || !height) return;
    context.fillStyle = this.colours.mat;
    context.fillRect(0, 0, width, height);
    if (!this.#trail) return;
    const scene = this.#trail.scene(this.#at);
    const scale = Math.min(width / scene.w, height / scene.h);
    context.save();
    context.translate((width - scene.w * scale) / 2, (height - scene.h * scale) / 2);
    context.beginPath();
    context.rect(0, 0, scene.w * scale, scene.h * scale);
    context.clip();
    context.fillStyle = this.colours.paper;
    context.fill();
    this.#drawWay(scene.t, this.#at, scale, this.colours.way, 1.5);
    this.#drawWay(Math.max(scene.t, this.#at - TAIL_MS), this.#at, scale, this.colours.tail, 2.5);
    this.#drawClicks(scene.t, scale);
    this.#drawPointer(scene.t, scale);
    context.restore();
  }

  /** Stroke by stroke: what lies between two of them nobody knows. */
  #drawWay(from, to, scale, paint, thick) {
    const { context } = this.canvas;
    const { strokes, begins } = this.#trail;
    Object.assign(context, { strokeStyle: paint, lineWidth: thick, lineJoin: "round", lineCap: "round" });
    context.beginPath();
    for (let n = Math.max(lastAt(begins, from), 0); n < strokes.length && begins[n] <= to; n += 1) {
      const { t, x, y } = strokes[n];
      const last = lastAt(t, to);
      const first = Math.max(lastAt(t, from), 0);
      if (t[last] < from) continue;
      context.moveTo(x[first] * scale, y[first] * scale);
      // A point that stands alone is a dot.
      for (let i = first; i <= last; i += 1) context.lineTo(x[i] * scale, y[i] * scale);
      if (last + 1 < t.length) {
        const now = this.#trail.position(to);
        context.lineTo(now.x * scale, now.y * scale);
      }
    }
    context.stroke();
  }

  #drawClicks(from, scale) {
    const { context } = this.canvas;
    for (const { t, x, y, rage } of this.#trail.clicks) {
      if (t < from || t > this.#at) continue;
      const fresh = calm.matches ? 0 : Math.max(0, 1 - (this.#at - t) / FRESH_MS);
      context.beginPath();
      context.arc(x * scale, y * scale, RING * (1 + fresh), 0, 2 * Math.PI);
      context.strokeStyle = rage ? this.colours.rage : this.colours.click;
      context.lineWidth = rage ? 3 : 1.75;
      context.stroke();
    }
  }

  /** Filled while it moves; hollow where it was seen last. */
  #drawPointer(from, scale) {
    const { context } = this.canvas;
    const place = this.#trail.position(this.#at);
    if (!place) return;
    context.beginPath();
    context.arc(place.x * scale, place.y * scale, 5, 0, 2 * Math.PI);
    context.fillStyle = place.moving ? this.colours.ink : this.colours.paper;
    context.fill();
    context.strokeStyle = this.colours.ink;
    context.lineWidth = 2;
    context.stroke();
  }
}

import { colour } from "../polling.js";
import { Canvas } from "./stage.js";

/** When there was movement, and when clicks: what lies behind the slider of a replay. */
export class Strip {
  #trail = null;

  constructor(element) {
    this.canvas = new Canvas(element, () => this.draw());
  }

  show(trail) {
    this.#trail = trail;
    this.draw();
  }

  draw() {
    const { context, width, height } = this.canvas;
    if (!width || !this.#trail) return;
    const { strokes, clicks, duration } = this.#trail;
    const x = (t) => (duration ? (t / duration) * width : 0);
    context.clearRect(0, 0, width, height);
    context.fillStyle = colour("--eye-speed");
    for (const { t } of strokes) context.fillRect(x(t[0]), height / 2, Math.max(x(t.at(-1)) - x(t[0]), 1), height / 2);
    for (const { t, rage } of clicks) {
      context.fillStyle = colour(rage ? "--eye-trouble" : "--eye-distance");
      context.fillRect(x(t) - 1, 0, 2, height / 2 - 1);
    }
  }
}

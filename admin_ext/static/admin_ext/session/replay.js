import { granted, poll, whenThemeChanges } from "../polling.js";
import { shortly } from "../times.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { Trail } from "./trail.js";
import { duration, many, number, stopwatch, visible, write } from "./words.js";

const SECOND = 1_000;
const PAUSE_MS = 1_000;

/** The replay of a session's pointer, at the playhead of the axis. */
export function startReplay(section, axis) {
  return new Replay(section, axis);
}

class Replay {
  #etag = "";
  #stale = true;
  #wanted = false;
  #trouble = "";

  constructor(section, axis) {
    this.section = section;
    this.axis = axis;
    this.player = new Player();
    this.stage = new Stage(section.querySelector(".eye-stage canvas"));
    this.strip = new Strip(section.querySelector(".eye-scrub canvas"));
    this.range = section.querySelector("input[type=range]");
    this.#listen();
    this.#load();
  }

  /** Told that there is a newer report: there may be newer movement too. */
  refresh() {
    if (this.trail) this.#offer(true);
    else this.#load();
  }

  get trail() {
    return this.player.trail;
  }

  #place(name) {
    return this.section.querySelector(`[data-replay=${name}]`);
  }

  #button(name) {
    return this.section.querySelector(`[data-do=${name}]`);
  }

  /** Asks until there is a trail, and, where there was one, until there is a newer one. */
  #load() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#offer(false);
    this.#trouble = this.trail ? "" : "The replay is being computed …";
    this.#tell();
    poll((signal) => this.#ask(signal), PAUSE_MS, (words) => {
      this.#trouble = words;
      this.#tell();
    });
  }

  async #ask(signal) {
    const headers = this.#etag ? { "If-None-Match": this.#etag } : {};
    const response = await fetch(this.section.dataset.trailUrl, { headers, signal });
    if (response.status === 202) return SECOND * (Number(response.headers.get("Retry-After")) || 1);
    if (response.status === 304) return this.#goOn(this.#stale);
    granted(response);
    this.#etag = response.headers.get("ETag") || "";
    const answer = await response.json();
    this.#stale = answer.stale;
    // The one that is there is shown already; a newer one is on its way.
    if (this.trail?.computedAt === answer.computed_at) return this.#goOn(this.#stale);
    this.#take(answer);
    return this.#goOn(false);
  }

  /** For `poll`: how long until the next time, if there is to be one. */
  #goOn(wanted) {
    this.#wanted = wanted;
    return wanted && PAUSE_MS;
  }

  #take(answer) {
    const trail = new Trail(answer);
    this.#trouble = trail.isEmpty ? "No pointer was recorded in this session: there is nothing to replay." : "";
    this.#offer(answer.stale);
    if (trail.isEmpty) return this.#tell();
    write(this.#place("about"), about(answer));
    for (const control of this.section.querySelectorAll("[disabled]")) control.disabled = false;
    this.range.max = trail.duration;
    this.strip.show(trail);
    this.player.load(trail);
  }

  #offer(there) {
    this.#button("reload").hidden = !there;
  }

  #listen() {
    const { player, axis, section } = this;
    player.addEventListener("move", () => this.#show());
    player.addEventListener("state", () => write(this.#button("play"), player.isPlaying ? "Pause" : "Play"));
    axis.addEventListener("seek", ({ detail }) => this.#lookAt(detail));
    this.range.addEventListener("input", () => player.seek(Number(this.range.value)));
    this.#place("speed").addEventListener("change", ({ target }) => (player.speed = parseFloat(target.value)));
    this.#place("skip").addEventListener("change", ({ target }) => (player.skipsPauses = target.checked));
    section.querySelector(".eye-stage").addEventListener("click", () => player.toggle());
    section.addEventListener("click", ({ target }) => this.#do(target.closest("[data-do]")?.dataset.do));
    section.addEventListener("keydown", (event) => this.#key(event));
    whenThemeChanges(() => {
      this.stage.repaint();
      this.strip.draw();
    });
  }

  /** A moment that somebody points at stays, until they play on. */
  #lookAt(time) {
    if (!this.trail) return;
    this.player.pause();
    this.player.seek(time - this.trail.start);
  }

  #do(what) {
    const { player, trail } = this;
    if (what === "reload") return this.#load();
    if (!trail) return;
    ({
      play: () => player.toggle(),
      "previous-stroke": () => player.step(trail.begins, -1),
      "next-stroke": () => player.step(trail.begins, 1),
      "previous-click": () => player.step(trail.clickTimes, -1),
      "next-click": () => player.step(trail.clickTimes, 1),
      back: () => player.seek(player.at - SECOND),
      on: () => player.seek(player.at + SECOND),
      start: () => player.seek(0),
      end: () => player.seek(trail.duration),
      faster: () => this.#turnSpeed(1),
      slower: () => this.#turnSpeed(-1),
    })[what]?.();
  }

  #key(event) {
    const { target, key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select")) return;
    if (key === " " && target.matches("button, [type=checkbox]")) return;
    const does = KEYS[key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation(); // the admin's menu has keys of its own
    this.#do(does);
  }

  #turnSpeed(by) {
    const choice = this.#place("speed");
    choice.selectedIndex = Math.min(Math.max(choice.selectedIndex + by, 0), choice.length - 1);
    choice.dispatchEvent(new Event("change"));
  }

  #show() {
    const { trail, player } = this;
    const { at } = player;
    const total = stopwatch(trail.duration);
    this.stage.show(trail, at);
    this.range.value = at;
    this.range.setAttribute("aria-valuetext", `${stopwatch(at)} of ${total}`);
    const time = shortly(trail.start + at, trail.duration, 1);
    write(this.#place("clock"), `${stopwatch(at)} / ${total} · ${time}`);
    write(this.#place("page"), pageOf(trail.view(at)));
    write(this.#place("viewport"), viewportOf(trail.scene(at), trail.view(at)));
    this.#tell();
    this.axis.point(trail.start + at);
  }

  /** What is not to be seen on the stage: why there is nothing, or nothing moves. */
  #tell() {
    write(this.#place("note"), this.#trouble || (this.trail ? quiet(this.trail, this.player) : ""));
  }
}

const KEYS = {
  " ": "play",
  ArrowLeft: "back",
  ArrowRight: "on",
  ",": "previous-stroke",
  ".": "next-stroke",
  "[": "previous-click",
  "]": "next-click",
  "+": "faster",
  "=": "faster",
  "-": "slower",
  Home: "start",
  End: "end",
};

function quiet(trail, player) {
  if (player.skipped) return `A pause: ${duration(player.skipped.ms)} skipped`;
  const pause = trail.pause(player.at);
  if (pause) return `No movement for ${duration(pause.to - pause.from)}`;
  const place = trail.position(player.at);
  const known = !place || place.moving || player.at >= trail.duration;
  return known ? "" : "A gap: where it went is not known";
}

function pageOf(view) {
  return view?.page ? visible(view.page) : "page not told";
}

function viewportOf(scene, view) {
  const size = scene.told ? `${number(scene.w)} × ${number(scene.h)}` : "viewport not told";
  const [x, y] = [view?.scroll_x ?? 0, view?.scroll_y ?? 0];
  return x || y ? `${size}, scrolled to ${number(x)}, ${number(y)}` : size;
}

function about({ samples, points, strokes, clicks, tolerance_px, left_out }) {
  const rage = clicks.filter((click) => click.rage).length;
  const text = `${number(points)} of ${number(samples)} samples, everywhere within ${number(tolerance_px, 1)} px of the way; `
    + `${many(strokes.length, "stroke")}, ${many(clicks.length, "click")}${rage ? `, ${number(rage)} of them in rage` : ""}.`;
  const left = Object.entries(left_out).filter(([, count]) => count);
  const missing = left.map(([what, count]) => `${number(count)} ${what}`).join(", ");
  return missing ? `${text} Left out: ${missing}.` : text;
}

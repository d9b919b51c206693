import { inWords, mayHelp, poll } from "../polling.js";
import { exactly, shortly } from "../times.js";
import { Events } from "./events.js";
import { lastAt } from "./trail.js";
import { many, number, pretty, visible, write } from "./words.js";

const TYPING_MS = 250;
const LIVE_POLL_MS = 2_000;
// Of a longer payload the event's own page has the rest.
const MOST_TEXT = 20_000;
const NO_EVENT = "00000000-0000-0000-0000-000000000000";

/** A session's events, filtered; one that is opened shows its payload and takes the replay there. */
export function startTimeline(section, axis, session) {
  return new Timeline(section, axis, session);
}

class Timeline {
  #categories = new Set();
  // The rows that are there, the earliest first, and when they were.
  #byTime = [];
  #times = [];
  #typing = 0;
  #going = new AbortController();
  #loading = false;
  // How many events there are: by the newest report, and by the one before the last look.
  #counted;
  #expected;

  /** `session`: whether it `isLive`, and its `span` in ms. */
  constructor(section, axis, session) {
    this.section = section;
    this.axis = axis;
    this.session = session;
    this.#counted = this.#expected = Number(section.dataset.events);
    this.form = section.querySelector("form");
    this.list = section.querySelector("ol");
    this.status = section.querySelector("[data-timeline-status]");
    this.more = section.querySelector("[data-more]");
    for (const { value } of this.form.elements.category) this.#categories.add(value);
    this.#listen();
    this.#start();
    poll(async (signal) => {
      if (!session.isLive()) return false;
      await this.#follow(signal);
      return true;
    }, LIVE_POLL_MS, (words) => write(this.status, words));
  }

  /** Told how many events the session has by its report, with those that have expired. */
  count(events) {
    this.#counted = events - Number(this.section.dataset.expired);
    if (!this.session.isLive()) this.#expect(this.#counted);
  }

  get filter() {
    return Object.fromEntries(new FormData(this.form));
  }

  #listen() {
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#start(), TYPING_MS);
    });
    this.more.addEventListener("click", () => (this.#misses() ? this.#start() : this.#go()));
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.axis.addEventListener("cursor", () => this.#mark());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.target.matches("input, select, textarea")) return;
      event.preventDefault();
      this.form.elements.text.focus();
    });
  }

  /** From the beginning, with the filter as it is now. */
  #start() {
    this.#going.abort();
    this.#going = new AbortController();
    this.list.replaceChildren();
    this.events = new Events(this.section.dataset.timelineUrl, this.filter);
    return this.#go();
  }

  async #go() {
    const { signal } = this.#going;
    this.#loading = true;
    this.more.hidden = true;
    write(this.status, "Loading …");
    try {
      await this.events.more((found) => this.list.append(...this.#rows(found)), signal);
      this.#loading = false;
      this.#tell();
    } catch (error) {
      if (signal.aborted) return;
      this.#loading = false;
      write(this.status, mayHelp(error) ? "The service does not answer." : inWords(error));
      write(this.more, "Try again");
      this.more.hidden = !mayHelp(error);
    }
  }

  /** While the session is live: what is new comes in, where the latest are first. */
  async #follow(signal) {
    const { events } = this;
    const counted = this.#counted;
    if (this.#loading || !events.hasBegun) return;
    const found = events.isLatestFirst ? await events.fresh(signal) : [];
    if (events !== this.events) return;
    if (found === null) {
      await this.#start();
      return;
    }
    this.#insert(this.#rows(found));
    this.#expect(counted);
  }

  /** The latest first, each before the first of the list that is earlier. */
  #insert(rows) {
    let place = this.list.firstElementChild;
    for (const row of rows) {
      while (place && place.dataset.id > row.dataset.id) place = place.nextElementSibling;
      this.list.insertBefore(row, place);
    }
  }

  #expect(events) {
    this.#expected = events;
    if (this.events.hasBegun && !this.#loading) this.#tell();
  }

  /** Whether there is more than the list has come to the end of: later, or with an earlier time. */
  #misses() {
    return this.events.isOver && !this.#isFiltered() && this.#expected > this.events.looked;
  }

  #tell() {
    const size = this.list.childElementCount;
    const { isOver, looked } = this.events;
    const misses = this.#misses();
    const searched = this.filter.text || this.filter.category.startsWith("not:");
    const shown = many(size, "event");
    const so = isOver ? "all there are" : "there are more";
    if (!size && isOver && !misses) write(this.status, this.#isFiltered() ? "No event passes the filter." : "");
    else if (misses) write(this.status, `${number(size)} of ${many(this.#expected, "event")}.`);
    else if (searched && !isOver) write(this.status, `${shown} among the ${number(looked)} looked through.`);
    else write(this.status, `${shown}, ${so}.`);
    write(this.more, misses ? "Load again" : searched ? "Look further" : "Show more");
    this.more.hidden = isOver && !misses;
    this.#order();
  }

  #isFiltered() {
    const { category, name, text } = this.filter;
    return Boolean(category || name || text);
  }

  #rows(events) {
    return events.map((event) => {
      this.#learn(event.category);
      return this.#row(event);
    });
  }

  /** A category that is seen can be chosen. */
  #learn(category) {
    const value = `is:${category}`;
    if (this.#categories.has(value)) return;
    this.#categories.add(value);
    this.form.elements.category.add(new Option(visible(category).slice(0, 40), value));
  }

  #row(event) {
    const row = document.createElement("li");
    const at = Date.parse(event.timestamp);
    Object.assign(row.dataset, { id: event.id, at });
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const time = document.createElement("time");
    time.dateTime = event.timestamp;
    time.title = exactly(event.timestamp);
    time.textContent = shortly(at, this.session.span(), 3);
    const what = document.createElement("span");
    what.className = "eye-what";
    what.append(isolated(event.category), " / ", isolated(event.name));
    summary.append(time, what);
    details.append(summary);
    details.addEventListener("toggle", () => details.open && this.#open(details, event, at));
    row.append(details);
    return row;
  }

  #open(details, event, at) {
    this.axis.seek(at);
    if (details.querySelector("pre")) return;
    const payload = document.createElement("pre");
    Object.assign(payload, { className: "eye-block", dir: "ltr", tabIndex: 0 });
    const text = visible(pretty(event.data));
    payload.textContent = text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)} …` : text;
    const link = document.createElement("a");
    link.className = "eye-link";
    link.href = this.section.dataset.eventUrl.replace(NO_EVENT, event.id);
    link.textContent = text.length > MOST_TEXT ? "All of this event" : "This event";
    details.append(payload, link);
  }

  #key(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step || !event.target.matches("summary")) return;
    event.preventDefault();
    event.target.closest("li")[step]?.querySelector("summary").focus();
  }

  #order() {
    this.#byTime = [...this.list.children];
    if (this.filter.ordering === "-timestamp") this.#byTime.reverse();
    this.#times = this.#byTime.map((row) => Number(row.dataset.at));
    this.#mark();
  }

  /** The event that the playhead is at, or has just passed. */
  #mark() {
    const { cursor } = this.axis;
    const current = cursor === null ? undefined : this.#byTime[lastAt(this.#times, cursor)];
    if (current === this.current) return;
    this.current?.removeAttribute("aria-current");
    current?.setAttribute("aria-current", "true");
    this.current = current;
  }
}

function isolated(text) {
  const part = document.createElement("bdi");
  part.className = "eye-text";
  part.textContent = visible(text);
  return part;
}

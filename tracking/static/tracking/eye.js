/**
 * The Eye's tracker: records page views, clicks and the path of the pointer, and sends them.
 *
 *   <script src="https://eye.example/static/tracking/eye.js" data-key="eye_pk_…" defer></script>
 *
 * data-key      a publishable key
 * data-url      where to send; by default /api/events at the origin this file came from
 * data-session  the UUID of a session to join; by default each tab gets one of its own
 *
 * window.eye.event(category, name, data) records what the page wants to tell, eye.flush() sends
 * what there is, eye.session is the session's id. On `document` it fires eye:recorded, eye:sent
 * and eye:failed. Nothing here throws into the page.
 */
(() => {
  "use strict";
  const FLUSH_MS = 400;
  const TIMEOUT_MS = 15_000;
  const RETRY_MS = { first: 500, last: 30_000, asked: 300_000 };
  const PATH_SAMPLES = 2_000;
  const EVENT_BYTES = 64 * 1024;
  const BATCH_EVENTS = 1_000;
  const BATCH_BYTES = 256 * 1024;
  // A page's keepalive requests may be 64 KiB together.
  const KEEPALIVE_BYTES = 60 * 1024;
  const QUEUE_BYTES = 4 * 1024 * 1024;
  const LOADED = Symbol.for("the-eye.tracker");
  const UUID = /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;
  const warned = new Set();

  function warn(what) {
    try {
      const message = `The Eye: ${what}`;
      if (!warned.has(message)) console.warn(message);
      warned.add(message);
    } catch {} // The page has taken the console away.
  }

  /** The function, with whatever it throws kept from the page. */
  function guard(work) {
    return (...args) => {
      try {
        return work(...args);
      } catch (error) {
        warn(error);
      }
    };
  }

  const tell = (type, detail) =>
    document.dispatchEvent(new CustomEvent(`eye:${type}`, { detail }));

  // --- Who and where --------------------------------------------------------------------------
  let key, url, session;

  function identify() {
    const script = document.currentScript || document.querySelector("script[src*='/eye.js']");
    key = script.dataset.key;
    if (!key) throw new Error("its script tag needs data-key, a publishable key");
    url = new URL(script.dataset.url || new URL("/api/events", script.src), location.href);
    session = script.dataset.session || tabSession();
    if (!UUID.test(session)) throw new Error("data-session must be a UUID");
  }

  function tabSession() {
    try {
      const known = sessionStorage.getItem("eye.session") || "";
      const id = UUID.test(known) ? known : newUuid();
      if (id !== known) sessionStorage.setItem("eye.session", id);
      return id;
    } catch {
      return newUuid(); // Storage is blocked: the session lasts as long as the page.
    }
  }

  /** A random UUID; crypto.randomUUID exists on secure pages only. */
  function newUuid() {
    const bytes = new Uint8Array(16);
    if (window.crypto && crypto.getRandomValues) crypto.getRandomValues(bytes);
    else bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  // --- Time: ticks of 0.1 ms since 1970 -------------------------------------------------------
  /** The wall clock where the page's monotonic clock is 0: set once, so that order never flips. */
  let origin = Date.now() - performance.now();

  const ticks = (ms) => Math.round((origin + ms) * 10);
  const iso = (tick) =>
    new Date(Math.floor(tick / 10)).toISOString().replace("Z", `${tick % 10}00Z`);

  /** When an event happened, by the monotonic clock; some browsers count from another zero. */
  const momentOf = ({ timeStamp }, now = performance.now()) =>
    Math.abs(now - timeStamp) < 10_000 ? timeStamp : now;

  /** The monotonic clock stands still while a computer sleeps: catch up, and never go back. */
  function catchUp() {
    const behind = Date.now() - performance.now() - origin;
    if (behind > 1_000) origin += behind;
  }

  // --- Recording ------------------------------------------------------------------------------
  /**
   * @type {{text: string, bytes: number, samples: number, until: number}[]} samples: how many of a
   *   path; until: the tick of the event, or of the last sample
   */
  let queue = [];
  let fresh = { events: 0, samples: 0 };
  let latest = 0;
  let timer = 0;
  let refused = false;

  function record(category, name, data, tick, samples = 0, until = tick) {
    const timestamp = iso(tick);
    const text = JSON.stringify({ session_id: session, category, name, timestamp, data });
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > EVENT_BYTES) throw new Error(`${category}/${name} is left out: it is over 64 KiB`);
    queue.push({ text, bytes, samples, until });
    fresh = { events: fresh.events + 1, samples: fresh.samples + samples };
  }

  const arm = () => (timer ||= setTimeout(guard(flush), FLUSH_MS));

  /** A tick for an event of this moment that no event before it has: equal events merge. */
  function after(ms) {
    latest = Math.max(ticks(ms), latest + 1);
    return latest;
  }

  const hundredths = (value) => Math.round(value * 100) / 100;

  /** Text that a database can hold, of at most `length` characters. */
  function clean(text, length) {
    const characters = Array.from(String(text).replace(/[\0\ud800-\udfff]/gu, "\ufffd"));
    return characters.slice(0, length).join("");
  }

  let path = null;
  let lastSample = 0;
  let clickedAt = 0;
  let view = null;
  let address = "";

  function onMove(event) {
    // A second finger is no part of the first one's path.
    if (refused || !event.isTrusted || !event.isPrimary) return;
    const coalesced = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const sample of coalesced.length ? coalesced : [event]) addSample(sample);
    arm();
  }

  function addSample(sample) {
    if (path && path.t.length >= PATH_SAMPLES) seal();
    const tick = Math.max(ticks(momentOf(sample)), path ? lastSample : lastSample + 1);
    if (!path) path = { start: tick, pathname: location.pathname, t: [], x: [], y: [] };
    path.t.push((tick - path.start) / 10);
    path.x.push(hundredths(sample.clientX));
    path.y.push(hundredths(sample.clientY));
    lastSample = tick;
  }

  /** Ends the path being collected; the next sample begins another, later than this one's last. */
  function seal() {
    if (!path) return;
    const { start, pathname, ...samples } = path;
    path = null;
    const { scrollWidth: w, scrollHeight: h } = document.documentElement;
    const scroll = { scroll_x: hundredths(scrollX), scroll_y: hundredths(scrollY) };
    const viewport = { w: innerWidth, h: innerHeight };
    const data = { ...samples, viewport, page: { path: pathname, w, h, ...scroll } };
    record("pointer", "path", data, start, samples.t.length, lastSample);
  }

  function onClick(event) {
    // detail is 0 where a key clicked; a label's click comes again, at the same time, on its field.
    if (refused || !event.isTrusted || !event.detail || event.timeStamp === clickedAt) return;
    clickedAt = event.timeStamp;
    const [x, y] = [hundredths(event.clientX), hundredths(event.clientY)];
    const data = { x, y, button: event.button, target: describe(event.target) };
    record("pointer", "click", data, after(momentOf(event)));
    arm();
  }

  /** tag#id.class of an element; nothing of what it says or holds. */
  function describe(target) {
    if (!(target instanceof Element)) return "document";
    const attribute = (name) => Element.prototype.getAttribute.call(target, name) || "";
    const id = attribute("id") && `#${attribute("id")}`;
    const classes = attribute("class").split(/\s+/).filter(Boolean);
    return clean([target.localName + id, ...classes].join("."), 100);
  }

  function pageView(referrer) {
    if (refused) return;
    seal();
    recordView();
    address = location.pathname + location.search;
    const { pathname, host } = location;
    view = { data: { path: pathname, host }, tick: after(performance.now()) };
    if (referrer) view.data.referrer = clean(referrer.split(/[?#]/)[0], 1_000);
    arm();
  }

  /** Recorded a little late, because pages that change their address set the title after it. */
  function recordView() {
    if (!view) return;
    const data = { ...view.data, title: clean(document.title, 300) };
    record("page interaction", "pageview", data, view.tick);
    view = null;
  }

  const onRoute = () => location.pathname + location.search !== address && pageView();

  function flush() {
    collect();
    send();
  }

  /** Moves all that happened until now to the queue. */
  function collect() {
    timer = clearTimeout(timer);
    seal();
    recordView();
    catchUp();
    makeRoom();
    if (fresh.events) tell("recorded", fresh);
    fresh = { events: 0, samples: 0 };
  }

  /** Drops the oldest paths of a queue that is full; where there are none, the oldest events. */
  function makeRoom() {
    while (sizeOf(queue) > QUEUE_BYTES) {
      const path = queue.findIndex((event) => event.samples);
      queue.splice(Math.max(path, 0), 1);
      warn("the server has been away for long; the oldest pointer paths are being dropped");
    }
  }

  // --- Sending --------------------------------------------------------------------------------
  let busy = false;
  let failures = 0;
  let retryTimer = 0;
  let keptAlive = 0;

  function send() {
    if (busy || retryTimer || !queue.length) return;
    busy = true;
    deliver(take(BATCH_BYTES)).catch(warn).then(() => {
      busy = false;
      send();
    });
  }

  /** Takes from the front of the queue what fits in one request. */
  function take(limit) {
    let count = 0;
    for (let bytes = 1; count < Math.min(queue.length, BATCH_EVENTS); count += 1) {
      bytes += queue[count].bytes + 1;
      if (bytes > limit) break;
    }
    return queue.splice(0, count);
  }

  /** Sends a batch; puts it back in front of the queue where it is worth another try. */
  async function deliver(batch) {
    const { status, message, receipt, retryAfter } = await post(batch);
    const events = batch.length;
    if (status >= 200 && status < 300) {
      failures = 0;
      tell("sent", { events, bytes: sizeOf(batch), receipt, until: untilOf(batch) });
    } else if (status === 0 || status === 408 || status === 429 || status >= 500) {
      queue.unshift(...batch);
      makeRoom();
      tell("failed", { events, status, message, retry_ms: retryLater(retryAfter) });
    } else {
      warn(`events were refused (${status}): ${message}`);
      if (status === 401 || status === 403) stop();
      tell("failed", { events, status, message, retry_ms: null });
    }
  }

  const bodyOf = (batch) => `[${batch.map((event) => event.text).join()}]`;
  /** The time of the last event or sample, in ms since 1970. */
  const untilOf = (batch) => Math.max(...batch.map((event) => event.until)) / 10;
  const sizeOf = (batch) => batch.reduce((sum, event) => sum + event.bytes + 1, 1);

  async function post(batch) {
    const keepalive = keptAlive + sizeOf(batch) <= KEEPALIVE_BYTES;
    const kept = keepalive ? sizeOf(batch) : 0;
    const abort = new AbortController();
    const timeout = setTimeout(() => abort.abort(), TIMEOUT_MS);
    keptAlive += kept;
    try {
      const response = await fetch(addressed(), {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Eye-Key": key },
        body: bodyOf(batch),
        keepalive,
        credentials: "omit",
        signal: abort.signal,
      });
      const { receipt, error } = await response.json().catch(() => ({}));
      const { status, statusText, headers } = response;
      const message = (error && error.message) || statusText;
      return { status, receipt, message, retryAfter: headers.get("Retry-After") };
    } catch {
      return { status: 0, message: "The server cannot be reached." };
    } finally {
      clearTimeout(timeout);
      keptAlive -= kept;
    }
  }

  function addressed() {
    const address = new URL(url);
    address.searchParams.set("sent_at", iso(ticks(performance.now())));
    return address;
  }

  /** Arms the next try: after a growing while, or what the server asks for; how long, in ms. */
  function retryLater(retryAfter) {
    const backoff = Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.last);
    failures += 1;
    const asked = Number(retryAfter) * 1_000 || Date.parse(retryAfter) - Date.now() || 0;
    const wait = Math.max(backoff * (0.75 + Math.random() / 2), Math.min(asked, RETRY_MS.asked));
    clearTimeout(retryTimer);
    retryTimer = setTimeout(() => {
      retryTimer = 0;
      send();
    }, wait);
    return wait;
  }

  /** A key that is refused stays so until the page is loaded again. */
  function stop() {
    refused = true;
    queue.length = 0;
    path = view = null;
  }

  /** The page may be gone in a moment: all there is goes out at once, as far as it may. */
  function leave() {
    collect();
    const batch = takeWhatFits(KEEPALIVE_BYTES - keptAlive);
    if (!batch.length) return send();
    if ("keepalive" in Request.prototype) deliver(batch).catch(warn).then(send);
    else if (!beacon(batch)) queue.unshift(...batch);
  }

  /** One event that is too large for a last request must not keep the others from it. */
  function takeWhatFits(limit) {
    let bytes = 1;
    const fits = queue.slice(0, BATCH_EVENTS).filter((event) => {
      const fit = bytes + event.bytes + 1 <= limit;
      if (fit) bytes += event.bytes + 1;
      return fit;
    });
    queue = queue.filter((event) => !fits.includes(event));
    return fits;
  }

  /** A hidden page may come back: a server that asked for time is given it. */
  function hide() {
    if (retryTimer) collect();
    else leave();
  }

  function beacon(batch) {
    const address = addressed();
    address.searchParams.set("key", key);
    const body = new Blob([bodyOf(batch)], { type: "text/plain" });
    const taken = navigator.sendBeacon && navigator.sendBeacon(address, body);
    const { length: events } = batch;
    if (taken) tell("sent", { events, bytes: body.size, until: untilOf(batch) });
    return taken;
  }

  // --- Start ----------------------------------------------------------------------------------
  function listen() {
    const quietly = { capture: true, passive: true };
    addEventListener("pointermove", guard(onMove), quietly);
    addEventListener("click", guard(onClick), quietly);
    addEventListener("auxclick", guard(onClick), quietly);
    addEventListener("popstate", guard(onRoute));
    addEventListener("pagehide", guard(leave));
    addEventListener("pageshow", guard((event) => event.persisted && pageView()));
    addEventListener("visibilitychange", guard(() => document.hidden && hide()), quietly);
    guard(followRoutes)();
    pageView(document.referrer);
  }

  function followRoutes() {
    const pushState = history.pushState;
    history.pushState = function (...args) {
      pushState.apply(this, args);
      guard(onRoute)();
    };
  }

  /** What the page may call. A page's own `eye`, were it an element's id, stays what it is. */
  function offer() {
    if ("eye" in window) return;
    window.eye = Object.freeze({
      session,
      flush: guard(flush),
      event: guard((category, name, data = { path: location.pathname }) => {
        if (refused) return;
        record(category, name, data, after(performance.now()));
        arm();
      }),
    });
  }

  guard(() => {
    if (window[LOADED] || typeof fetch !== "function") return;
    Object.defineProperty(window, LOADED, { value: true });
    identify();
    guard(offer)();
    if (!document.prerendering) listen();
    else document.addEventListener("prerenderingchange", guard(listen), { once: true });
  })();
})();

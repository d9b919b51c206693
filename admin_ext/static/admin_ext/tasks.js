/** The overview of tasks: reads itself again every five seconds, and stays where it was scrolled to. */

import { granted, poll } from "./polling.js";
import { write } from "./session/words.js";

const POLL_MS = 5_000;
let overview = document.getElementById("overview");
let isFirst = true;

/** What is now in the place of a part that had the focus: a link is known by where it leads. */
function again({ id, href }) {
  if (id) return document.getElementById(id);
  return href && [...overview.querySelectorAll("a")].find((link) => link.href === href);
}

function show(page) {
  const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("overview");
  if (!fresh) throw new Error("another page came");
  const focused = document.activeElement;
  const places = [...overview.querySelectorAll(".eye-scroll")].map((part) => [part.id, part.scrollLeft]);
  overview.replaceWith(fresh);
  overview = fresh;
  for (const [id, left] of places) {
    const part = document.getElementById(id);
    if (part) part.scrollLeft = left;
  }
  if (!focused.isConnected) again(focused)?.focus({ preventScroll: true });
}

poll(async (signal) => {
  if (isFirst || getSelection().toString()) {
    isFirst = false;
    return true;
  }
  const response = await fetch(location.href, { signal });
  show(await granted(response).text());
  return true;
}, POLL_MS, (words) => {
  const trouble = overview.querySelector("[data-trouble]");
  trouble.hidden = false;
  write(trouble, `– ${words}`);
});

/** A list: its filters, in a panel where the window is narrow. */

import { nameOnlyChosen } from "./choices.js";

// What can be reached with keys: a select is drawn by a script, and not there itself.
const FIELD = ".select2-selection, select:not([tabindex='-1']), input:not([type=hidden])";

const filters = document.getElementById("filter-form");
const button = document.querySelector(".filter-open-button");

/** Whoever opens the panel goes on in it, and whoever closes it where they were. */
function followPanel() {
  let wasOpen = false;
  new IntersectionObserver(([{ isIntersecting }]) => {
    const isOpen = isIntersecting && button.ariaExpanded === "true";
    if (isOpen) filters.querySelector(FIELD).focus();
    else if (wasOpen) button.focus();
    wasOpen = isOpen;
  }).observe(filters);
}

if (filters) {
  nameOnlyChosen(filters);
  followPanel();
}

/** The page of grouped errors: its filters and its dialogs. */

import { askForTimes, nameOnlyChosen, submitWhenPointed } from "./choices.js";
import { many } from "./session/words.js";

const narrowing = document.querySelector("[data-narrowing]");

askForTimes(narrowing);
nameOnlyChosen(narrowing);
submitWhenPointed(narrowing);

for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => {
    const { open, url, count, what } = button.dataset;
    const dialog = document.querySelector(`[data-dialog="${open}"]`);
    dialog.querySelector("form").action = url;
    dialog.querySelector("[data-what]").textContent = what;
    const counted = dialog.querySelector("[data-count]");
    if (counted) counted.textContent = many(Number(count), "open error");
    dialog.showModal();
  });
}

for (const dialog of document.querySelectorAll("[data-dialog]")) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", ({ submitter }) => {
    submitter.disabled = true;
  });
}

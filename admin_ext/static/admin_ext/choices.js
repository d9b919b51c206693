/** How the forms choose by which pages are narrowed down. */

/** An address to be passed on says only what was chosen. */
export function nameOnlyChosen(form) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
    if (!formData.has("from") && !formData.has("to")) formData.delete("zone");
  });
}

/** Times of one's own are asked for where no usual period is chosen. */
export function askForTimes(form) {
  const { period } = form.elements;
  const span = form.querySelector("[data-span]");
  const ask = () => {
    span.hidden = period.value !== "";
    for (const input of span.querySelectorAll("input")) input.disabled = span.hidden;
  };
  period.addEventListener("change", ask);
  // A browser that goes back fills in what was chosen.
  addEventListener("pageshow", ask);
  ask();
}

/**
 * Submits the form when a choice is made with the pointer. With the keyboard each arrow is one, on the
 * way to another: who uses it presses the form's button.
 */
export function submitWhenPointed(form) {
  let byPointer = false;
  form.addEventListener("pointerdown", () => (byPointer = true));
  form.addEventListener("keydown", () => (byPointer = false));
  form.addEventListener("change", ({ target }) => {
    if (byPointer && !isOfATime(target)) form.requestSubmit();
  });
}

/** Whether there is more to choose: the other time of a period, or both. */
function isOfATime(field) {
  return field.type === "datetime-local" || (field.name === "period" && field.value === "");
}

/**
 * Submits the form when a choice is made with the pointer. With the keyboard each arrow is one, on the
 * way to another: who uses it presses the form's button.
 */
export function submitWhenPointed(form, isReady = () => true) {
  let byPointer = false;
  form.addEventListener("pointerdown", () => (byPointer = true));
  form.addEventListener("keydown", () => (byPointer = false));
  form.addEventListener("change", () => {
    if (byPointer && isReady()) form.requestSubmit();
  });
}

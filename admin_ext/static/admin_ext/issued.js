/** The page that shows a new key: copies it, and sees that a reload does not make another. */

history.replaceState(null, "", document.querySelector("[data-change-url]").dataset.changeUrl);

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS there is no clipboard: select it, for the user to copy.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
  });
}

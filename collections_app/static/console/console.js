// Behaviour of all pages, bound by data-* attributes: switch the theme, copy text, submit on change.
document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-theme-switch], [data-copy]");
  if (!target) return;
  if ("themeSwitch" in target.dataset) {
    const root = document.documentElement;
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.bsTheme);
  } else {
    await navigator.clipboard.writeText(document.querySelector(target.dataset.copy).textContent.trim());
    const label = target.querySelector("[data-copied]");
    if (label) label.textContent = label.dataset.copied;
  }
});

// A slider and its number show one value; the number is what is sent, with all of its digits.
document.addEventListener("input", ({ target }) => {
  const other = document.querySelector(target.dataset.slides ?? `[data-slides="#${target.id}"]`);
  if (other) other.value = target.value;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-at-once]")) event.target.form.requestSubmit();
  const bar = document.querySelector("[data-ticked-bar]");
  if (bar && event.target.matches("[name=faces]")) {
    const count = document.querySelectorAll("[name=faces]:checked").length;
    bar.hidden = count === 0;
    bar.querySelector("[data-ticked-count]").textContent = count;
  }
});

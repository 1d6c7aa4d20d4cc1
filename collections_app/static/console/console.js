// Behaviour of all pages, bound by data-* attributes: switch the theme, copy text, confirm, count selected faces.
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

// What can be undone for some seconds is offered for as long.
for (const offer of document.querySelectorAll("[data-gone-after]")) {
  setTimeout(() => offer.remove(), offer.dataset.goneAfter * 1000);
}

// A button with data-confirm asks with that sentence before its form is sent.
let confirmed;
document.addEventListener("submit", (event) => {
  const { submitter, target } = event;
  if (!submitter?.dataset.confirm || submitter === confirmed) return;
  event.preventDefault();
  const dialog = document.querySelector("[data-confirm-dialog]");
  dialog.querySelector("p").textContent = submitter.dataset.confirm;
  dialog.querySelector("[value=confirmed]").textContent = submitter.textContent.trim();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "confirmed") return;
    confirmed = submitter;
    target.requestSubmit(submitter);
    confirmed = undefined;
  };
  dialog.showModal();
});

// Says on the page why htmx got no answer.
function complain(reason) {
  const place = document.querySelector("[data-problem-page]");
  if (!place) return;
  place.textContent = place.dataset[reason];
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
}
const UNAUTHORIZED = 401;
document.addEventListener("htmx:sendError", () => complain("offline"));
document.addEventListener("htmx:responseError", ({ detail }) => {
  complain(detail.xhr.status === UNAUTHORIZED ? "signedOut" : "failed");
});
document.addEventListener("htmx:beforeRequest", () => {
  const place = document.querySelector("[data-problem-page]");
  if (place) place.hidden = true;
});

document.addEventListener("change", (event) => {
  const bar = document.querySelector("[data-ticked-bar]");
  if (bar && event.target.matches("[name=faces]")) {
    const count = document.querySelectorAll("[name=faces]:checked").length;
    bar.hidden = count === 0;
    bar.querySelector("[data-ticked-count]").textContent = count;
  }
});

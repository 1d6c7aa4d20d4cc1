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

// A button with data-fill puts its value into a field, as if it were typed.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-fill]");
  if (!button) return;
  const field = document.querySelector(button.dataset.fill);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// Filters apply as they are set: the page is loaded with them in its address, and the focus returns to where it was.
const FOCUS = "filter in focus";
document.addEventListener("change", ({ target }) => {
  const form = target.closest("[data-filters]");
  if (!form) return;
  sessionStorage.setItem(FOCUS, target.id);
  form.requestSubmit(form.querySelector("[type=submit]:not([formaction])"));
});
document.addEventListener("formdata", ({ target, formData }) => {
  if (!target.matches("[data-filters]")) return;
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});
const filtered = document.getElementById(sessionStorage.getItem(FOCUS) ?? "");
sessionStorage.removeItem(FOCUS);
filtered?.focus({ preventScroll: true });

// What a cell is sorted by: its data-sort, what is selected in it, or its text.
function sortKey(cell) {
  const chosen = cell?.querySelector("select")?.selectedOptions[0];
  return cell?.dataset.sort ?? (chosen ?? cell)?.textContent.trim() ?? "";
}

// A table that is on the page as a whole is sorted by a click on a column's head, and by another click in reverse.
for (const table of document.querySelectorAll("[data-sortable]")) {
  for (const [place, head] of table.querySelectorAll("thead th").entries()) {
    if (head.querySelector(".visually-hidden")) continue; // a column of buttons
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fp-sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const reversed = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", reversed ? "descending" : "ascending");
      const body = table.tBodies[0];
      const text = (row) => sortKey(row.cells[place]);
      const number = (row) => Number(text(row).replaceAll(/[\s,]/gu, ""));
      const compare = (one, other) => number(one) - number(other) || text(one).localeCompare(text(other));
      const rows = [...body.rows].sort(compare);
      body.append(...(reversed ? rows.reverse() : rows));
    });
  }
}

// The browser's own time zone is offered.
const zone = document.querySelector("[data-browser-zone]");
if (zone) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  zone.querySelector("b").textContent = timeZone;
  zone.querySelector("button").dataset.value = timeZone;
  zone.hidden = false;
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

// What is to be done with the ticked faces; "all" means all that match the filter, on pages not loaded yet too.
document.addEventListener("change", ({ target }) => {
  const bar = document.querySelector("[data-ticked-bar]");
  if (!bar || !target.matches("[name=faces], [name=all]")) return;
  const all = bar.querySelector("[name=all]");
  const faces = [...document.querySelectorAll("[name=faces]")];
  if (target === all) for (const face of faces) face.checked = all.checked;
  else if (all && !target.checked) all.checked = false;
  const count = faces.filter((face) => face.checked).length;
  bar.hidden = count === 0;
  bar.querySelector("[data-ticked-count]").textContent = all?.checked ? all.dataset.total : count;
});

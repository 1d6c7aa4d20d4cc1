// Sends the files of an import some at a time, so that no request becomes too large, and then goes to its job.
const MOST_BYTES = 20_000_000;
const form = document.querySelector("[data-import]");
const drop = form.querySelector("[data-import-drop]");
const input = form.querySelector("input[type=file]");

drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("fp-over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("fp-over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("fp-over");
  input.files = event.dataTransfer.files;
});

function* parts(files) {
  let part = [], bytes = 0;
  for (const file of files) {
    if (part.length && bytes + file.size > MOST_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(file);
    bytes += file.size;
  }
  yield part;
}

async function send() {
  const files = [...input.files];
  const progress = form.querySelector("[data-import-progress]");
  let job = "", sent = 0, answer;
  for (const part of parts(files)) {
    const body = new FormData(form);
    body.delete("files");
    for (const file of part) body.append("files", file);
    body.set("job", job);
    sent += part.length;
    if (sent < files.length) body.delete("start");
    answer = await fetch(form.action, { method: "POST", body });
    if (!answer.ok) throw new Error(new DOMParser().parseFromString(await answer.text(), "text/html")
      .querySelector(".fp-bad, .fp-error")?.textContent.trim());
    progress.textContent = form.dataset.sending.replace("{n}", sent).replace("{total}", files.length);
    job = new URL(answer.url).searchParams.get("job") ?? job;
  }
  window.location = answer.url;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    await send();
  } catch (error) {
    const place = document.querySelector("[data-problem-page]");
    place.textContent = error.message || place.dataset.failed;
    place.hidden = false;
    button.disabled = false;
  }
});

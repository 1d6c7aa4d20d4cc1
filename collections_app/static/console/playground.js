// The playground's images: a file, a dropped or pasted one, a photo of the camera or one that the server fetched from a
// URL all go into the form's file field.
const page = document.querySelector("[data-problem-page]");
const UNAUTHORIZED = 401;
const fields = () => [...document.querySelectorAll("[data-picker]")];

function tell(picker, sentence) {
  const problem = picker.querySelector("[data-problem]");
  problem.textContent = sentence;
  problem.hidden = false;
}

function show(picker, file) {
  const stage = picker.querySelector("[data-stage]");
  const image = stage.querySelector("img");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  stage.hidden = false;
  stage.querySelector("[data-overlay]").replaceChildren();
  picker.querySelector("[data-drop]").classList.add("fp-full");
}

function put(picker, file) {
  const list = new DataTransfer();
  list.items.add(file);
  const field = picker.querySelector("input[type=file]");
  field.files = list.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

async function film(picker) {
  const video = picker.querySelector("video");
  if (!video.srcObject) {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    } catch {
      picker.querySelector("[data-no-camera]").hidden = false;
      return;
    }
    picker.querySelector("[data-stage]").hidden = true;
    picker.querySelector("[data-drop]").classList.add("fp-full");
    video.hidden = false;
    await video.play();
    return;
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  video.srcObject.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  video.hidden = true;
  canvas.toBlob((blob) => put(picker, new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
}

async function fetchPicture(picker) {
  const place = picker.querySelector("[data-from-url]");
  const problem = picker.querySelector("[data-problem]");
  const token = picker.closest("form").querySelector("[name=csrfmiddlewaretoken]").value;
  const url = place.querySelector("input").value;
  problem.hidden = true;
  try {
    const answer = await fetch(place.dataset.fromUrl, {
      method: "POST", headers: { "x-csrftoken": token, "hx-request": "true" }, body: new URLSearchParams({ url }),
    });
    if (answer.ok) {
      const blob = await answer.blob();
      put(picker, new File([blob], "fetched", { type: blob.type }));
    } else {
      tell(picker, answer.status === UNAUTHORIZED ? page.dataset.signedOut : await answer.text());
    }
  } catch {
    tell(picker, page.dataset.offline);
  }
}

// Takes the first of the files, and says so where there are more.
function take(picker, files) {
  picker.querySelector("[data-problem]").hidden = true;
  if (!files.length) return;
  put(picker, files[0]);
  if (files.length > 1) tell(picker, picker.dataset.many.replace("{n}", files.length));
}

for (const picker of fields()) {
  const drop = picker.querySelector("[data-drop]");
  picker.querySelector("input[type=file]").addEventListener("change", (event) => {
    for (const chosen of document.querySelectorAll("#result [name=at]")) chosen.remove(); // a face of the photo before
    if (event.target.files[0]) show(picker, event.target.files[0]);
  });
  picker.querySelector("[data-camera]").addEventListener("click", () => film(picker));
  picker.querySelector("[data-fetch]").addEventListener("click", () => fetchPicture(picker));
  picker.querySelector("[data-from-url] input").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    fetchPicture(picker);
  });
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("fp-over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("fp-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("fp-over");
    take(picker, event.dataTransfer.files);
  });
}

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((one) => one.type.startsWith("image/"));
  const free = fields().find((picker) => !picker.querySelector("input[type=file]").files.length) ?? fields()[0];
  if (free) take(free, files);
});

// One of several faces is chosen by its box, with the mouse or the keyboard.
function choose(box) {
  const form = box.closest("form");
  form.querySelector("[name=at]").value = box.dataset.at;
  form.requestSubmit();
}
document.addEventListener("click", ({ target }) => {
  const box = target.closest("[data-at]");
  if (box) choose(box);
});
document.addEventListener("keydown", (event) => {
  const box = event.target.closest("[data-at]");
  if (!box || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  choose(box);
});

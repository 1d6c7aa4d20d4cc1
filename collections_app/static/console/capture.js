// The camera with guidance over it: small pictures are judged by the server until one is good enough to be used.
const page = document.querySelector("[data-capture]");
const { api, token, verb } = page.dataset;
const video = page.querySelector("video");
const viewer = page.querySelector("[data-viewer]");
const hint = page.querySelector("[data-hint]");
const told = page.querySelector("[data-told]");
const start = page.querySelector("[data-start]");
const file = page.querySelector("[data-file]");
const said = page.querySelector("[data-texts]").content.querySelectorAll("[data-say]");
const texts = Object.fromEntries([...said].map((one) => [one.dataset.say, one.textContent.trim()]));
const [SMALL, LARGE] = [480, 1280]; // the longer side of what guides and of what is used
const STEADY = 3; // looks in a row at a face that is right and does not move
const [SHIFT, SWAY] = [0.02, 5]; // by how much such a face may grow and turn meanwhile
const [TURN, NEARER] = [12, 1.25]; // of a move, somewhat more than the server asks for
const CHALLENGE = 28_000; // milliseconds; the server allows two seconds more
const [PAUSE, READ] = [150, 2200]; // milliseconds between two looks, and to read a sentence
const BUSY = new Set(["busy", "too_many_requests", "unavailable", "model_unavailable"]);
const OVER = new Set(["capture_unusable", "unknown_key", "revoked_key", "expired_key", "tenant_suspended", "not_allowed"]);

class Refused extends Error {
  constructor(code, seconds = 1) {
    super(code);
    this.code = code;
    this.seconds = seconds;
  }
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

function say(what) {
  page.dataset.hint = what;
  if (hint.textContent !== texts[what]) hint.textContent = texts[what];
}

function tell(what) {
  told.textContent = texts[what];
  told.hidden = false;
}

async function call(what, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(`${api}/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Refused("offline");
  }
  const result = await answer.json();
  if (!answer.ok) throw new Refused(result.code, Number(answer.headers.get("retry-after") ?? 1));
  return result;
}

function drawn(source, width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// One picture, and what the server says of it.
async function look() {
  const large = drawn(video, video.videoWidth, video.videoHeight, LARGE);
  const small = drawn(large, large.width, large.height, SMALL);
  for (;;) {
    try {
      const seen = await call("guidance", { image: small.toDataURL("image/jpeg", 0.85) });
      return { ...seen, picture: large.toDataURL("image/jpeg", 0.95) };
    } catch (error) {
      if (!BUSY.has(error.code)) throw error;
      say("waiting");
      await pause(error.seconds * 1000);
    }
  }
}

const rests = (before, now) => before?.yaw != null && Math.abs(now.yaw - before.yaw) < SWAY
  && Math.abs(now.width - before.width) < SHIFT;

async function ready() {
  let [steady, before] = [0, undefined];
  for (;;) {
    const seen = await look();
    steady = seen.hint === "ready" ? (rests(before, seen) ? steady : 0) + 1 : 0;
    say(steady ? "still" : seen.hint);
    if (steady >= STEADY) return seen;
    before = seen;
    await pause(PAUSE);
  }
}

function has(move, first, now) {
  if (now.yaw === null) return false;
  if (move === "come_closer") return now.width >= NEARER * first.width;
  return (move === "turn_left" ? now.yaw - first.yaw : first.yaw - now.yaw) >= TURN;
}

// The second of two pictures in a row after the move: the head has come to rest.
async function moved(move, first, until) {
  say(move);
  let before = false;
  for (;;) {
    if (Date.now() > until) throw new Refused("too_slow");
    const seen = await look();
    say(move);
    const now = has(move, first, seen);
    if (now && before) return seen;
    before = now;
    await pause(PAUSE);
  }
}

async function challenge() {
  await ready();
  const [until, { moves }] = [Date.now() + CHALLENGE, await call("challenge")];
  const first = await look();
  if (first.hint !== "ready") throw new Refused(first.hint);
  const frames = [first.picture];
  for (const move of moves) frames.push((await moved(move, first, until)).picture);
  return { frames };
}

function end(what) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  viewer.hidden = true;
  file?.remove();
  tell(what);
}

async function use(pictures) {
  say("sending");
  const done = await call("use", { verb, ...pictures });
  end(done.return_url ? "going" : "done");
  if (done.return_url) location.replace(done.return_url);
}

async function begin() {
  told.hidden = true;
  try {
    const size = { facingMode: "user", width: { ideal: LARGE }, height: { ideal: 720 } };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: size });
    await video.play();
  } catch {
    tell("no_camera");
    return;
  }
  for (const one of page.querySelectorAll("[data-before], [data-file]")) one.hidden = true;
  viewer.hidden = false;
  for (;;) {
    try {
      await use(verb === "liveness" ? await challenge() : { image: (await ready()).picture });
      return;
    } catch (error) {
      if (OVER.has(error.code)) return end("over");
      if (!(error instanceof Refused)) throw error;
      say(texts[error.code] ? error.code : BUSY.has(error.code) ? "waiting" : "again");
      await pause(Math.max(READ, error.seconds * 1000));
    }
  }
}

// Until here a click would do nothing.
for (const one of page.querySelectorAll("[data-start], #file")) one.disabled = false;
start.addEventListener("click", begin);
file?.querySelector("input").addEventListener("change", async ({ target }) => {
  told.hidden = true;
  if (!target.files[0]) return;
  try {
    const picture = await createImageBitmap(target.files[0]);
    await use({ image: drawn(picture, picture.width, picture.height, LARGE).toDataURL("image/jpeg", 0.95) });
  } catch (error) {
    target.value = "";
    if (OVER.has(error.code)) end("over");
    else tell(error.code === "offline" ? "offline" : "again");
  }
});

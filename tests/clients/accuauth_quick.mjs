import { readFile } from "node:fs/promises";

const { FACEPLANE_URL, FACEPLANE_ID, FACEPLANE_SECRET } = process.env;
const headers = { "X-DF-API-ID": FACEPLANE_ID, "X-DF-API-SECRET": FACEPLANE_SECRET, "Content-Type": "application/json" };
const send = async (call, body) =>
  (await fetch(`${FACEPLANE_URL}/faceset/v2/${call}`, { method: "POST", headers, body: JSON.stringify(body) })).json();

await send("create", { name: "guests" });
const face = await readFile("jacinda_2018.jpg", "base64");
await send("add_face", { name: "guests", person_id: 1980, image_base64: face });
const probe = await readFile("jacinda_2022.jpg", "base64");
const found = await send("search_face", { name: "guests", image_base64: probe });
console.log(found.result.map((match) => [match.person_id, match.score]));

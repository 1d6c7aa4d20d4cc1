import { readFile } from "node:fs/promises";

const { FACEPLANE_URL, FACEPLANE_ID, FACEPLANE_SECRET } = process.env;
const headers = { Authorization: FACEPLANE_SECRET, "Content-Type": "application/json" };
const root = `${FACEPLANE_URL}/v2.0/appkeys/${FACEPLANE_ID}/groups`;
const send = async (path, body) =>
  (await fetch(root + path, { method: "POST", headers, body: JSON.stringify(body) })).json();
const image = async (name) => ({ bytes: await readFile(name, "base64") });

await send("", { groupId: "visitors" });
const face = { image: await image("jacinda_2018.jpg"), externalImageId: "Jacinda", limit: 1 };
await send("/visitors/faces", face);
const probe = { image: await image("jacinda_2022.jpg"), limit: 1, threshold: 85 };
const found = await send("/visitors/faces/search", probe);
console.log(found.data.matchFaces.map((match) => [match.face.externalImageId, match.similarity]));

import { readFile } from "node:fs/promises";

const { FACEPLANE_URL, FACEPLANE_KEY } = process.env;
const headers = { "x-api-key": FACEPLANE_KEY, "Content-Type": "application/json" };
const send = async (path, body) =>
  (await fetch(FACEPLANE_URL + path, { method: "POST", headers, body: JSON.stringify(body) })).json();

const faceImage = await readFile("jacinda_2018.jpg", "base64");
await send("/faces", { collectionId: "people", userName: "Jacinda Ardern", faceImage });
const probe = await readFile("jacinda_2022.jpg", "base64");
const found = await send("/search", { collectionId: "people", requestName: "door", faceImage: probe });
console.log(found.result.map((match) => [match.user_name, match.similarity_score]));

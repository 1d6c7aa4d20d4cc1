import { readFile } from "node:fs/promises";

const { FACEPLANE_URL, FACEPLANE_ID, FACEPLANE_SECRET } = process.env;
const Authorization = `Basic ${Buffer.from(`${FACEPLANE_ID}:${FACEPLANE_SECRET}`).toString("base64")}`;
const headers = { Authorization, "Content-Type": "application/json" };
const send = async (call, body) =>
  (await fetch(`${FACEPLANE_URL}/v2/va/${call}`, { method: "POST", headers, body: JSON.stringify(body) })).json();

const { nodeId } = await send("create-computing-node", { host: "localhost", nodeName: "gate" });
const faceImages = [await readFile("jacinda_2018.jpg", "base64")];
const person = { nodeId, userId: "1980", userName: "Jacinda Ardern", userAge: 38, gender: 2, identifier: 1, memo: "" };
await send("register-facedb", { ...person, faceImages });
const probe = [await readFile("jacinda_2022.jpg", "base64")];
const found = await send("matching-face", { ...person, faceImages: probe });
console.log(found.userName, found.similarity);

// Enrols through a server that refuses each first attempt. Prints how many faces it enrolled.
import { readFile } from "node:fs/promises";
import { connect, result } from "faceplane-client";

const api = connect(process.env.FACEPLANE_URL, process.env.FACEPLANE_KEY);
const image = await readFile("jacinda_2018.jpg", "base64");
const names = ["person 0", "person 1", "person 2"];
const enrolled = await Promise.all(
  names.map((name) => {
    const params = { path: { collection: "people" } };
    return api.POST("/collections/{collection}/faces", { params, body: { image, person: { name } } });
  }),
);
console.log(new Set(enrolled.map((answer) => result(answer).id)).size);

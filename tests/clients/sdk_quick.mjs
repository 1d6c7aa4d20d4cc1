import { readFile } from "node:fs/promises";
import { Refused, connect, every, result } from "faceplane-client";

const api = connect(process.env.FACEPLANE_URL, process.env.FACEPLANE_KEY);
const people = { path: { collection: "people" } };
const read = (name) => readFile(name, "base64");

const enrolment = { image: await read("jacinda_2018.jpg"), person: { name: "Jacinda Ardern" } };
result(await api.POST("/collections/{collection}/faces", { params: people, body: enrolment }));
const probe = { image: await read("jacinda_2022.jpg") };
const found = result(await api.POST("/collections/{collection}/search", { params: people, body: probe }));
console.log(found.decision, found.matches.map((match) => [match.face.person.name, match.score]));
const page = (cursor) => api.GET("/collections/{collection}/faces", { params: { ...people, query: { cursor, limit: 1 } } });
for await (const face of every("faces", page)) {
  console.log(face.person.name);
}
try {
  const nobody = { path: { collection: "nobody" } };
  result(await api.POST("/collections/{collection}/search", { params: nobody, body: probe }));
} catch (error) {
  console.log(error instanceof Refused && error.problem.code);
}

// Call every method of CompreFace's JavaScript SDK; print the answers as JSON, by the name of the method.
import fs from "node:fs";
import { CompreFace } from "@exadel/compreface-js-sdk";

const { FACEPLANE_HOST, FACEPLANE_PORT, FACEPLANE_KEY, IMAGES } = process.env;
console.log = () => {}; // the SDK prints URLs and keys
const server = new CompreFace(FACEPLANE_HOST, FACEPLANE_PORT, { det_prob_threshold: 0.8, status: true });
const recognition = server.initFaceRecognitionService(FACEPLANE_KEY);
const verification = server.initFaceVerificationService(FACEPLANE_KEY);
const detection = server.initFaceDetectionService(FACEPLANE_KEY);
const options = { limit: 0, prediction_count: 2, face_plugins: "landmarks,age" };
const base64 = (name) => fs.readFileSync(name).toString("base64");
const faces = () => recognition.getFaceCollection(); // each call changes the URL that the next one would use
const subjects = () => recognition.getSubjects();
const refused = (error) => ({ status: error.response?.status, ...error.response?.data });

const answers = {};
const call = async (name, work) => {
  answers[name] = await work().catch(refused);
  return answers[name];
};
await call("subjects.add", () => subjects().add("Mia"));
await call("subjects.list", () => subjects().list());
await call("subjects.rename", () => subjects().rename("Mia", "Jacinda Ardern"));
const added = await call("faces.add path", () => faces().add("./ardern_2018.jpg", "Jacinda Ardern", { det_prob_threshold: 0.8 }));
const second = await call("faces.add base64", () => faces().add(base64("obama.jpg"), "Barack Obama", {}));
await call("faces.add url", () => faces().add(`${IMAGES}/macron_2025.jpg`, "Emmanuel Macron", {}));
await call("faces.add blob", () => faces().add(fs.readFileSync("obama.jpg"), "Barack Obama", {}));
await call("faces.list", () => faces().list());
await call("recognize path", () => recognition.recognize("./ardern_2022.jpg", options));
await call("recognize url", () => recognition.recognize(`${IMAGES}/macron_2014.jpg`, {}));
await call("recognize base64", () => recognition.recognize(base64("obama.jpg"), { limit: 1 }));
await call("detect", () => detection.detect("./two_people.jpg", { face_plugins: "landmarks" }));
await call("verify paths", () => verification.verify("./ardern_2018.jpg", "./ardern_2022.jpg", options));
await call("verify urls", () => verification.verify(`${IMAGES}/ardern_2018.jpg`, `${IMAGES}/ardern_2022.jpg`, options));
await call("verify url and path", () => verification.verify(`${IMAGES}/ardern_2018.jpg`, "./ardern_2022.jpg", options));
await call("verify path and url", () => verification.verify("./ardern_2018.jpg", `${IMAGES}/ardern_2022.jpg`, options));
await call("verify base64", () => verification.verify(base64("ardern_2018.jpg"), base64("ardern_2022.jpg"), options));
await call("faces.verify", () => faces().verify("./ardern_2022.jpg", added.image_id, options));
await call("faces.delete", () => faces().delete(added.image_id));
await call("faces.delete_multiple_images", () => faces().delete_multiple_images([second.image_id, added.image_id]));
await call("faces.delete_all_subject", () => faces().delete_all_subject("Emmanuel Macron"));
await call("faces.delete_all", () => faces().delete_all());
await call("subjects.add again", () => subjects().add("Mia"));
await call("subjects.delete", () => subjects().delete("Mia"));
await call("subjects.deleteAll", () => subjects().deleteAll());
process.stdout.write(JSON.stringify(answers));

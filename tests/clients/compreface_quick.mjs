import { CompreFace } from "@exadel/compreface-js-sdk";

const { FACEPLANE_HOST, FACEPLANE_PORT, FACEPLANE_KEY } = process.env;
const recognition = new CompreFace(FACEPLANE_HOST, FACEPLANE_PORT).initFaceRecognitionService(FACEPLANE_KEY);
await recognition.getFaceCollection().add("./jacinda_2018.jpg", "Jacinda Ardern");
const found = await recognition.recognize("./jacinda_2022.jpg", { det_prob_threshold: 0.8, prediction_count: 1 });
for (const face of found.result) {
  console.log(face.box, face.subjects);
}

"""Call every method of CompreFace's Python SDK; print the answers as JSON, by the name of the method."""

import json
import os
from pathlib import Path

from compreface import CompreFace
from compreface.collections import FaceCollection, Subjects

host, port, key = (os.environ[f"FACEPLANE_{name}"] for name in ("HOST", "PORT", "KEY"))
options = {
    "limit": 0,
    "det_prob_threshold": 0.8,
    "prediction_count": 2,
    "face_plugins": "landmarks,age",
    "status": True,
}
server = CompreFace(host, port, options)
recognition = server.init_face_recognition(key)
verification, detection = server.init_face_verification(key), server.init_face_detection(key)
faces: FaceCollection = recognition.get_face_collection()
subjects: Subjects = recognition.get_subjects()
without = {name: value for name, value in options.items() if name != "prediction_count"}
answers = {
    "subjects.add": subjects.add("Mia"),
    "subjects.list": subjects.list(),
    "subjects.update": subjects.update("Mia", "Jacinda Ardern"),
    "faces.add": faces.add("ardern_2018.jpg", "Jacinda Ardern", {"det_prob_threshold": 0.8}),
    "faces.add bytes": faces.add(Path("obama.jpg").read_bytes(), "Barack Obama"),
    "faces.list": faces.list(),
    "recognize": recognition.recognize("ardern_2022.jpg"),
    "recognize bytes": recognition.recognize(Path("obama.jpg").read_bytes(), {"status": False}),
    "detect": detection.detect("two_people.jpg", without),
    "verify": verification.verify("ardern_2018.jpg", "ardern_2022.jpg", without),
}
example = answers["faces.add"]["image_id"]
answers |= {
    "faces.verify": faces.verify("ardern_2022.jpg", example, without),
    "faces.delete": faces.delete(example),
    "faces.delete_all": faces.delete_all("Barack Obama"),
    "subjects.add again": subjects.add("Mia"),
    "subjects.delete": subjects.delete("Mia"),
    "subjects.delete_all": subjects.delete_all(),
    "get_available_functions": recognition.get_available_functions(),
}
print(json.dumps(answers))

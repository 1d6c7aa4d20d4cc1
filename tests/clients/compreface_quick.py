import os

from compreface import CompreFace

service = CompreFace(os.environ["FACEPLANE_HOST"], os.environ["FACEPLANE_PORT"])
recognition = service.init_face_recognition(os.environ["FACEPLANE_KEY"])
recognition.get_face_collection().add("jacinda_2018.jpg", subject="Jacinda Ardern")
found = recognition.recognize("jacinda_2022.jpg", {"det_prob_threshold": 0.8, "prediction_count": 1})
for face in found["result"]:
    print(face["box"], face["subjects"])

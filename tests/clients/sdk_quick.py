import base64
import os
from pathlib import Path

from faceplane_client.api.faces import enrol_face, list_faces
from faceplane_client.api.search import search
from faceplane_client.models import Enrol, PersonFields, Search
from faceplane_client.session import Refused, connect, every, result

with connect(os.environ["FACEPLANE_URL"], os.environ["FACEPLANE_KEY"]) as client:
    image = base64.b64encode(Path("jacinda_2018.jpg").read_bytes()).decode()
    enrolment = Enrol(image=image, person=PersonFields(name="Jacinda Ardern"))
    result(enrol_face.sync("people", client=client, body=enrolment))
    image = base64.b64encode(Path("jacinda_2022.jpg").read_bytes()).decode()
    found = result(search.sync("people", client=client, body=Search(image=image)))
    print(found.decision, [(match.face.person.name, match.score) for match in found.matches])
    print([face.person.name for face in every(list_faces, "people", client=client, limit=1)])
    try:
        result(search.sync("nobody", client=client, body=Search(image=image)))
    except Refused as refused:
        print(refused.problem.code)

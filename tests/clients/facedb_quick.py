import base64
import os
from pathlib import Path

import requests

url, key = f"{os.environ['FACEPLANE_URL']}/v2/va", (os.environ["FACEPLANE_ID"], os.environ["FACEPLANE_SECRET"])
images = [base64.b64encode(Path(name).read_bytes()).decode() for name in ("jacinda_2018.jpg", "jacinda_2022.jpg")]
node = {"host": "localhost", "nodeName": "gate"}
node = requests.post(f"{url}/create-computing-node", json=node, auth=key, timeout=30).json()["nodeId"]
person = {"nodeId": node, "userId": "1980", "userName": "Jacinda Ardern", "userAge": 38, "gender": 2, "identifier": 1}
person |= {"faceImages": images[:1], "memo": ""}
requests.post(f"{url}/register-facedb", json=person, auth=key, timeout=30).raise_for_status()
found = requests.post(f"{url}/matching-face", json=person | {"faceImages": images[1:]}, auth=key, timeout=30).json()
print(found["userName"], found["similarity"])

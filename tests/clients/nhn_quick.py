import os
from pathlib import Path

import requests

url, key = os.environ["FACEPLANE_URL"], {"Authorization": os.environ["FACEPLANE_SECRET"]}
root = f"{url}/v2.0/appkeys/{os.environ['FACEPLANE_ID']}/groups"
requests.post(root, json={"groupId": "staff"}, headers=key, timeout=30).raise_for_status()
face = {"imageFile": Path("jacinda_2018.jpg").read_bytes()}
text = {"externalImageId": "Jacinda", "limit": 1}
requests.post(f"{root}/staff/faces", files=face, data=text, headers=key, timeout=30).raise_for_status()
probe = {"imageFile": Path("jacinda_2022.jpg").read_bytes()}
text = {"limit": 1, "threshold": 85}
found = requests.post(f"{root}/staff/faces/search", files=probe, data=text, headers=key, timeout=30).json()
print([(match["face"]["externalImageId"], match["similarity"]) for match in found["data"]["matchFaces"]])

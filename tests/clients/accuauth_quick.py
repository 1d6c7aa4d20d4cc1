import os
from pathlib import Path

import requests

url = f"{os.environ['FACEPLANE_URL']}/faceset/v2"
key = {"X-DF-API-ID": os.environ["FACEPLANE_ID"], "X-DF-API-SECRET": os.environ["FACEPLANE_SECRET"]}
requests.post(f"{url}/create", data={"name": "employees"}, headers=key, timeout=30).raise_for_status()
face = {"file": Path("jacinda_2018.jpg").read_bytes()}
text = {"name": "employees", "person_id": 1980}
requests.post(f"{url}/add_face", files=face, data=text, headers=key, timeout=30).raise_for_status()
probe = {"file": Path("jacinda_2022.jpg").read_bytes()}
found = requests.post(f"{url}/search_face", files=probe, data={"name": "employees"}, headers=key, timeout=30).json()
print([(match["person_id"], match["score"]) for match in found["result"]])

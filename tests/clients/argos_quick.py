import base64
import os
from pathlib import Path

import requests

url, key = os.environ["FACEPLANE_URL"], {"x-api-key": os.environ["FACEPLANE_KEY"]}
images = [base64.b64encode(Path(name).read_bytes()).decode() for name in ("jacinda_2018.jpg", "jacinda_2022.jpg")]
face = {"collectionId": "people", "userName": "Jacinda Ardern", "faceImage": images[0]}
requests.post(f"{url}/faces", json=face, headers=key, timeout=30).raise_for_status()
probe = {"collectionId": "people", "requestName": "door", "faceImage": images[1]}
found = requests.post(f"{url}/search", json=probe, headers=key, timeout=30).json()
print([(match["user_name"], match["similarity_score"]) for match in found["result"]])

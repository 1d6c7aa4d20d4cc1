"""Enrols through a server that refuses each first attempt, then lists asynchronously. Prints what it found."""

import asyncio
import base64
import os
from pathlib import Path

from faceplane_client.api.faces import enrol_face, list_faces
from faceplane_client.models import Enrol, PersonFields
from faceplane_client.session import aevery, connect, result

IMAGE = base64.b64encode(Path("jacinda_2018.jpg").read_bytes()).decode()
client = connect(os.environ["FACEPLANE_URL"], os.environ["FACEPLANE_KEY"])


async def main() -> None:
    """Enrol three faces at once, then list them."""
    async with client:
        bodies = [Enrol(image=IMAGE, person=PersonFields(name=f"person {number}")) for number in range(3)]
        enrolled = await asyncio.gather(*(enrol_face.asyncio("people", client=client, body=body) for body in bodies))
        ids = {result(face).id for face in enrolled}
        listed = [face.id async for face in aevery(list_faces, "people", client=client, limit=2)]
        print(len(ids), ids <= set(listed))


asyncio.run(main())

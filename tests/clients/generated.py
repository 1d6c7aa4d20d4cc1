"""Enrols a portrait and searches another of the same person, with a client that was generated for one dialect.

Arguments: the dialect, the server's URL, a key's id and secret, two pictures. Prints whom the search found.
"""

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

dialect, url, key, secret, enrolled, searched = sys.argv[1:]
PICTURES = [Path(name).read_bytes() for name in (enrolled, searched)]
TEXTS = [base64.b64encode(picture).decode() for picture in PICTURES]
NAME = "Jacinda Ardern"
STAFF = f"staff-{dialect}"


class Signed(httpx.Auth):
    """Signs each request with AWS Signature Version 4."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        """Add the signature's headers."""
        covered = {"X-Amz-Target": request.headers["X-Amz-Target"]}
        unsigned = AWSRequest(request.method, str(request.url.copy_with(fragment=None)), covered, request.content)
        SigV4Auth(Credentials(key, secret), "rekognition", "us-east-1").add_auth(unsigned)
        request.headers.update(dict(unsigned.headers))
        yield request


def argos() -> str:
    """Base64 in JSON."""
    from argos import AuthenticatedClient
    from argos.api.faces import add_face
    from argos.api.search import search_face
    from argos.models import AddFace, SearchFace

    client = AuthenticatedClient(url, f"{key}.{secret}", prefix="", auth_header_name="x-api-key")
    add_face.sync(client=client, body=AddFace("people", NAME, TEXTS[0]))
    (found,) = search_face.sync(client=client, body=SearchFace("people", "gate", TEXTS[1])).result
    return found.user_name


def nhn() -> str:
    """Both versions: JSON in one, a form in the other."""
    from nhn import AuthenticatedClient
    from nhn.api.nhn_face_reco import register_faces
    from nhn.api.v2_0 import create_group_v2, search_by_image_v2
    from nhn.models import CreateGroupForm, Image, Register, SearchByImageV2FilesBody
    from nhn.types import File

    client = AuthenticatedClient(url, secret, prefix="")
    assert create_group_v2.sync(key, client=client, body=CreateGroupForm(STAFF)).header.is_successful
    register = Register(Image(bytes_=TEXTS[0]), limit=1, external_image_id="jacinda")
    register_faces.sync(key, STAFF, client=client, body=register)
    picture = File(io.BytesIO(PICTURES[1]), "face.jpg", "image/jpeg")
    search = SearchByImageV2FilesBody(limit=1, threshold=80, image_file=picture)
    (found,) = search_by_image_v2.sync(key, STAFF, client=client, body=search).data.match_faces
    assert found.face.external_image_id == "jacinda"
    return NAME


def accuauth() -> str:
    """All three media types."""
    from accuauth import AuthenticatedClient
    from accuauth.api.add_face import add_face
    from accuauth.api.create import create
    from accuauth.api.search_face import search_face
    from accuauth.models import AddFaceForm, Create, SearchFaceUrlencoded
    from accuauth.types import File

    client = AuthenticatedClient(f"{url}/faceset/v2", key, prefix="", auth_header_name="X-DF-API-ID")
    client = client.with_headers({"X-DF-API-SECRET": secret})
    assert create.sync(client=client, body=Create(STAFF)).status == "OK"
    picture = File(io.BytesIO(PICTURES[0]), "face.jpg", "image/jpeg")
    add_face.sync(client=client, body=AddFaceForm(STAFF, file=picture, person_id=7))
    search = SearchFaceUrlencoded(STAFF, image_base64=TEXTS[1])
    (found,) = search_face.sync(client=client, body=search).result
    return NAME if found.person_id == 7 else ""


def facedb() -> str:
    """HTTP Basic; every answer has the status 200."""
    from facedb import AuthenticatedClient
    from facedb.api.v2 import create_computing_node, matching_face, register_facedb
    from facedb.models import CreateNode, Match, Register

    pair = base64.b64encode(f"{key}:{secret}".encode()).decode()
    client = AuthenticatedClient(url, pair, prefix="Basic")
    node = create_computing_node.sync(client=client, body=CreateNode("gate")).node_id
    person = Register(node, "u-1", NAME, user_age=40, gender=2, identifier=0, face_images=TEXTS[:1])
    assert register_facedb.sync(client=client, body=person).code == 0
    return matching_face.sync(client=client, body=Match(node, TEXTS[1:])).user_name


def rekognition() -> str:
    """JSON of Amazon's media type, signed."""
    from rekognition import Client
    from rekognition.api.collections import create_collection
    from rekognition.api.faces import index_faces
    from rekognition.api.search import search_faces_by_image
    from rekognition.models import Create, Image, IndexFaces, SearchFacesByImage
    from rekognition.models import CreateCollectionXAmzTarget as Creating
    from rekognition.models import IndexFacesXAmzTarget as Indexing
    from rekognition.models import SearchFacesByImageXAmzTarget as Searching

    client = Client(f"{url}/rekognition", httpx_args={"auth": Signed()})
    create_collection.sync(client=client, body=Create(STAFF), x_amz_target=next(iter(Creating)))
    index = IndexFaces(STAFF, Image(bytes_=TEXTS[0]), external_image_id="jacinda", max_faces=1)
    index_faces.sync(client=client, body=index, x_amz_target=next(iter(Indexing)))
    search = SearchFacesByImage(STAFF, Image(bytes_=TEXTS[1]))
    (match,) = search_faces_by_image.sync(client=client, body=search, x_amz_target=next(iter(Searching))).face_matches
    return NAME if match.face.external_image_id == "jacinda" else ""


def compreface() -> str:
    """A form to add, JSON to recognise."""
    from compreface import AuthenticatedClient
    from compreface.api.recognition import add_face, recognize
    from compreface.models import File as Text
    from compreface.models import FileForm
    from compreface.types import File

    client = AuthenticatedClient(f"{url}/api/v1", f"{key}.{secret}", prefix="", auth_header_name="x-api-key")
    picture = File(io.BytesIO(PICTURES[0]), "face.jpg", "image/jpeg")
    add_face.sync(client=client, body=FileForm(picture), subject=NAME)
    (face,) = recognize.sync(client=client, body=Text(TEXTS[1]), prediction_count=9).result
    return next(one.subject for one in face.subjects if one.subject == NAME)  # other dialects may have enrolled her


def native() -> str:
    """A form to enrol, JSON to search; the kept image comes back as a file."""
    from native import AuthenticatedClient
    from native.api.collections import create_collection
    from native.api.faces import enrol_face, get_face_image
    from native.api.search import search
    from native.models import EnrolForm, NewCollection, NewCollectionImages, PersonFields, Search
    from native.types import File

    client = AuthenticatedClient(f"{url}/api/v1", f"{key}.{secret}")
    create_collection.sync(client=client, body=NewCollection(STAFF, images=NewCollectionImages.ORIGINAL))
    picture = File(io.BytesIO(PICTURES[0]), "face.jpg", "image/jpeg")
    enrol = EnrolForm(image=picture, person=PersonFields(name=NAME))
    face = enrol_face.sync(STAFF, client=client, body=enrol)
    assert get_face_image.sync(STAFF, face.id, client=client).payload.read()
    (match,) = search.sync(STAFF, client=client, body=Search(image=TEXTS[1])).matches
    return match.face.person.name


print(globals()[dialect]())

"""A vendor's recorded traffic is sent to us with our credentials, and both answers are compared."""

import base64
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from urllib3 import encode_multipart_formdata

from collections_app import shadow
from collections_app.dialects import DIALECTS
from collections_app.models import Face
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face, enrol_faces
from tests.conftest import Customer
from tests.make import base64_of, blank, portrait

pytestmark = pytest.mark.django_db(transaction=True)
DIALECT = {dialect.name: dialect for dialect in DIALECTS}
SEEN = {"same person": 1, "both find nobody": 1, "only vendor matches": 1, "both refuse": 1, "only we refuse": 1}


@pytest.fixture
def replay(acme: Customer, live_server: Any, tmp_path: Path) -> Any:
    """Enrol one person, and return how to replay a recording; its answer is the report."""
    image = portrait("obama")
    enrol_face(acme.caller, collection="people", image=image, person=PersonDetails(reference="ada"))
    enrol_faces(acme.caller, collection="people", image=portrait("macron_2014"), limit=1, label="grace")

    def run(dialect: str, recording: str, *more: str) -> dict[str, Any]:
        file, report, page = (tmp_path / name for name in ("recording", "report.json", "report.html"))
        file.write_text(recording)
        key = acme.key(DIALECT[dialect])
        before = Face.objects.of(acme.tenant).count()
        words = [str(file), "--dialect", dialect, "--base-url", live_server.url, "--json", str(report)]
        words += ["--html", str(page), "--credentials", f"id={key.key.pk}", f"secret={key.secret}", *more]
        call_command("shadow", *words, stdout=io.StringIO())
        assert Face.objects.of(acme.tenant).count() == before
        assert f"Shadow report: {DIALECT[dialect].label}" in page.read_text()
        assert key.secret not in report.read_text() + page.read_text()
        whole: dict[str, Any] = json.loads(report.read_text())
        return whole

    return run


def har(*entries: tuple[str, dict[str, str], Any, Any]) -> str:
    """Return a HAR file of (URL, headers, body, answer)."""
    return json.dumps(
        {
            "log": {
                "version": "1.2",
                "entries": [
                    {
                        "time": 120.5,
                        "request": {
                            "method": "POST",
                            "url": url,
                            "headers": [{"name": name, "value": value} for name, value in headers.items()],
                            "postData": {"mimeType": "application/json", "text": json.dumps(body)},
                        },
                        "response": {"status": 200, "content": {"text": json.dumps(answer)}},
                    }
                    for url, headers, body, answer in entries
                ],
            }
        }
    )


def _target(operation: str) -> dict[str, str]:
    signed = "AWS4-HMAC-SHA256 Credential=AKIA/20250101/us-east-1/rekognition/aws4_request, Signature=0"
    head = {"content-type": "application/x-amz-json-1.1", "authorization": signed, "x-amz-date": "20250101T000000Z"}
    return {**head, "host": "rekognition.us-east-1.amazonaws.com", "x-amz-target": f"RekognitionService.{operation}"}


def test_rekognition_signed_anew(replay: Any) -> None:
    """The vendor's signature does not open our door: each request is signed with our key."""
    search = partial(_search, "https://rekognition.us-east-1.amazonaws.com/")
    grace = {"FaceMatches": [{"Similarity": 99.1, "Face": {"FaceId": "1", "ExternalImageId": "grace"}}]}
    refusal = {"__type": "InvalidParameterException", "Message": "There are no faces in the image."}
    report = replay(
        "rekognition",
        har(
            search(portrait("macron_2014"), grace),
            search(portrait("sunak"), {"FaceMatches": []}),
            search(portrait("sunak"), grace),
            search(blank(), refusal),
            search(blank(), grace),
            ("https://rekognition.us-east-1.amazonaws.com/", _target("IndexFaces"), {}, {"FaceRecords": []}),
        ),
    )
    assert report["outcomes"] == {"SearchFacesByImage": SEEN}
    assert (report["requests"], report["agree"], report["left_out"]) == (5, 3, {"another operation": 1})
    assert report["milliseconds"]["vendor"] == {"p50": 120.5, "p95": 120.5, "p99": 120.5}
    missed = report["differences"][0]
    assert (missed["number"], missed["vendor"]["person"], missed["ours"]["person"]) == (3, "grace", "")


def _search(url: str, image: bytes, answer: Any) -> tuple[str, dict[str, str], Any, Any]:
    body = {"CollectionId": "people", "Image": {"Bytes": base64_of(image)}}
    return url, _target("SearchFacesByImage"), body, answer


def test_nhn_with_our_app_key_in_the_path(replay: Any) -> None:
    def search(image: bytes, answer: Any, code: int = 0) -> tuple[str, dict[str, str], Any, Any]:
        url = "https://face-recognition.api.nhncloudservice.com/nhn-face-reco/v1.0/appkeys/theirs/groups/people/search"
        head = {"isSuccessful": not code, "resultCode": code, "resultMessage": ""}
        sent = {"Content-Type": "application/json", "Authorization": "theirs"}
        return f"{url}?limit=5&threshold=80", sent, {"image": {"bytes": base64_of(image)}}, {"header": head} | answer

    grace = {"data": {"matchFaces": [{"similarity": 99.1, "face": {"faceId": "1", "externalImageId": "grace"}}]}}
    report = replay(
        "nhn",
        har(
            search(portrait("macron_2014"), grace),
            search(portrait("sunak"), {"data": {"matchFaces": []}}),
            search(portrait("sunak"), grace),
            search(blank(), {}, -45040),
            search(blank(), grace),
        ),
    )
    assert report["outcomes"] == {"search": SEEN}


def test_compreface_whose_answers_do_not_decide(replay: Any, tmp_path: Path) -> None:
    """Files travel as JSON lines; the vendor names the nearest subject, so its clients' threshold decides."""

    def recognise(image: bytes, answer: Any) -> str:
        body, kind = encode_multipart_formdata({"file": ("image.jpg", image, "image/jpeg")})
        request = {
            "method": "POST",
            "url": "http://compreface:8000/api/v1/recognition/recognize?limit=0&prediction_count=1",
            "headers": {"Content-Type": kind, "x-api-key": "00000000-0000-0000-0000-000000000002"},
            "body_base64": base64.b64encode(body).decode(),
        }
        return json.dumps({"request": request, "response": {"status": 200, "body": json.dumps(answer)}, "ms": 80})

    def near(similarity: float) -> dict[str, Any]:
        return {"result": [{"subjects": [{"subject": "Ada", "similarity": similarity}]}]}

    lines = [
        recognise(portrait("obama"), near(0.99)),
        recognise(portrait("sunak"), near(0.4)),
        recognise(portrait("sunak"), near(0.95)),
        recognise(blank(), {"code": 28, "message": "No face is found in the given image"}),
        recognise(blank(), near(0.99)),
    ]
    people = {"Ada": "ada"}
    (file := tmp_path / "people.json").write_text(json.dumps(people))
    report = replay("compreface", "\n".join(lines), "--vendor-threshold", ".9", "--people", str(file))
    assert report["outcomes"] == {"recognition/recognize": SEEN}


def test_what_cannot_be_sent_is_counted_with_its_reason(replay: Any) -> None:
    whole = json.loads(har(_search("https://rekognition.us-east-1.amazonaws.com/", blank(), {"FaceMatches": []})))
    broken = json.loads(har(("https://host/", {}, {}, {})))["log"]["entries"][0]
    broken["request"]["postData"]["text"] = "\ufffd\ufffd"
    whole["log"]["entries"] += [broken, {}]
    report = replay("rekognition", json.dumps(whole))
    assert report["left_out"] == {
        "its body was recorded as text: record it as JSON lines": 1,
        "an entry that is not as it should be": 1,
    }


def test_a_server_that_does_not_answer_is_no_agreement(tmp_path: Path) -> None:
    one = shadow.Recorded("POST", "https://h/", _target("DetectFaces"), b"{}", {"FaceDetails": []}, 1)
    run = shadow.Run(DIALECT["rekognition"], "http://127.0.0.1:9", {"id": "fp_x", "secret": "x"})
    assert run.report(iter([one])).as_json()["outcomes"] == {"DetectFaces": {"we failed": 1}}


def test_input_that_is_none_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "recording").write_text("no HAR")
    run: Any = partial(call_command, "shadow", "--dialect", "rekognition", "--base-url", "http://127.0.0.1:9")
    with pytest.raises(CommandError, match="neither a HAR file nor JSON lines"):
        run("--credentials", "id=a", "secret=b", "--", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        run("--credentials", "id=a", "secret=b", "--", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="must name id and secret"):
        run("--credentials", "id=a", "key=b", "--", str(file))

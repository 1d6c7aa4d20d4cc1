"""/metrics: counts of all processes of a host together, bounded labels, a token; files that Prometheus accepts."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from collections_app.dialects import DIALECTS
from tests.config.conftest import worker
from tests.conftest import ArgosClient, Customer
from tests.make import base64_of, portrait
from tests.processes import call, environment, free_port, prepare, until, web_server

DEPLOY: Path = settings.BASE_DIR / "config" / "deploy"
PROMTOOL = shutil.which("promtool")
TOKEN = "a-token-of-its-own"  # noqa: S105


def _metrics(url: str, token: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the samples by name."""
    asked = Request(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    with urlopen(asked, timeout=30) as answer:  # noqa: S310
        text = answer.read().decode()
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def _total(samples: list[tuple[dict[str, str], float]], **labels: str) -> float:
    return sum(value for found, value in samples if labels.items() <= found.items())


def test_the_processes_of_a_host_are_counted_together_and_totals_never_decrease(tmp_path: Path) -> None:
    """Two web processes and a worker; a reload replaces the processes, and their counts stay."""
    bind = f"127.0.0.1:{free_port()}"
    env = environment(tmp_path, METRICS_TOKEN=TOKEN, METRICS_BIND=bind, METRICS_TENANTS="true")
    key = {"x-api-key": prepare(env, acme="people")["acme"]}
    body = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(portrait("obama"))}
    log = tmp_path / "log"
    with (
        web_server(env, workers=2) as (url, process),
        worker(env, "--beat", "--pool", "prefork", "--concurrency", "1", log=log),
    ):
        until(lambda: call(f"{url}/readyz")[1]["status"] == "ready", log=log)
        for _ in range(8):
            assert call(f"{url}/search", "POST", body, **key)[0] == 200
        assert call(f"{url}/search", "POST", body, **{"x-api-key": "fp_wrong.key"})[0] == 403
        for token in ("", "wrong"):
            with pytest.raises(HTTPError, match="401"):
                _metrics(url, token)
        for samples in (_metrics(url, TOKEN), _metrics(f"http://{bind}")):  # the worker answers for the host, too
            requests = samples["faceplane_requests_total"]
            assert _total(requests, dialect="argos", operation="POST search", status="200", error="") == 8
            assert _total(requests, operation="POST search", status="403") == 1
            assert [labels["error"] for labels, _ in requests if labels["status"] == "403"] != [""]
            stages = {labels["stage"]: value for labels, value in samples["faceplane_stage_seconds_count"]}
            assert {stages[name] for name in ("queue", "decode", "detect", "landmarks", "embed", "index")} == {8}
            assert stages["database"] > 8
            assert _total(samples["faceplane_compute"], state="slots") >= 1
            assert _total(samples["faceplane_up"]) == 1
            assert {labels["tenant"] for labels, _ in samples["faceplane_tenant_faces"]} == {"acme"}
        until(lambda: "faceplane_task_seconds_count" in _metrics(url, TOKEN), log=log)
        process.send_signal(signal.SIGHUP)
        ended = tmp_path / "host" / "metrics" / "counter_ended.db"
        until(lambda: bool(_metrics(url, TOKEN)) and ended.exists())
        assert call(f"{url}/search", "POST", body, **key)[0] == 200
        assert _total(_metrics(url, TOKEN)["faceplane_requests_total"], dialect="argos", status="200") == 9


def test_no_label_is_a_clients_choice_and_without_a_token_there_is_no_such_page(
    argos: ArgosClient, acme: Customer
) -> None:
    from config.metrics import REQUESTS  # noqa: PLC0415

    for number in range(20):
        argos(f"METHOD{number}", f"/faces/{number}")
        argos("GET", f"/nowhere/{number}")
        for dialect in DIALECTS:
            if dialect.operation_header:
                headers = {dialect.operation_header: f"METHOD{number}", "x-api-key": acme.issued.token}
                Client().post(f"/{dialect.prefix}", "{}", content_type="application/json", headers=headers)
    labels = {value for family in REQUESTS.collect() for sample in family.samples for value in sample.labels.values()}
    assert not [label for label in labels if re.search(r"METHOD|/\d", label)]
    assert argos("GET", "/metrics").status_code == 404


def test_a_call_that_asks_is_told_the_time_of_its_stages_and_a_stranger_is_not(acme: Customer) -> None:
    body = json.dumps({"image": base64_of(portrait("obama"))})
    asked = {"X-Server-Timing": "1"}
    for headers, told in (
        ({"x-api-key": acme.issued.token, **asked}, True),
        ({"x-api-key": acme.issued.token}, False),
        (asked, False),
    ):
        answer = Client().post(
            "/api/v1/collections/people/search", body, content_type="application/json", headers=headers
        )
        assert ("Server-Timing" in answer) is told
        if told:
            names = re.findall(r"(\w+);dur=\d+\.\d(?:, |$)", answer["Server-Timing"])
            assert {"queue", "decode", "detect", "landmarks", "embed", "index", "database", "total"} == set(names)


def _named() -> set[str]:
    """Return the names of the metrics in the alert rules and the dashboard."""
    texts = [(DEPLOY / name).read_text() for name in ("prometheus-rules.yml", "grafana-dashboard.json")]
    return {name for text in texts for name in re.findall(r"faceplane_[a-z_]+", text)}


def test_rules_and_dashboard_name_metrics_that_exist() -> None:
    """What is only there once something happened (a backup, a refusal) counts as well."""
    sources = [settings.BASE_DIR / "config" / "metrics.py", settings.BASE_DIR / "recognition" / "metrics.py"]
    sources += [settings.BASE_DIR / "config" / "checks" / "figures.py"]
    known = {name for file in sources for name in re.findall(r'"(faceplane_[a-z_]+)"', file.read_text())}
    known |= {f"faceplane_{deed}_timestamp_seconds" for deed in ("audits", "audit_broken", "backup")}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in _named()} <= known


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (apt install prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "prometheus-rules.yml"), ("test", "rules", "../../tests/config/prometheus-rules-test.yml")],
    ids=lambda words: words[0],
)
def test_prometheus_accepts_the_rules_and_they_fire(arguments: tuple[str, ...]) -> None:
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

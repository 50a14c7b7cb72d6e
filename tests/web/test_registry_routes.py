"""Models, versions, releases and aliases over HTTP, held against the registry itself."""

import io
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kedge.registry.tabular import Truth, read_reference
from registry.building import write
from web.asking import API

CSV = b"x,carrier,late,id\n1.5,AA,0.1,1\n2.5,UA,0.7,2\n,AA,0.3,3\n"


def _problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"]) == (f"urn:kedge:problem:{kind}", status)
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


def test_a_model_goes_from_upload_to_production_and_back(operator, registry, tmp_path):
    reference = tmp_path / "train.csv"
    reference.write_bytes(CSV)
    made = operator.post(
        f"{API}/models/flights/versions",
        files=[("artifact", ("model.json", b"{}")), ("reference", ("train.csv", CSV))],
        data={"output": ["late"], "ignore": ["id"]},
    )
    assert made.status_code == 201, made.text
    version = registry.model_version("flights", made.json()["id"])
    expected = read_reference(reference, outputs=["late"], ignored=["id"])
    assert version.reference.to_record() == expected.to_record()
    assert registry.artifact(version.id).read_bytes() == b"{}"
    assert version.actor == "operate"
    assert operator.get(made.headers["location"]).json() == made.json()

    code = operator.post(
        f"{API}/models/flights/code",
        files=[("bundle", ("inference.py", b"A = 1\n")), ("bundle", ("pkg/more.py", b"B = 2\n"))],
    )
    assert code.status_code == 201, code.text
    bundle = registry.bundle(code.json()["id"])
    assert (bundle / "pkg/more.py").read_bytes() == b"B = 2\n"

    pair = {"model_version": version.id[:8], "code_version": code.json()["id"]}
    first = operator.post(f"{API}/models/flights/releases", json=pair).json()
    again = operator.post(f"{API}/models/flights/releases", json={**pair, "reason": "again"})
    assert (first["number"], again.json()["number"]) == (1, 2)

    alias = f"{API}/models/flights/aliases/production"
    moved = operator.put(alias, json={"release": 1}, headers={"If-None-Match": "*"})
    assert (moved.status_code, moved.headers["etag"]) == (200, '"1"')
    moved = operator.put(alias, json={"release": 2}, headers={"If-Match": '"1"'})
    assert moved.json()["generation"] == 2
    back = operator.post(
        f"{alias}/rollback", json={"reason": "worse"}, headers={"If-Match": moved.headers["etag"]}
    )
    assert (back.json()["to_release"], back.json()["from_release"]) == (1, 2)
    history = registry.history("flights", "production")
    assert [(move.generation, move.to_release) for move in history] == [(1, 1), (2, 2), (3, 1)]
    assert history[-1].reason == "worse"
    listed = operator.get(f"{alias}/history").json()["items"]
    assert [each["generation"] for each in listed] == [3, 2, 1]
    assert operator.get(f"{API}/models/flights").json()["aliases"] == [back.json()]


def test_the_same_upload_is_the_same_version_in_either_format(operator):
    table = pa.table({"x": [1.0, 2.0], "y": [0.1, 0.2]})
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    sent = [
        ("train.parquet", parquet.getvalue()),
        ("train.csv", b"x,y\n1.0,0.1\n2.0,0.2\n"),
    ]
    ids = {
        operator.post(
            f"{API}/models/two/versions",
            files=[("artifact", ("m.bin", b"\0\r\n--x")), ("reference", reference)],
            data={"output": "y"},
        ).json()["id"]
        for reference in sent
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("files", "data", "said"),
    [
        ([("artifact", ("m", b""))], {}, "`reference` is missing"),
        ([("artifact", ("m", b"")), ("reference", ("t.txt", b""))], {}, "t.txt is neither"),
        ([("artifact", ("../m", b"")), ("reference", ("t.csv", CSV))], {}, "relative path"),
        ([("artifact", ("/etc/x", b"")), ("reference", ("t.csv", CSV))], {}, "relative path"),
        ([("artifact", ("m", b"")), ("reference", ("t.csv", CSV))], {"out": "y"}, "`out`"),
        ([("artifact", ("m", b"")), ("reference", ("t.csv", CSV))], {"output": "y"}, "no column"),
        ([("artifact", ("m", b"")), ("artifact", ("m", b""))], {}, "comes twice"),
        ([("artifact", ("m", b"")), ("artifact", ("m/n", b""))], {}, "a file and a folder"),
    ],
)
def test_a_wrong_upload_is_told_what_is_wrong_and_leaves_nothing(
    operator, served, files, data, said
):
    answer = operator.post(f"{API}/models/m/versions", files=files, data=data)
    told = _problem(answer, 422, "invalid")
    assert said in told["detail"]
    assert str(served.home) not in told["detail"]
    assert list((served.home / "uploads").iterdir()) == []


def test_diff_and_lists_are_the_registry_s(reader, registry):
    found = reader.get(f"{API}/models/m/releases/3/diff", params={"against": 1}).json()
    expected = registry.compare("m", 1, 3)
    assert [(each["part"], each["before"]) for each in found] == [
        (each.part, each.before) for each in expected
    ]
    assert expected
    versions = reader.get(f"{API}/models/m/versions").json()["items"]
    assert [each["id"] for each in versions] == [v.id for v in registry.model_versions("m")]
    assert reader.get(f"{API}/models").json() == {"items": [{"name": "m"}], "next": None}


def test_whoever_is_late_gets_412_or_409_with_where_the_alias_is(operator, registry):
    alias = f"{API}/models/m/aliases/production"
    for generation in (0, 1):
        registry.move_alias(
            "m", "production", generation + 1, expected_generation=generation, actor="a", reason=""
        )
    by_header = operator.put(alias, json={"release": 2}, headers={"If-Match": '"1"'})
    assert _problem(by_header, 412, "precondition-failed")["current_generation"] == 2
    new = operator.put(alias, json={"release": 2}, headers={"If-None-Match": "*"})
    assert _problem(new, 412, "precondition-failed")["current_generation"] == 2
    by_body = operator.put(alias, json={"release": 2, "expected_generation": 1})
    assert _problem(by_body, 409, "stale-alias")["current_generation"] == 2
    back = operator.post(f"{alias}/rollback", json={"expected_generation": 1})
    assert _problem(back, 409, "stale-alias")["current_generation"] == 2
    _problem(operator.put(alias, json={"release": 2}), 428, "precondition-required")
    for odd in ("*", 'W/"2"', '"1", "2"', "2"):
        answer = operator.put(alias, json={"release": 2}, headers={"If-Match": odd})
        _problem(answer, 400, "malformed")
    twice = operator.put(
        alias, json={"release": 2, "expected_generation": 2}, headers={"If-Match": '"2"'}
    )
    _problem(twice, 400, "malformed")
    assert registry.alias("m", "production").generation == 2


def test_an_incident_is_decided_once_over_http_too(operator, registry):
    alias = f"{API}/models/m/aliases/production"
    registry.refuse("m", "production", "i", actor="a", reason="the world changed")
    answer = operator.put(alias, json={"release": 1, "incident": "i", "expected_generation": 0})
    assert "the world changed" in _problem(answer, 409, "conflict")["detail"]
    listed = operator.get(f"{alias}/refusals").json()["items"]
    assert [each["incident"] for each in listed] == ["i"]
    first = operator.put(alias, json={"release": 1, "incident": "j", "expected_generation": 0})
    again = operator.put(alias, json={"release": 2, "incident": "j", "expected_generation": 0})
    assert first.json() == again.json()


def test_a_first_move_has_no_release_to_go_back_to(operator):
    alias = f"{API}/models/m/aliases/production"
    operator.put(alias, json={"release": 1, "expected_generation": 0})
    answer = operator.post(f"{alias}/rollback", json={"expected_generation": 1})
    _problem(answer, 409, "conflict")


def test_what_a_client_has_is_not_sent_again(reader, operator, registry):
    alias = f"{API}/models/m/aliases/production"
    operator.put(alias, json={"release": 1, "expected_generation": 0})
    for path in (alias, f"{API}/models", f"{API}/models/m/releases", f"{API}/models/m/releases/1"):
        first = reader.get(path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = reader.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
    before = reader.get(alias).headers["etag"]
    registry.move_alias("m", "production", 2, expected_generation=1, actor="a", reason="")
    after = reader.get(alias, headers={"If-None-Match": before})
    assert (after.status_code, after.json()["to_release"]) == (200, 2)


def test_every_failure_is_a_problem(reader, operator, admin, stranger):
    release = f"{API}/models/m/releases"
    pair = {"model_version": "a" * 8, "code_version": "b" * 8}
    _problem(stranger.get(f"{API}/models"), 401, "unauthenticated")
    _problem(reader.post(release, json=pair), 403, "forbidden")
    _problem(reader.get("/nowhere"), 404, "not-found")
    _problem(reader.get(f"{API}/models/nope"), 404, "not-found")
    _problem(reader.get(f"{API}/models/m/versions/abcdef"), 404, "not-found")
    _problem(reader.get(f"{release}/9"), 404, "not-found")
    _problem(reader.get(f"{API}/models/m/aliases/nope"), 404, "not-found")
    _problem(reader.get(f"{API}/models/m/aliases/nope/history"), 404, "not-found")
    _problem(operator.post(release, json=pair), 404, "not-found")
    _problem(admin.delete(f"{API}/tokens/nope"), 404, "not-found")
    wrong = operator.post(release, json={"model_version": "x", "more": 1})
    told = _problem(wrong, 422, "invalid")
    assert {tuple(each["where"]) for each in told["errors"]} == {
        ("body", "model_version"),
        ("body", "code_version"),
        ("body", "more"),
    }
    odd = {"Content-Type": "application/json"}
    _problem(operator.post(release, content=b"{", headers=odd), 400, "malformed")
    _problem(
        operator.post(release, content=b"a=1", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported-media-type",
    )
    _problem(operator.post(f"{API}/models/m/versions", json={}), 415, "unsupported-media-type")
    _problem(
        operator.post(
            f"{API}/models/m/versions",
            content=b"--x\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        ),
        400,
        "malformed",
    )
    _problem(reader.get(f"{API}/models", params={"limit": 0}), 422, "invalid")
    _problem(reader.get(f"{API}/models", headers={"Host": "evil.example"}), 421, "misdirected")
    half = operator.put(
        f"{API}/models/m/aliases/x",
        content=rb'{"release": 1, "reason": "\ud800"}',
        headers={**odd, "If-None-Match": "*"},
    )
    _problem(half, 422, "invalid")


def test_405_names_every_method_that_is_allowed(admin):
    for path, allowed in (
        (f"{API}/models/m/releases", "GET, POST"),
        (f"{API}/models/m/aliases/a", "GET, PUT"),
        (f"{API}/tokens/a", "DELETE"),
        ("/healthz", "GET"),
    ):
        answer = admin.request("PATCH", path)
        _problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == allowed


def test_every_answer_has_the_headers_of_a_careful_server(reader, stranger):
    for answer in (reader.get(f"{API}/models"), stranger.get(f"{API}/models"), reader.get("/x")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_a_registration_takes_what_the_command_line_takes(operator, registry, tmp_path):
    rows = "".join(f"{n % 7},S,{(n % 10) / 10},{int(n % 10 > 4)}\n" for n in range(200))
    table = write(tmp_path / "train.csv", f"x,size,late,was_late\n{rows}")
    versions = f"{API}/models/sized/versions"

    def registered(artifact, **data):
        sent = [("artifact", ("m", artifact)), ("reference", ("t.csv", table.read_bytes()))]
        return operator.post(versions, files=sent, data={"output": "late", **data})

    known = {"truth": "was_late", "threshold": "0.3", "order": "size=S,M,L"}
    made = registered(b"{}", **known)
    assert made.status_code == 201, made.text
    expected = read_reference(
        table,
        outputs=["late"],
        truth=Truth("was_late", threshold=0.3),
        orders={"size": ["S", "M", "L"]},
    )
    kept = registry.model_version("sized", made.json()["id"])
    assert kept.reference.to_record() == expected.to_record()

    refused = registered(pickle.dumps({"a": 1}), **known)
    assert "is a pickle" in _problem(refused, 422, "unsafe-artifact")["detail"]
    allowed = registered(pickle.dumps({"a": 1}), **known, allow_pickle="true").json()
    assert (allowed["format"], allowed["pickle_allowed_by"]) == ("pickle", "operate")
    listed = operator.get(versions).json()["items"]
    assert [(v["format"], v["pickle_allowed_by"]) for v in listed] == [
        ("pickle", "operate"),
        (kept.format, None),
    ]
    for wrong, said in (
        ({"threshold": "0.3"}, "name its column in `truth`"),
        ({**known, "threshold": "nan"}, "from 0 to 1"),
        ({"order": "size"}, "COLUMN=LOW"),
        ({"probability": "late"}, "CLASS=COLUMN"),
        ({"allow_pickle": "yes"}, "true or false"),
    ):
        assert said in _problem(registered(b"{}", **wrong), 422, "invalid")["detail"]

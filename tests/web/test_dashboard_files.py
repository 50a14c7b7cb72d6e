"""The dashboard's files: as they were built, and as a browser gets them."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from kedge import web

FOLDER = Path(web.__file__).parent
SOURCE, BUILT = FOLDER / "dashboard", FOLDER / "static"
MOST_BYTES = 200_000


def test_what_is_served_was_built_from_the_sources():
    sources = [
        *("build.mjs", "package-lock.json"),
        *sorted(f"src/{path.name}" for path in (SOURCE / "src").iterdir()),
    ]
    digest = hashlib.sha256()
    for name in sources:
        digest.update(f"{name}\0".encode() + (SOURCE / name).read_bytes())
    told = (BUILT / "sources.sha256").read_text().strip()
    assert told == digest.hexdigest(), "build it: `make dashboard`"


@pytest.mark.skipif(
    not (SOURCE / "node_modules").is_dir() or shutil.which("node") is None,
    reason="its packages are not installed: `make dashboard` does",
)
def test_the_same_sources_give_the_same_bytes(tmp_path):
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=SOURCE, check=True)
    for path in BUILT.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(stranger):
    for path in ("/", "/models/m", "/incidents/m/i", "/explore", "/policy", "/system"):
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        # What a browser has kept is good for it with the same headers only.
        again = stranger.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        assert again.headers["Content-Security-Policy"] == policy
    assert stranger.get("/assets/sources.sha256").status_code == 404
    assert stranger.get("/nothing").status_code == 404


def test_the_first_view_is_small(stranger):
    total = 0
    for path in ("/", "/assets/app.js", "/assets/app.css", "/assets/icon.svg"):
        with stranger.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["Content-Encoding"] == "gzip"
        plain = stranger.get(path, headers={"Accept-Encoding": "identity"})
        assert gzip.decompress(raw) == plain.content
        total += len(raw)
    assert total < MOST_BYTES

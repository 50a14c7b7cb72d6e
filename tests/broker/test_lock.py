"""`jars.lock` says which bytes make up the broker, and belongs to the pom beside it."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.broker.layout import shipped
from kedge.broker.lock import Jar, read, write
from kedge.broker.relock import relock
from kedge.errors import KedgeError

names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,12}", fullmatch=True).filter(
    lambda name: ".." not in name
)
paths = st.lists(names, min_size=1, max_size=5).map(lambda parts: "/".join(parts) + ".jar")
locked = st.lists(
    st.builds(Jar, st.from_regex(r"[0-9a-f]{64}", fullmatch=True), paths),
    unique_by=lambda jar: jar.path,
)


@given(locked)
@hypothesis_settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_was_written_is_read(tmp_path, jars):
    write(tmp_path / "jars.lock", jars)

    assert set(read(tmp_path / "jars.lock").jars) == set(jars)


@pytest.mark.parametrize(
    "line",
    [
        "not a lock",
        f"{'0' * 63}  a/b.jar",
        f"{'0' * 64} a/b.jar",
        f"{'0' * 64}  /etc/b.jar",
        f"{'0' * 64}  a/../../b.jar",
        f"{'0' * 64}  a/b.txt",
    ],
)
def test_a_line_that_locks_nothing_is_refused_by_its_number(tmp_path, line):
    path = tmp_path / "jars.lock"
    path.write_text(f"{'0' * 64}  a/good-1.jar\n{line}\n")

    with pytest.raises(KedgeError, match=r"jars\.lock, line 2 "):
        read(path)


def test_the_lock_was_written_from_this_pom(lock):
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    wanted = {
        f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"
        for dependency in ET.parse(shipped("pom.xml")).findall("m:dependencies/m:dependency", space)
        for group, artifact, version in [
            [
                dependency.findtext(f"m:{tag}", namespaces=space)
                for tag in ("groupId", "artifactId", "version")
            ]
        ]
    }

    assert len(wanted) == 2
    assert wanted <= {jar.path for jar in lock.jars}
    assert any(f"kafka_2.13-{lock.kafka_version}.jar" in path for path in wanted)


@pytest.mark.skipif(shutil.which("mvn") is None, reason="there is no Maven")
def test_locking_again_changes_nothing(tmp_path):
    relock(shipped("pom.xml"), tmp_path / "jars.lock")

    assert (tmp_path / "jars.lock").read_text() == shipped("jars.lock").read_text()

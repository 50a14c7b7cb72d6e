"""The jars in the cache are the locked ones, however they came and whoever fetches them at once."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from threading import Barrier

import pytest

from kedge.broker.jars import prepare
from kedge.errors import KedgeError
from kedge.settings import BrokerSettings

needs_maven = pytest.mark.skipif(shutil.which("mvn") is None, reason="there is no Maven")


@pytest.fixture
def no_maven(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def few(lock):
    """A lock of three small jars, for what does not depend on their number."""
    wanted = ("slf4j-simple", "slf4j-api", "metrics-core")
    return replace(lock, jars=tuple(j for j in lock.jars if j.path.split("/")[-3] in wanted))


@pytest.fixture
def closed():
    """The address of a repository that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def broker_of(tmp_path, url):
    return BrokerSettings(cache=tmp_path / "cache", maven_repository=url)


def digests(classpath):
    return [sha256(path.read_bytes()).hexdigest() for path in classpath]


@pytest.mark.usefixtures("no_maven")
def test_every_locked_jar_is_downloaded_where_there_is_no_maven(lock, repository, tmp_path):
    broker = broker_of(tmp_path, repository.url)

    classpath = prepare(lock, broker)

    assert digests(classpath) == [jar.sha256 for jar in lock.jars]
    assert repository.requested == [jar.path for jar in lock.jars]
    assert prepare(lock, broker) == classpath
    assert len(repository.requested) == len(lock.jars)  # nothing was asked for again


@needs_maven
def test_maven_is_used_where_it_is(lock, closed, tmp_path):
    classpath = prepare(lock, broker_of(tmp_path, closed))

    assert digests(classpath) == [jar.sha256 for jar in lock.jars]


@pytest.mark.usefixtures("no_maven")
def test_a_damaged_download_is_refused_and_the_rest_is_kept(few, repository, tmp_path):
    first, damaged, last = few.jars
    repository.damaged.add(damaged.path)
    broker = broker_of(tmp_path, repository.url)

    with pytest.raises(KedgeError) as refusal:
        prepare(few, broker)

    assert damaged.path in str(refusal.value)
    assert damaged.sha256 in str(refusal.value)
    assert repository.url in str(refusal.value)
    kept = {path.name for path in broker.cache.rglob("*.jar")}
    assert kept == {first.path.split("/")[-1]}

    repository.damaged.clear()
    repository.requested.clear()
    assert digests(prepare(few, broker)) == [jar.sha256 for jar in few.jars]
    assert repository.requested == [damaged.path, last.path]


@needs_maven
def test_a_wrong_jar_of_maven_is_refused(few, closed, tmp_path):
    other = replace(few.jars[1], sha256="0" * 64)

    with pytest.raises(KedgeError) as refusal:
        prepare(replace(few, jars=(few.jars[0], other, few.jars[2])), broker_of(tmp_path, closed))

    assert other.path in str(refusal.value)
    assert few.jars[1].sha256 in str(refusal.value)
    assert "Maven's local repository" in str(refusal.value)


@pytest.mark.usefixtures("no_maven")
def test_a_jar_damaged_in_the_cache_is_refused_and_named(few, repository, tmp_path):
    broker = broker_of(tmp_path, repository.url)
    victim = prepare(few, broker)[1]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)

    with pytest.raises(KedgeError) as refusal:
        prepare(few, broker)

    assert str(victim) in str(refusal.value)
    assert sha256(content).hexdigest() in str(refusal.value)

    victim.unlink()  # as the message says
    assert digests(prepare(few, broker)) == [jar.sha256 for jar in few.jars]


@pytest.mark.usefixtures("no_maven")
def test_a_server_that_stumbles_is_asked_again(few, repository, tmp_path):
    stumbled = few.jars[1].path
    repository.failing[stumbled] = 1

    assert digests(prepare(few, broker_of(tmp_path, repository.url))) == [
        jar.sha256 for jar in few.jars
    ]
    assert repository.requested.count(stumbled) == 2


@pytest.mark.usefixtures("no_maven")
def test_what_the_repository_has_not_got_is_said_at_once(few, repository, tmp_path):
    absent = replace(few.jars[0], path="org/nobody/nothing/1/nothing-1.jar")

    with pytest.raises(KedgeError) as refusal:
        prepare(replace(few, jars=(absent,)), broker_of(tmp_path, repository.url))

    assert "404" in str(refusal.value)
    assert f"{repository.url}{absent.path}" in str(refusal.value)
    assert "no `mvn`" in str(refusal.value)
    assert repository.requested == [absent.path]


@needs_maven
def test_where_maven_fails_the_download_is_tried(few, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java"))  # which Maven's launcher refuses

    classpath = prepare(few, broker_of(tmp_path, repository.url))

    assert digests(classpath) == [jar.sha256 for jar in few.jars]
    assert len(repository.requested) == 3


@needs_maven
def test_where_both_fail_both_reasons_and_a_way_out_are_told(few, closed, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java"))

    with pytest.raises(KedgeError) as refusal:
        prepare(few, broker_of(tmp_path, closed))

    assert "JAVA_HOME" in str(refusal.value)
    assert closed in str(refusal.value)
    assert "KEDGE_BROKER__MAVEN_REPOSITORY" in str(refusal.value)
    assert "KEDGE_KAFKA__BOOTSTRAP_SERVERS" in str(refusal.value)


@pytest.mark.usefixtures("no_maven")
def test_a_password_in_the_address_is_not_told(few, repository, tmp_path):
    repository.damaged.add(few.jars[0].path)
    absent = replace(few.jars[0], path="org/nobody/nothing/1/nothing-1.jar")
    broker = broker_of(tmp_path, repository.url.replace("//", "//user:hunter2@"))

    for lock in (few, replace(few, jars=(absent,))):
        with pytest.raises(KedgeError) as refusal:
            prepare(lock, broker)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.usefixtures("no_maven")
def test_at_the_same_time_one_fetches_for_all(few, repository, tmp_path):
    broker, together = broker_of(tmp_path, repository.url), Barrier(4)

    def race(_):
        together.wait()
        return digests(prepare(few, broker))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(race, range(4)))

    assert found == [[jar.sha256 for jar in few.jars]] * 4
    assert sorted(repository.requested) == sorted(jar.path for jar in few.jars)


@pytest.mark.usefixtures("no_maven")
def test_what_a_killed_fetch_left_is_cleared_away(few, repository, tmp_path):
    broker = broker_of(tmp_path, repository.url)
    left = broker.cache / f"{few.digest[:16]}.partial"
    left.mkdir(parents=True)
    (left / "half.jar").write_bytes(b"half")

    prepare(few, broker)

    assert not left.exists()
    assert len(list(broker.cache.rglob("*.jar"))) == 3


def test_a_cache_that_cannot_be_written_is_named(few, repository, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")

    with pytest.raises(KedgeError, match="KEDGE_BROKER__CACHE"):
        prepare(few, broker_of(tmp_path, repository.url))

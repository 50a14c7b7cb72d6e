"""Forks, the end of the process, and what may be imported: each in a program of its own."""

import pytest

BEGIN = """
import json, os, sys, threading
from kedge import LiveRelease, PredictionLogger, follow
RELEASE = LiveRelease("flights", 3, "model-a", "code-b")
def say(*what):
    os.write(1, (json.dumps(what) + "\\n").encode())
def log_some(log, count=50):
    say(*[log.prediction({"x": n}, n) for n in range(count)],
        *log.batch({"x": list(range(10))}, list(range(10))))
log = PredictionLogger(RELEASE)
"""


def flat(lines):
    return [name for line in lines for name in line]


def test_the_end_of_the_program_sends_what_is_queued(run_script, predictions):
    said = flat(run_script(BEGIN + "log_some(log, 2000)"))
    assert len(said) == 2010
    assert set(predictions.rows()) == set(said)


def test_a_program_that_fails_sends_what_is_queued(run_script, predictions):
    said = flat(
        run_script(
            BEGIN
            + """
sys.excepthook = lambda *_: None
def end():
    log_some(log)
    sys.exit(0)
threading.Thread(target=log_some, args=(log,)).start()
end()
"""
        )
    )
    assert len(said) == 120
    assert set(predictions.rows()) == set(said)


def test_the_end_is_not_held_up_by_a_broker_that_is_away(run_script):
    (counts,) = run_script(
        BEGIN
        + """
import atexit
atexit.register(lambda: say(far.counts.pending, far.counts.undelivered))
far = PredictionLogger(RELEASE, kafka={"bootstrap.servers": "127.0.0.1:1"}, exit_timeout=0.2)
atexit.unregister(lambda: None)
far.prediction({}, 1)
from kedge.sdk import lifetimes
lifetimes._end()
"""
    )
    assert counts == [0, 1]


def test_parent_and_forked_child_log_apart(run_script, predictions):
    said = run_script(
        BEGIN
        + """
log_some(log)          # queued or on the way in the parent: the child must not send it again
child = os.fork()
if child == 0:
    assert log.counts.accepted == 0
    log_some(log)
    grandchild = os.fork()
    if grandchild == 0:
        log_some(log)
        sys.exit(0)
    assert os.waitpid(grandchild, 0)[1] == 0
    log_some(log)
    sys.exit(0)
log_some(log)
assert os.waitpid(child, 0)[1] == 0
log_some(log)
assert log.close(30)
assert log.counts.delivered == 180
"""
    )
    names = flat(said)
    assert len(said) == 6
    assert len(set(names)) == len(names) == 6 * 60
    assert set(predictions.rows()) == set(names)  # which fails where one arrives twice
    producers = {batch.producer.id for batch in predictions.batches()}
    assert len(producers) == 3


def test_a_logger_made_before_workers_are_forked(run_script, predictions):
    said = run_script(
        BEGIN
        + """
for _ in range(4):
    if os.fork() == 0:
        log_some(log)
        log.close()
        os._exit(0)
for _ in range(4):
    assert os.wait()[1] == 0
"""
    )
    assert len(said) == 4
    assert set(predictions.rows()) == set(flat(said))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_send_what_is_queued(run_script, predictions, method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        BEGIN
        + f"""
import multiprocessing
def work(number):
    log_some(log)
if __name__ == "__main__":
    log_some(log)
    context = multiprocessing.get_context({method!r})
    workers = [context.Process(target=work, args=(n,)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
"""
    )
    said = run_script(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')")
    assert len(said) == 3
    assert set(predictions.rows()) == set(flat(said))


def test_a_follower_goes_on_in_a_forked_child(run_script, move):
    move("forked", number=1, generation=1)
    (seen,) = run_script(
        BEGIN
        + """
import queue
follower = follow("forked")
assert follower.wait(60).number == 1
read, write = os.pipe()
child = os.fork()
if child == 0:
    assert follower.live.number == 1
    changes = queue.Queue()
    follower.on_change(changes.put)
    os.write(write, b"ready")
    say(changes.get(timeout=60).number)
    sys.exit(0)
os.read(read, 5)
from confluent_kafka import Producer
from kedge.contracts import encode
producer = Producer({"bootstrap.servers": os.environ["KEDGE_KAFKA__BOOTSTRAP_SERVERS"]})
producer.produce(
    os.environ["KEDGE_TOPIC_PREFIX"] + ".releases",
    encode("release_event", {"id": "e", "time": 0, "model": "forked", "actor": "a", "reason": "",
        "alias": {"name": "production", "generation": 2, "to_release": 5, "model_version": "m",
                  "code_version": "c"}}),
    b"alias/forked/production")
producer.flush(30)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    assert seen == [5]


def test_nothing_but_the_three_dependencies_is_needed(run_script, predictions):
    said = run_script(
        """
import sys
class Nothing_else:
    ours = {"kedge", "numpy", "fastavro", "confluent_kafka"} | set(sys.stdlib_module_names)
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.ours:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Nothing_else())
"""
        + BEGIN
        + "log_some(log); log.logged(lambda features: 1)({}); assert log.flush(30)\n"
        "assert not set(sys.modules) & {'pydantic', 'structlog', 'kedge.settings', 'kedge.streams'}"
    )
    assert set(flat(said)) < set(predictions.rows())
    assert len(predictions.rows()) == 61


def test_kedge_itself_is_imported_without_a_client(run_script):
    run_script(
        "import sys, kedge; assert not {'numpy', 'fastavro', 'confluent_kafka'} & set(sys.modules)"
    )


def test_no_child_is_forked_while_a_client_settles(run_script):
    # A child forked while librdkafka's threads start can inherit OpenSSL's locks as locked.
    (since,) = run_script(
        BEGIN
        + """
import time
from kedge.sdk import lifetimes
with lifetimes.changing_clients():
    made = time.monotonic()
if os.fork() == 0:
    say(time.monotonic() - made)
    os._exit(0)
assert os.wait()[1] == 0
"""
    )
    assert since[0] >= 0.5

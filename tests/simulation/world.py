"""Simulated processes that run the real loop, one at a time, as a seeded scheduler decides.

A process is a thread only because the loop is ordinary blocking code: it runs while it has the
turn, gives it back at its next call of a client or of `Stop.wait`, and nothing else happens
meanwhile. So a seed says everything about a schedule.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random

from confluent_kafka import KafkaException

from simulation.broker import Broker, ViolationError, passing

_PATIENCE = 20_000
"""Steps within which everything has to come to its end once the faults are over."""


class KilledError(BaseException):
    """SIGKILL: no handler of the process gets to do anything that others could see."""


class Stop:
    """The event that a loop is stopped by."""

    def __init__(self, process):
        self._process, self._set = process, False

    def set(self):
        self._set = True

    def is_set(self):
        return self._set

    def wait(self, seconds):
        self._process.turn("wait")
        self._process.world.pass_time(seconds)
        return self._set


class Process:
    """One run of a service."""

    def __init__(self, world, name, slot, run):
        self.world, self.name, self.slot = world, name, slot
        self.stop = Stop(self)
        self.alive, self.paused, self.killed = True, False, False
        self.now = 0.0
        self._run = run
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def advance(self):
        """Let it run to its next call."""
        self.world.current = self
        self._go.release()
        self._back.acquire()
        self.world.current = None

    def turn(self, label):
        """Called by the process: others may run before it goes on."""
        if self.killed:
            raise KilledError
        self._back.release()
        self._go.acquire()
        if self.killed:
            raise KilledError
        self.world.note(self.name, label)

    def kill(self):
        self.killed = True
        self.advance()
        self._thread.join()

    def _main(self):
        self._go.acquire()
        try:
            if not self.killed:
                self._run(self)
        except KilledError:
            self.world.note(self.name, "is dead")
        except KafkaException as error:
            self.world.note(self.name, f"gives up: {error}")
        except BaseException as error:  # noqa: BLE001 - handed to the scheduler
            self.world.failure = error
        self.alive = False
        self._back.release()


@dataclass(frozen=True)
class Shape:
    """How a schedule goes wrong.

    Attributes:
        slots: processes that the supervisor keeps running.
        named: whether a process takes over the name of the one before it in its slot.
        steps: of the part with faults.
        rate: of faults, relative to the usual.
        sticky: how likely the process that ran goes on, and the others seem to stand still.
    """

    slots: int
    named: bool
    steps: int
    rate: float
    sticky: float


@dataclass(frozen=True)
class Span:
    """What the shapes of schedules are drawn from.

    Attributes:
        services: up to three processes of each are kept running.
        steps: least and most, of the part with faults.
        rates: of faults, any of these.
        idles: whether the part with faults goes on when all was dealt with.
    """

    services: int
    steps: tuple[int, int]
    rates: tuple[float, ...]
    idles: bool


ONE_SERVICE = Span(services=1, steps=(100, 500), rates=(0.0, 0.5, 1.0, 3.0), idles=True)


class World:
    """Processes, the broker, and what happens to them.

    `start(process)` is what each process runs. `publish()` brings input and says whether there is
    more; `drained()` whether all of it was dealt with.
    """

    def __init__(self, seed, partitions, start, publish, drained, *, span=ONE_SERVICE):
        self.random = Random(seed)
        self.now = 1_700_000_000.0
        self.broker = Broker(partitions, lambda: self.now)
        self.current, self.failure = None, None
        self.trace = []
        self.calm = False
        self.shape = Shape(
            self.random.randint(1, 3) * span.services,
            self.random.random() < 0.5,
            self.random.randint(*span.steps),
            self.random.choice(span.rates),
            self.random.choice([0.0, 0.5, 0.9]),
        )
        self._last: Process | None = None
        self._start, self._publish, self._drained = start, publish, drained
        self._span = span
        self.processes: list[Process] = []
        self._made = 0

    # What the clients ask

    def note(self, who, what):
        self.trace.append((who, what))

    def clock(self):
        """The time, as services ask for it."""
        return round(self.now * 1e6)

    def pass_time(self, seconds):
        self.now += seconds
        if self.current is not None:
            self.current.now += seconds

    def chance(self, probability):
        return self.random.random() < probability

    def faulty(self, probability):
        return not self.calm and self.random.random() < probability * self.shape.rate

    def perhaps_passing(self, label):
        if self.faulty(0.02):
            self.note("broker", f"does not answer to: {label}")
            raise passing("no answer")

    def perhaps_sleep(self):
        """At the worst of moments the process may be paused, and be taken for dead."""
        if self.faulty(0.04):
            self.note("scheduler", f"pause {self.current.name}")
            self.current.paused = True
            if self.chance(0.5):
                self._evict(self.current)

    # The schedule

    def run(self):
        """Faults for a while, then none until all is done. Raises what must not be."""
        try:
            for _ in range(self.shape.steps):
                self._step()
                if not self._span.idles and self._drained():
                    break
            while self._publish():
                pass
            self.note("scheduler", "no more faults")
            self.calm = True
            for process in self.processes:
                process.paused = False
            self._until(self._drained, "the input is not dealt with")
            for process in self.processes:
                process.stop.set()
            self._until(lambda: not self._alive(), "a process does not stop", supervised=False)
            self._until(lambda: not self.broker.unmarked, "markers are left", supervised=False)
        finally:
            for process in self._alive():
                process.kill()

    def _until(self, done, complaint, *, supervised=True):
        for _ in range(_PATIENCE):
            if done():
                return
            self._step(supervised=supervised)
        raise ViolationError(complaint)

    def _alive(self):
        return [process for process in self.processes if process.alive]

    def _step(self, *, supervised=True):
        if supervised:
            self._supervise()
        if self.broker.unmarked and self.chance(0.3):
            self.broker.mark(self.random.randrange(len(self.broker.unmarked)))
            return
        self._give_up_the_dead()
        if not self.calm and self.chance(0.1):
            self._publish()
        if self.faulty(0.05):
            self._fault()
        ready = [process for process in self._alive() if not process.paused]
        if ready:
            if self._last not in ready or not self.chance(self.shape.sticky):
                self._last = self.random.choice(ready)
            self._last.advance()
        if self.failure is not None:
            raise self.failure

    def _supervise(self):
        self.processes = self._alive()
        held = {process.slot: process.paused for process in self.processes}
        for slot in range(self.shape.slots):
            # One that is asleep may be taken for dead: then two of its name go on.
            asleep = held.get(slot)
            if asleep is not False and self.chance(0.02 if asleep else 0.1):
                self._made += 1
                name = f"w{slot}" if self.shape.named else f"w{slot}.{self._made}"
                self.note("supervisor", f"starts {name}")
                self.processes.append(Process(self, name, slot, self._start))

    def _give_up_the_dead(self):
        """What the broker does by itself about members and producers it does not hear from."""
        for group in self.broker.groups.values():
            for member in list(group.members):
                silent = not member.process.alive or member.process.paused
                if silent and self.chance(0.03):
                    self._evict(member.process)
        names = self.broker.open_names()
        if names and self.chance(0.02):
            name = self.random.choice(names)
            if not self.calm or not self.broker.names[name].owner.alive:
                self.note("broker", f"times the transaction of {name} out")
                self.broker.time_out(name)

    def _fault(self):
        alive = self._alive()
        kind = self.random.choice(["kill", "pause", "pause", "resume", "stop", "evict"])
        asleep = [process for process in alive if process.paused]
        awake = [process for process in alive if not process.paused]
        chosen = asleep if kind == "resume" else awake
        if not chosen:
            return
        process = self.random.choice(chosen)
        self.note("scheduler", f"{kind} {process.name}")
        match kind:
            case "kill":
                process.kill()
            case "pause":
                process.paused = True
            case "resume":
                process.paused = False
            case "stop":
                process.stop.set()
            case "evict":
                self._evict(process)

    def _evict(self, process):
        for group in self.broker.groups.values():
            for member in list(group.members):
                if member.process is process:
                    self.note("broker", f"evicts {process.name}")
                    group.leave(member)

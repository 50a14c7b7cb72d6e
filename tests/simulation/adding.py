"""A schedule of the loop with a processor that adds numbers up, and what has to come of it."""

from __future__ import annotations

from collections import Counter

from kedge.contracts import Topics, decode
from kedge.settings import Settings
from kedge.streams import CommittedLog, Outgoing, Source, TryAgainError, run_transactionally
from simulation.broker import Transaction, ViolationError
from simulation.seam import installed, told
from simulation.world import World

PARTITIONS = 2
MESSAGES = 24
LIMIT = 1000
"""Bytes of a message that the topics take, where there are messages too large for them."""

TOPICS = Topics("t")

POISON = {
    b"!": ("crashed", False),
    b"!,": ("crashed", True),
    b"+": ("too_large", False),
    b",": ("too_large", True),
}
"""Marks behind a number: `!` raises, `+` makes a long output, and with `,` the message is long.

The letter has this reason, and is with its message or without.
"""


class Adder:
    """Keeps each partition's sum as state, passes every number on, and tells the sum when idle."""

    def __init__(self, world):
        self._world, self._sums, self._told = world, {}, {}

    def assigned(self, partition):
        self._sums[partition] = self._told[partition] = 0
        with CommittedLog({}, TOPICS.state("monitor"), partition) as log:
            for _, value in log.news():
                self._sums[partition], self._told[partition] = map(int, value.split())

    def revoked(self, partition):
        del self._sums[partition], self._told[partition]

    def rows(self, _message):
        return 1

    def process(self, batch):
        for message in batch:
            self._sums[message.partition] += _number(message.value)
            if b"!" in message.value:
                raise ValueError("poison")
            if self._world.faulty(0.01):
                raise TryAgainError("not now")
            much = b" " * LIMIT if b"+" in message.value else b""
            yield Outgoing(TOPICS.statistics, b"number", message.value + much)
        for partition in sorted({message.partition for message in batch}):
            yield self._state(partition)

    def idle(self, _now):
        for partition, total in sorted(self._sums.items()):
            if self._told[partition] != total:
                self._told[partition] = total
                yield Outgoing(TOPICS.alerts, b"%d" % partition, b"%d" % total, partition)
                yield self._state(partition)

    def _state(self, partition):
        value = b"%d %d" % (self._sums[partition], self._told[partition])
        return Outgoing(TOPICS.state("monitor"), b"sum", value, partition)


class Adding:
    """One schedule.

    Args:
        seed: says everything about it.
        oversized: whether some messages, or what comes of them, are too large for the topics.
    """

    def __init__(self, seed, *, oversized=False):
        self.seed, self._oversized = seed, oversized
        self._world = World(seed, PARTITIONS, self._start, self._publish, self._drained)
        self._broker = self._world.broker
        self._broker.watchers.append(self._committed)
        self._left = MESSAGES
        self._wanted = [[] for _ in range(PARTITIONS)]
        self._poison = {}
        if oversized:
            self._broker.limits = dict.fromkeys((TOPICS.statistics, TOPICS.deadletter), LIMIT)
        self._passed_on = Counter()

    def run(self):
        """Run it to its end. What must not be is raised with the seed and the trace."""
        try:
            with installed(self._world):
                self._world.run()
            self._check()
        except Exception as error:
            raise ViolationError(f"{error!r}\n{told(self.seed, self._world.trace)}") from error

    @property
    def trace(self):
        return self._world.trace

    def _start(self, process):
        settings = Settings.model_construct(topic_prefix="t", stream=_stream(process.name))
        source = Source(TOPICS.predictions, "adder", "t.adder")
        run_transactionally(
            source, Adder(self._world), {}, settings, process.stop, now=self._world.clock
        )

    # Input

    def _publish(self):
        """One more message; some in a transaction, and some of these are aborted."""
        if not self._left:
            return False
        self._left -= 1
        random = self._world.random
        number = random.randrange(PARTITIONS)
        partition = self._broker.partition(TOPICS.predictions, number)
        value = b"%d" % 3**self._left
        decision = random.choice(["plain", "plain", "commit", "abort"])
        poison = random.random() < 0.1
        marks = random.choice(list(POISON)) if poison and self._oversized else b"!"
        if poison:
            value += marks + b" " * (LIMIT if b"," in marks else 0)
        self._world.note("input", f"{value[:30]} to {number} ({decision})")
        if decision != "abort":
            if poison:
                where = b"%s/%d/%d" % (TOPICS.predictions.encode(), number, partition.end)
                self._poison[where] = POISON[marks]
            else:
                self._wanted[number].append(int(value))
        if decision == "plain":
            partition.append(None, value)
        else:
            transaction = Transaction("input")
            partition.append(None, value, transaction)
            transaction.decision = decision
            partition.mark(transaction)
        return True

    def _drained(self):
        return (
            not self._broker.unmarked
            and self._broker.consumed("t.adder", TOPICS.predictions)
            and all(total == told for total, told in map(bytes.split, self._states().values()))
        )

    # What must be

    def _committed(self, transaction):
        """Called with every transaction of the loop that commits: nothing is passed on twice."""
        for _, _, entry in self._broker.visible(TOPICS.statistics):
            if entry.transaction is transaction:
                self._passed_on[entry.value] += 1
                if self._passed_on[entry.value] > 1:
                    raise ViolationError(f"{entry.value} was passed on twice")
        for number, offset in transaction.offsets.get("t.adder", {}).items():
            if offset > self._broker.partition(TOPICS.predictions, number).end_of_messages:
                raise ViolationError(f"committed {offset} of {number}, where there is no such")
            if offset < self._broker.group("t.adder").committed.get(number, 0):
                raise ViolationError(f"committed {offset} of {number} after a later offset")

    def _states(self):
        return {number: entry.value for number, _, entry in self._visible(TOPICS.state("monitor"))}

    def _visible(self, topic):
        return self._broker.visible(topic)

    def _check(self):
        passed_on = Counter(int(entry.value) for _, _, entry in self._visible(TOPICS.statistics))
        _same("passed on", passed_on, Counter(n for w in self._wanted for n in w))
        letters = self._visible(TOPICS.deadletter)
        _same("number of dead letters", len(letters), len(self._poison))
        records = {entry.key: decode(entry.value, "dead_letter")[1] for _, _, entry in letters}
        found = {key: (r["reason"], r["value"] is None) for key, r in records.items()}
        _same("dead letters", found, self._poison)
        states = self._states()
        for number, wanted in enumerate(self._wanted):
            told = [int(e.value) for n, _, e in self._visible(TOPICS.alerts) if n == number]
            _same(f"what was told of {number}", told, sorted(set(told)))
            if wanted:
                _same(f"state of {number}", states.get(number), b"%d %d" % ((sum(wanted),) * 2))


def _number(value):
    return int(value.strip(b"!+, "))


def _same(what, found, wanted):
    if found != wanted:
        raise ViolationError(f"{what}: {found} instead of {wanted}")


def _stream(name):
    return Settings.model_fields["stream"].default_factory().model_copy(update={"instance": name})

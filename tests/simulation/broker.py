"""A model of Kafka in memory: logs, transactions, and consumer groups.

It keeps what the protocol promises and no more. Where Kafka may take its time (the markers that end
a transaction in each partition come one by one, after the producer was told that it has ended), the
scheduler decides when; so everything between is seen, which a quick broker never shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

OFFSETS = ("__consumer_offsets", 0)


class ViolationError(AssertionError):
    """What must never be has been."""


def failure(code, text, *, fatal=False, retriable=False, abortable=False):
    return KafkaException(KafkaError(code, text, fatal, retriable, abortable))


def fenced():
    return failure(KafkaError._FENCED, "a newer producer has this name", fatal=True)


def aborting(code, text):
    return failure(code, text, abortable=True)


def passing(text):
    return failure(KafkaError._TIMED_OUT, text, retriable=True)


@dataclass(eq=False)
class Transaction:
    """What one producer writes as one: open, then decided, then marked in every partition."""

    name: str
    decision: str = "open"
    unmarked: set = field(default_factory=set)
    offsets: dict = field(default_factory=dict)

    @property
    def ended(self):
        return self.decision != "open" and not self.unmarked


@dataclass(frozen=True)
class Entry:
    """A message, or the marker at which a transaction ends, which takes an offset too."""

    key: bytes | None
    value: bytes | None
    arrival: float
    transaction: Transaction | None = None
    marker: bool = False


class Partition:
    def __init__(self, clock):
        self._clock = clock
        self.log: list[Entry] = []
        self.undecided: dict[Transaction, int] = {}

    @property
    def end(self):
        return len(self.log)

    @property
    def stable_end(self):
        return min(self.undecided.values(), default=self.end)

    @property
    def end_of_messages(self):
        """The offset behind the last message that was not aborted."""
        for offset in reversed(range(self.end)):
            for _ in self.messages(offset, offset + 1):
                return offset + 1
        return 0

    def append(self, key, value, transaction=None):
        if transaction is not None:
            self.undecided.setdefault(transaction, self.end)
        self.log.append(Entry(key, value, self._clock(), transaction))

    def mark(self, transaction):
        self.log.append(Entry(None, None, self._clock(), transaction, marker=True))
        self.undecided.pop(transaction, None)

    def messages(self, start, end, *, aborted=False):
        """Offsets and entries; those of aborted transactions only for who reads uncommitted."""
        for offset in range(start, end):
            entry = self.log[offset]
            if entry.marker:
                continue
            if aborted or entry.transaction is None or entry.transaction.decision != "abort":
                yield offset, entry


@dataclass
class Name:
    """A transactional id."""

    epoch: int = 0
    owner: object = None
    transaction: Transaction | None = None


@dataclass(eq=False)
class Group:
    """Members, who owns which partition, who should, and what is committed."""

    partitions: int
    generation: int = 0
    members: list = field(default_factory=list)
    owner: dict = field(default_factory=dict)
    target: dict = field(default_factory=dict)
    committed: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)
    turn: int = 0

    def rebalance(self):
        """A new generation. Owners that are members keep a partition until they let it go."""
        self.generation += 1
        self.turn += 1
        for partition in range(self.partitions):
            chosen = (partition + self.turn) % len(self.members) if self.members else None
            self.target[partition] = None if chosen is None else self.members[chosen]
            if self.owner.get(partition) not in self.members:
                self.owner[partition] = None

    def join(self, member):
        self.members.append(member)
        self.rebalance()

    def leave(self, member):
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def unstable(self, partition):
        return any(partition in offsets for offsets in self.pending.values())


class Broker:
    def __init__(self, partitions, clock):
        self.partitions, self._clock = partitions, clock
        self.topics: dict[tuple[str, int], Partition] = {}
        self.names: dict[str, Name] = {}
        self.groups: dict[str, Group] = {}
        self.unmarked: list[tuple[Transaction, tuple[str, int]]] = []
        self.watchers = []
        # Most bytes of a message, of the topics that have such a limit.
        self.limits: dict[str, int] = {}

    def partition(self, topic, number):
        return self.topics.setdefault((topic, number), Partition(self._clock))

    def group(self, name):
        return self.groups.setdefault(name, Group(self.partitions))

    def visible(self, topic):
        """Every committed message: partition, offset and entry, however the markers stand."""
        return [
            (number, offset, entry)
            for (name, number), partition in sorted(self.topics.items())
            if name == topic
            for offset, entry in partition.messages(0, partition.end)
            if entry.transaction is None or entry.transaction.decision == "commit"
        ]

    def consumed(self, group_name, topic):
        """Whether the group has dealt with all that there is of the topic."""
        group = self.group(group_name)
        return not group.pending and all(
            group.committed.get(number, 0) >= self.partition(topic, number).end_of_messages
            for number in range(self.partitions)
        )

    # Transactions

    def take_name(self, name, owner):
        """A new epoch for a process; None while the transaction before it still ends."""
        known = self.names.setdefault(name, Name())
        if known.transaction is not None and known.transaction.decision == "open":
            known.epoch += 1
            self.decide(known.transaction, "abort")
        if known.transaction is not None and not known.transaction.ended:
            return None
        known.epoch += 1
        known.owner = owner
        return known.epoch

    def check(self, name, epoch):
        if self.names[name].epoch != epoch:
            raise fenced()

    def transaction(self, name, epoch):
        """The open one, begun if need be; None while the one before it still ends."""
        self.check(name, epoch)
        known = self.names[name]
        if known.transaction is None or known.transaction.ended:
            known.transaction = Transaction(name)
        return known.transaction if known.transaction.decision == "open" else None

    def write(self, transaction, topic, number, key, value):
        self.partition(topic, number).append(key, value, transaction)
        transaction.unmarked.add((topic, number))

    def commit_offsets(self, transaction, group_name, member, generation, offsets):
        """Pending until the transaction ends; refused of a member of another generation."""
        group = self.group(group_name)
        if member not in group.members:
            raise aborting(KafkaError.UNKNOWN_MEMBER_ID, "the group knows no such member")
        if generation != group.generation:
            raise aborting(KafkaError.ILLEGAL_GENERATION, "the group has moved on")
        group.pending.setdefault(transaction, {}).update(offsets)
        transaction.offsets.setdefault(group_name, {}).update(offsets)
        transaction.unmarked.add(OFFSETS)

    def decide(self, transaction, decision):
        transaction.decision = decision
        if decision == "commit":
            for watcher in self.watchers:
                watcher(transaction)
        self.unmarked.extend((transaction, where) for where in sorted(transaction.unmarked))

    def mark(self, index):
        """Write one of the markers that are due."""
        transaction, where = self.unmarked.pop(index)
        transaction.unmarked.discard(where)
        if where != OFFSETS:
            self.partition(*where).mark(transaction)
            return
        for name, offsets in transaction.offsets.items():
            self.group(name).pending.pop(transaction, None)
            if transaction.decision == "commit":
                self.group(name).committed.update(offsets)

    def time_out(self, name):
        """The coordinator gives an open transaction up, and its producer with it."""
        known = self.names[name]
        known.epoch += 1
        self.decide(known.transaction, "abort")

    def open_names(self):
        return sorted(
            name
            for name, known in self.names.items()
            if known.transaction is not None
            and known.transaction.decision == "open"
            and known.transaction.unmarked
        )

"""Where the real code meets the model: the clients it makes, the clocks it reads, what it logs.

`kedge.streams.clients` is the one place in which Kedge makes clients of Kafka. So all above it runs
as it is, with the options that it would give librdkafka.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from unittest import mock

import kedge.rehearsal.rehearser
import kedge.streams.clients
import kedge.streams.committed
import kedge.streams.loop
from simulation.consumers import ModelAdmin, ModelConsumer
from simulation.producers import ModelProducer


class _Log:
    """The loop's log goes into the trace."""

    def __init__(self, world):
        self._world = world

    def _note(self, event, **details):
        details.pop("exc_info", None)
        self._world.note(self._world.current.name, f"says {event} {details or ''}")

    info = warning = error = _note


@contextmanager
def installed(world, *modules):
    """Kedge's clients, in this process, and the logs of the loop and the modules are of this world.

    Services take their clock as an argument; only patience is measured where it is needed.
    """
    clients = kedge.streams.clients
    patience = SimpleNamespace(monotonic=lambda: world.current.now)
    with (
        mock.patch.object(clients, "Consumer", partial(ModelConsumer, world)),
        mock.patch.object(clients, "Producer", partial(ModelProducer, world)),
        mock.patch.object(clients, "AdminClient", partial(ModelAdmin, world)),
        mock.patch.object(kedge.streams.committed, "time", patience),
        # The newest inputs depend on how far others have come: whoever decides must not.
        mock.patch.object(kedge.rehearsal.rehearser, "last_inputs", return_value=[]),
        ExitStack() as stack,
    ):
        for module in (kedge.streams.loop, *modules):
            stack.enter_context(mock.patch.object(module, "_log", _Log(world)))
        yield


def told(seed, trace):
    """A schedule as text."""
    lines = [f"seed {seed}, step by step:"]
    lines += [f"{number:5} {who:12} {what}" for number, (who, what) in enumerate(trace)]
    return "\n".join(lines)

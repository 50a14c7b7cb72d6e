"""The embedded broker: a real Apache Kafka, one node, on the local JVM.

    start(settings)       run it, or find it running
    connection(settings)  how clients reach the broker, embedded or not
    status(settings)      what is known about it
    stop(settings)        end it; its data stays

Where `KEDGE_KAFKA__BOOTSTRAP_SERVERS` names a broker, that one is used and none is started.
"""

from __future__ import annotations

from kedge.broker.lifecycle import Status, connection, start, status, stop

__all__ = ["Status", "connection", "start", "status", "stop"]

"""The ports of a start."""

from __future__ import annotations

import socket

import pytest

from kedge.broker.configuration import Ports, choose_ports
from kedge.errors import KedgeError


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_first_start_takes_two_free_ports_that_no_outgoing_connection_is_given():
    ports = choose_ports(0, None)

    assert ports.client != ports.controller
    assert max(ports.client, ports.controller) < 32_768
    for port in (ports.client, ports.controller):
        socket.create_server(("127.0.0.1", port)).close()


def test_the_last_ports_are_taken_again():
    last = choose_ports(0, None)

    assert choose_ports(0, last) == last


def test_what_is_taken_in_the_meantime_is_left_alone(taken):
    free = choose_ports(0, None)

    chosen = choose_ports(0, Ports(client=taken, controller=free.controller))
    assert chosen.client != taken
    assert chosen.controller == free.controller

    chosen = choose_ports(0, Ports(client=free.client, controller=taken))
    assert chosen.client == free.client
    assert chosen.controller not in (taken, free.client)


def test_the_port_asked_for_wins_over_the_last_one():
    last, wanted = choose_ports(0, None), choose_ports(0, None).client

    assert choose_ports(wanted, last).client == wanted
    # Even over the controller's own, which then moves.
    assert choose_ports(last.controller, last).controller != last.controller


def test_a_port_asked_for_and_taken_is_refused(taken):
    with pytest.raises(KedgeError, match=rf"port {taken} \(KEDGE_BROKER__PORT\)"):
        choose_ports(taken, None)

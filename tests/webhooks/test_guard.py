"""Where webhooks may connect to, on real sockets and with real TLS."""

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.webhook_settings import WebhookSettings
from kedge.webhooks import guard as guarding
from kedge.webhooks.attempts import client, post
from kedge.webhooks.guard import Guard, GuardedTransport, RefusedAddressError


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.hosts.append(self.headers["host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def _server(tls=None):
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.hosts = []
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def names(monkeypatch):
    """What names lead to, one answer a look-up; the last one stays."""
    answers, real = {}, socket.getaddrinfo

    def look_up(host, port, *rest, **options):
        if host not in answers:
            return real(host, port, *rest, **options)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [each for address in found for each in real(address, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(guarding.socket, "getaddrinfo", look_up)
    return answers


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # what clouds tell a machine about itself
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:10.1.2.3",
        "64:ff9b::a9fe:a9fe",
        "2002:a01:203::1",
    ],
)
def test_what_is_not_of_the_internet_is_refused(address, names):
    names["hooks.example"] = [[address]]
    for host in ("hooks.example", address):
        with pytest.raises(RefusedAddressError, match="no address of the internet"):
            Guard().addresses(host, 443)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_the_internet_is_allowed(address, names):
    names["hooks.example"] = [[address]]
    assert Guard().addresses("hooks.example", 443) == [address]


@pytest.mark.parametrize(
    "allow", ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "Hooks.Internal", "hooks.internal."]
)
def test_what_is_allowed_by_network_or_name_is(allow, names):
    names["hooks.internal"] = [["10.1.2.3"]]
    assert Guard([allow]).addresses("hooks.internal", 443) == ["10.1.2.3"]
    with pytest.raises(RefusedAddressError):
        Guard([allow]).addresses("127.0.0.1", 443)


def test_of_several_addresses_only_those_allowed_are_used(names):
    names["hooks.example"] = [["10.0.0.1", "8.8.8.8", "127.0.0.1"]]
    assert Guard().addresses("hooks.example", 443) == ["8.8.8.8"]


def test_nothing_is_sent_to_what_is_refused():
    with _server() as server, client(WebhookSettings()) as http:
        attempt = post(http, f"http://localhost:{server.server_port}/", {}, b"{}")
        assert not attempt.delivered
        assert "KEDGE_WEBHOOKS__ALLOW=localhost" in attempt.answer
        assert server.hosts == []


def test_a_name_that_leads_elsewhere_the_second_time_is_asked_once(names):
    with _server() as server, client(WebhookSettings(allow=("127.0.0.2", "127.0.0.1"))) as http:
        # The second answer would be another machine's.
        names["hooks.example"] = [["127.0.0.1"], ["192.0.2.1"]]
        url = f"http://hooks.example:{server.server_port}/"
        assert post(http, url, {}, b"{}").delivered
        assert server.hosts == [f"hooks.example:{server.server_port}"]
        assert names["hooks.example"] == [["192.0.2.1"]]


def test_the_next_address_is_tried_where_one_does_not_answer(names):
    with _server() as server, client(WebhookSettings(allow=("127.0.0.0/8",))) as http:
        names["hooks.example"] = [["127.0.0.9", "127.0.0.1"]]
        assert post(http, f"http://hooks.example:{server.server_port}/", {}, b"{}").delivered


def test_the_certificate_is_that_of_the_name(names, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=hooks.example"),
            *("-addext", "subjectAltName=DNS:hooks.example"),
        ],
        check=True,
        capture_output=True,
    )
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate, key)
    asked = []
    served.sni_callback = lambda _socket, name, _context: asked.append(name)
    names["hooks.example"] = names["other.example"] = [["127.0.0.1"]]
    transport = GuardedTransport(Guard(["127.0.0.1"]))
    transport._inner = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=certificate))
    with _server(served) as server, httpx.Client(transport=transport) as http:
        assert post(http, f"https://hooks.example:{server.server_port}/", {}, b"{}").delivered
        attempt = post(http, f"https://other.example:{server.server_port}/", {}, b"{}")
    assert not attempt.delivered
    assert asked == ["hooks.example", "other.example"]


def test_the_allow_list_is_a_setting(monkeypatch):
    for text in ("10.0.0.0/8, hooks.internal", '["10.0.0.0/8","hooks.internal"]'):
        monkeypatch.setenv("KEDGE_WEBHOOKS__ALLOW", text)
        assert Settings().webhooks.allow == ("10.0.0.0/8", "hooks.internal")
    monkeypatch.setenv("KEDGE_WEBHOOKS__ALLOW", "10.0.0.0/99")
    with pytest.raises(KedgeError, match="no network"):
        Settings()

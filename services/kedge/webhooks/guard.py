"""Where webhooks may connect to: checked on the resolved address, and that address is used.

Whoever writes a policy, or owns a name in it, could otherwise have Kedge post into the network that
it runs in (OWASP, "Server Side Request Forgery Prevention Cheat Sheet"). A name that is resolved a
second time may lead elsewhere than when it was checked, so it is resolved once.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

Address = IPv4Address | IPv6Address

_NAT64 = ip_network("64:ff9b::/96")
"""IPv4 seen from IPv6: RFC 6052."""


class RefusedAddressError(httpx.TransportError):
    """The endpoint is where nothing may be posted to."""


class Guard:
    """What is allowed beside the addresses that anybody in the internet can reach.

    Args:
        allow: names of hosts, single addresses, and networks as `10.0.0.0/8`.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts: set[str] = set()
        self._networks = []
        for each in allow:
            try:
                self._networks.append(ip_network(each, strict=False))
            except ValueError:
                self._hosts.add(each.lower().rstrip("."))

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to, best first.

        Raises:
            RefusedAddressError: there are only others.
            httpx.ConnectError: it has none.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} can't be resolved: {error}") from error
        known = list(dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found))
        named = host.lower().rstrip(".") in self._hosts
        allowed = [each for each in known if named or self._allows(ip_address(each))]
        if not allowed:
            raise RefusedAddressError(
                f"{host} is {', '.join(known)}, which is no address of the internet: nothing was "
                f"sent. Where that is meant, allow it: KEDGE_WEBHOOKS__ALLOW={host}"
            )
        return allowed

    def _allows(self, address: Address) -> bool:
        inner = _embedded(address)
        return (inner.is_global and not inner.is_multicast) or any(
            address in network or inner in network for network in self._networks
        )


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, where there is one; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class GuardedTransport(httpx.BaseTransport):
    """Connects to addresses that were checked; certificates are those of the name, as ever."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._inner = guard, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = self._guard.addresses(host.strip("[]"), port)
        for address in addresses[:-1]:
            try:
                return self._inner.handle_request(_to(request, address, host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self._inner.handle_request(_to(request, addresses[-1], host))

    def close(self) -> None:
        self._inner.close()


def _to(request: httpx.Request, address: str, host: str) -> httpx.Request:
    """The same request to an address; its Host header is the name's already."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )

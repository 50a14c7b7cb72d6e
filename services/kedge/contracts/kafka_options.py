"""How `KEDGE_KAFKA__…` becomes librdkafka options: the one rule, shared by SDK and services."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "KEDGE_KAFKA__"


def librdkafka_options(section: Mapping[str, object]) -> dict[str, str]:
    """Librdkafka's own names for the keys of a `[kafka]` section.

    Every librdkafka option is spelt with dots, which neither an environment variable nor a bare
    TOML key may have, so `SECURITY_PROTOCOL` and `security_protocol` both mean
    `security.protocol`.

    >>> librdkafka_options({"BOOTSTRAP_SERVERS": "a:9092", "security_protocol": "SSL"})
    {'bootstrap.servers': 'a:9092', 'security.protocol': 'SSL'}
    """
    return {key.lower().replace("_", "."): str(value) for key, value in section.items()}


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The librdkafka options that the environment sets.

    >>> from_environment({"KEDGE_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "HOME": "/"})
    {'bootstrap.servers': 'a:9092'}
    """
    return librdkafka_options(
        {
            key[len(PREFIX) :]: value
            for key, value in environ.items()
            if key.upper().startswith(PREFIX)
        }
    )

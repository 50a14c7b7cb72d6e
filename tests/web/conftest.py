"""An API over a registry with three releases of model `m`, and a token of each scope."""

from __future__ import annotations

import io
import logging

import pytest
import structlog

from kedge import logs
from kedge.registry import SCOPES, Registry
from registry.building import release
from web.asking import client, serving, web_settings


@pytest.fixture
def settings(tmp_path):
    return web_settings(tmp_path)


@pytest.fixture
def registry(settings):
    with Registry.open(settings) as registry:
        release(registry, settings.home / "source", 3)
        yield registry


@pytest.fixture
def tokens(registry):
    """A token of each scope."""
    return {scope: registry.tokens.create(scope, scope, actor="test")[0] for scope in SCOPES}


@pytest.fixture
def served(settings, tokens):  # noqa: ARG001 - there has to be what is served
    with serving(settings):
        yield settings


@pytest.fixture
def admin(served, tokens):
    with client(served, tokens["admin"]) as asking:
        yield asking


@pytest.fixture
def operator(served, tokens):
    with client(served, tokens["operate"]) as asking:
        yield asking


@pytest.fixture
def reader(served, tokens):
    with client(served, tokens["read"]) as asking:
        yield asking


@pytest.fixture
def stranger(served):
    with client(served) as asking:
        yield asking


@pytest.fixture
def log():
    """What the services log, as they do it in processes of their own."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("web", stream=stream, level=logging.DEBUG)
    yield stream.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()

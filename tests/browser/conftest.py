"""The dashboard in a real browser, over a real web service with a small archive and registry."""

from __future__ import annotations

import shutil

import pytest

from browser.shown import stocked

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
_FLAGS = (
    "--no-sandbox",  # which root can't have, as in a container
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PATIENCE = 60_000
"""Milliseconds after which what should be there is not."""


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("the machine has no Chromium: `apt-get install chromium`")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def shown(make_settings):
    """The settings of a web service, and an operator's token for it."""
    with stocked(make_settings) as (settings, token):
        yield settings, token


def _complained(page, text):
    # Some other network of the machine came or went, and Chromium broke off what was under way.
    if "ERR_NETWORK_CHANGED" not in text:
        page.complaints.append(text)


@pytest.fixture
def opened(chromium, shown):
    """A page whose requests and complaints are kept; `page.complaints` has to stay empty."""
    settings, token = shown
    contexts = []

    def open_(**options):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        origin = f"http://127.0.0.1:{settings.web.port}"
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda said: _complained(page, f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith(origin) or page.complaints.append(r.url))
        page.goto(origin)
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        # Until it signed in it was told, rightly, that it may not read.
        page.complaints.clear()
        return page

    yield open_
    for context in contexts:
        context.close()

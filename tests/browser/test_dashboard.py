"""What an on-call does with the dashboard, done in Chromium."""

import pytest

from kedge.archive import connect
from kedge.registry import Registry
from web.asking import archived
from web.records import alert

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PAGES = {
    "/": "Overview",
    "/models/m?last=all&cell=feature.x&window=1970-01-01T00:09:00Z": "m",
    "/models/m/releases/3": "Release 3",
    "/incidents/m/i": None,
    "/explore": "Explore",
    "/policy": "Policy",
    "/system": "System",
}


def settled(page):
    """Once nothing on the page is on its way any more."""
    from playwright.sync_api import expect  # noqa: PLC0415 - it may not be installed

    page.locator("main h1").wait_for()
    expect(page.get_by_text("Loading …")).to_have_count(0)


def visit(page, path, heading):
    """Another page, without signing in anew: the token is the tab's."""
    origin = page.url.split("/", 3)
    page.goto("/".join([*origin[:3], path.lstrip("/")]))
    if heading:
        page.get_by_role("heading", name=heading, exact=True, level=1).wait_for()
    settled(page)


def test_every_page_is_whole_on_a_screen_and_on_a_phone(opened):
    for width in (1280, 360):
        page = opened(viewport={"width": width, "height": 800})
        for path, heading in PAGES.items():
            visit(page, path, heading)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.get_by_role("alert").filter(visible=True).count() == 0, path
            assert page.complaints == [], path


def test_every_page_is_there_for_everybody_in_light_and_dark(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # axe comes as a script of its own, which the page rightly would not run.
    page = opened(bypass_csp=True)
    wcag = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for path, heading in PAGES.items():
        visit(page, path, heading)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page, options=wcag)
            assert found.violations_count == 0, (path, scheme, found.generate_report())


def test_a_rollback_is_approved_and_the_alert_silenced(opened, shown):
    settings, _ = shown
    page = opened()
    page.get_by_role("link", name="an input is missing").first.click()
    page.get_by_text("The inference code").wait_for()
    page.get_by_text("Release 2 is well.").wait_for()
    page.get_by_role("button", name="Approve the rollback").click()
    with Registry.open(settings) as registry:
        # A reason is asked for first.
        assert registry.alias("m", "production").to_release == 3
        page.locator("#approve-reason").fill("agreed on the call")
        page.get_by_role("button", name="Approve the rollback").click()
        page.get_by_text("is approved by on-call: agreed on the call").wait_for()
        assert registry.alias("m", "production").to_release == 2
        page.locator("#silence-reason").fill("known")
        page.get_by_label("For", exact=True).select_option("8 hours")
        page.get_by_role("button", name="Silence").click()
        page.get_by_text("Done.").wait_for()
        ((_, silence),) = registry.listings.silences(None, 10)
        assert silence.author == "on-call"
        assert silence.comment == "known"
    assert page.complaints == []


def test_a_cell_is_chosen_by_keyboard_and_kept_in_the_address(opened, shown):
    settings, _ = shown
    page = opened()
    visit(page, "/models/m?last=all", "m")
    page.get_by_label("Window", exact=True).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.get_by_label("Feature", exact=True).select_option("x")
    shares = page.get_by_role("img", name="Distribution of feature x of release 3")
    shares.wait_for()
    assert "cell=feature.x" in page.url
    page.reload()
    shares.wait_for()
    figure = page.locator("figure", has=shares)
    figure.get_by_text("As a table").click()
    rows = {
        row.locator("td").first.inner_text(): row.locator("td").last.inner_text()
        for row in figure.locator("tbody tr").all()
    }
    with connect(settings.archive_url) as archive:
        ones = "SELECT count(*) / 40 * 100 FROM predictions WHERE features.x = 1"
        assert rows["1 to 2"] == f"{archive.sql(ones).fetchall()[0][0]:g} %"
    assert page.complaints == []


def test_what_fires_is_there_without_a_reload(opened, shown):
    settings, _ = shown
    page = opened()
    page.get_by_text("● live").wait_for()
    told = [alert(11, incident="later", rule="seen at once", release=3)]
    archived(settings, "alerts", "alert", told, first=1)
    page.get_by_role("link", name="seen at once").first.wait_for()
    assert page.complaints == []

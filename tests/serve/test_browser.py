"""The page in a real browser, on a desktop and a phone: what it shows moves, and what is changed there acts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT
from tests.fakes.browser import browser
from tests.fakes.served import Served
from tests.fakes.waiting import until
from tests.serve.conftest import TOKEN
from yolorknn.live.settings import Settings
from yolorknn.serve.page import Page

pytestmark = pytest.mark.slow
AXE, SCHEMATHESIS = ROOT / ".page/axe.min.js", ROOT / ".page/venv/bin/schemathesis"
VEILED = """
new MutationObserver(([first]) => window.veiled ??= !first.target.querySelector(".veil").hidden)
    .observe(document, {subtree: true, attributes: true, attributeFilter: ["data-shots"]});
"""
"""Notes whether words lie over a camera's picture when its first is drawn."""
FIRST = "return performance.getEntriesByName('first picture').length"
SEEN = """
const look = () => {
  const canvas = document.querySelector('[data-camera="door"] canvas.picture');
  if (canvas && canvas.getContext("2d").getImageData(0, 0, 1, 1).data[3]) window.seen = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
"""Looks before each frame of the browser's whether the picture is there; milliseconds since the page was asked for."""
LOADS = 5
"""Of which one is to be quick, as other programs of the machine may hold up any."""
PIXELS = """
const canvas = document.querySelector(`[data-camera="${arguments[0]}"] canvas.${arguments[1]}`);
return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
"""


@pytest.fixture(scope="module", params=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def chrome(size: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("chrome"), size, dark=size == "phone") as made:
        yield made


def one(chrome: Any, selector: str) -> Any:
    until(lambda: chrome.find_elements("css selector", selector))
    return chrome.find_element("css selector", selector)


def pixels(chrome: Any, camera: str, layer: str) -> list[int]:
    return list(chrome.execute_script(PIXELS, camera, layer))


def complaints(chrome: Any) -> list[str]:
    """Return what the browser's console has against the page."""
    return [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]


def grave(chrome: Any) -> list[tuple[str, str]]:
    """Return what axe-core finds that keeps people from using the page."""
    if not AXE.exists():
        pytest.skip("no axe-core: scripts/page-rig.sh brings it")
    chrome.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    chrome.execute_script(AXE.read_text())
    found = chrome.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    return [
        (each["id"], node["html"])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical", "moderate")
        for node in each["nodes"]
    ]


def test_the_first_picture_is_there_and_it_moves(chrome: Any, page: Page) -> None:
    chrome.get(page.url)  # what a browser does when it is first used is not the page's
    chrome.get(f"{page.url}/")
    until(lambda: chrome.execute_script(FIRST))
    assert [each.text for each in chrome.find_elements("css selector", ".camera h2")] == ["door", "yard", "attic"]
    before = pixels(chrome, "door", "picture")
    until(lambda: pixels(chrome, "door", "picture") != before)
    assert any(pixels(chrome, "door", "overlay")), "boxes are drawn over it"
    attic = one(chrome, '[data-camera="attic"]')
    until(lambda: "nothing listens there" in attic.text)
    assert "Lost" in attic.text and "secret" not in chrome.page_source
    assert one(chrome, "#summary").text == "2 of 3 cameras live"
    wide = chrome.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "nothing is wider than the window"
    assert not complaints(chrome)
    assert not grave(chrome)


def test_the_first_picture_is_seen_within_a_second(chrome: Any, page: Page) -> None:
    added = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SEEN})
    took: list[float] = []
    try:
        while len(took) < LOADS and min(took, default=1000) >= 1000:
            chrome.get("about:blank")
            chrome.get(f"{page.url}/")
            until(lambda: chrome.execute_script("return window.seen"))
            took.append(chrome.execute_script("return window.seen"))
    finally:
        chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert min(took) < 1000, took


def test_nothing_lies_over_the_first_picture(chrome: Any, page: Page) -> None:
    added = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": VEILED})
    try:
        chrome.get("about:blank")
        chrome.get(f"{page.url}/")
        until(lambda: chrome.execute_script("return window.veiled !== undefined"))
        assert not chrome.execute_script("return window.veiled")
    finally:
        chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_layers_are_switched_off(chrome: Any, page: Page) -> None:
    chrome.get(f"{page.url}/")
    until(lambda: chrome.find_elements("css selector", '[data-camera="door"][data-shots]'))
    buttons = chrome.find_elements("css selector", "#layers button")
    for button in buttons:
        button.click()
    assert not any(pixels(chrome, "door", "overlay"))
    (places,) = (button for button in buttons if button.text == "Zones")
    places.click()
    assert any(pixels(chrome, "door", "overlay")), "the line is drawn"
    for button in buttons:
        if button != places:
            button.click()
    assert any(pixels(chrome, "door", "overlay"))


@pytest.fixture
def settings(served: Served) -> Iterator[Settings]:
    yield served.settings
    served.settings.change("door", {"conf": 0.25, "classes": None, "zones": {}})  # also where it ended in the middle


def test_conf_classes_and_zones_act_and_are_kept(chrome: Any, page: Page, settings: Settings) -> None:
    from selenium.webdriver import ActionChains, Keys

    chrome.get(f"{page.url}/#/camera/door")
    slider = one(chrome, "#conf")
    until(lambda: "3 objects" in one(chrome, ".camera .found").text)
    slider.send_keys(*[Keys.ARROW_RIGHT] * 10)
    until(lambda: settings.of("door").conf == pytest.approx(0.35))
    until(lambda: "2 objects" in one(chrome, ".camera .found").text)
    next(chip for chip in chrome.find_elements("css selector", ".chip") if chip.text.startswith("n1")).click()
    until(lambda: settings.of("door").classes == ("n1",))
    until(lambda: "1 object" in one(chrome, ".camera .found").text)
    assert settings.of("yard").conf == 0.25

    draw = next(each for each in chrome.find_elements("css selector", ".panel button") if each.text == "Draw a zone")
    draw.click()
    canvas = one(chrome, "canvas.overlay.drawing")
    width, height = canvas.size["width"], canvas.size["height"]
    for x, y in ((0.55, 0.1), (0.95, 0.1), (0.95, 0.9), (0.55, 0.9)):
        ActionChains(chrome).move_to_element_with_offset(
            canvas, (x - 0.5) * width, (y - 0.5) * height
        ).click().perform()
    name = one(chrome, ".panel .row input")
    name.clear()
    name.send_keys("right")
    next(each for each in chrome.find_elements("css selector", ".panel button") if each.text == "Keep").click()
    until(lambda: [zone.name for zone in settings.of("door").zones] == ["right"])
    (zone,) = settings.of("door").zones
    assert zone.polygon[0] == pytest.approx((0.55, 0.1), abs=0.02) and len(zone.polygon) == 4
    until(lambda: "1 in it" in one(chrome, ".zones .count").text)
    assert not grave(chrome)

    chrome.get(f"{page.url}/#/camera/door")
    chrome.refresh()
    assert one(chrome, ".panel output").text == "0.35"
    until(lambda: one(chrome, ".zones .name").text == "right")
    one(chrome, ".zones .danger").click()
    until(lambda: settings.of("door").zones == ())
    settings.change("door", {"conf": 0.25, "classes": None})
    until(lambda: one(chrome, ".panel output").text == "0.25")  # what is changed elsewhere
    assert not complaints(chrome)


def test_a_zone_does_not_take_the_place_of_another(chrome: Any, page: Page, settings: Settings) -> None:
    from selenium.webdriver import ActionChains, Keys

    settings.change("door", {"zones": {"right": [[0.5, 0], [1, 0], [1, 1]]}})
    chrome.get(f"{page.url}/#/camera/door")
    chrome.refresh()
    until(lambda: one(chrome, ".zones .name").text == "right")
    chrome.find_element("xpath", "//button[.='Draw a zone']").click()
    canvas, name = one(chrome, "canvas.overlay.drawing"), one(chrome, ".panel .row input")
    canvas.send_keys(Keys.ENTER, Keys.ARROW_DOWN, Keys.ENTER, Keys.ARROW_LEFT, Keys.ENTER)
    ActionChains(chrome).move_to_element_with_offset(canvas, 80, 40).context_click().perform()
    for taken in ("right", "kerb"):  # a zone and a line
        name.clear()
        name.send_keys(taken, Keys.ENTER)
        until(lambda: one(chrome, ".panel .hint").text == "This name is taken: give it another.")
        canvas.send_keys(Keys.BACKSPACE, Keys.ENTER)
    name.clear()
    name.send_keys("left", Keys.ENTER)
    until(lambda: [zone.name for zone in settings.of("door").zones] == ["right", "left"])
    assert [len(zone.polygon) for zone in settings.of("door").zones] == [3, 3], "another button of the mouse adds none"


def test_the_token_is_asked_for(chrome: Any, served: Served, size: str) -> None:
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as page:
        chrome.get(f"{page.url}/")
        field = one(chrome, "#token")
        assert chrome.current_url.endswith("/login")
        background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(13, 17, 23)" if size == "phone" else "rgb(242, 244, 247)"), "its own styles are used"
        field.send_keys("wrong\n")
        until(lambda: "not the token" in chrome.page_source)  # in one call, as the page changes
        assert not grave(chrome)
        one(chrome, "#token").send_keys(f"{TOKEN}\n")
        until(lambda: chrome.find_elements("css selector", '[data-camera="door"][data-shots]'))
        assert TOKEN not in chrome.page_source
        one(chrome, "#logout button").click()
        one(chrome, "#token")
        chrome.get_log("browser")  # 401 is there, as it should


def test_a_page_finds_back_when_the_board_was_away(chrome: Any, served: Served) -> None:
    page = Page(served.watcher, served.hub, port=0)
    page.start()
    port = int(page.url.rpartition(":")[2])
    chrome.get(f"{page.url}/")
    until(lambda: chrome.find_elements("css selector", '[data-camera="door"][data-shots]'))
    page.stop()
    until(lambda: one(chrome, "#summary").text == "no connection to the board")
    with Page(served.watcher, served.hub, port=port):
        until(lambda: "cameras live" in one(chrome, "#summary").text)
        chrome.get("about:blank")


def test_nothing_that_is_sent_to_the_api_makes_it_fail(page: Page, tmp_path: Path) -> None:
    if not SCHEMATHESIS.exists():
        pytest.skip("no schemathesis: scripts/page-rig.sh brings it")
    url = f"{page.url}/api/v1"
    command = [
        str(SCHEMATHESIS), "run", f"{url}/openapi.json", "--url", url, "--max-examples", "12", "--seed", "1",
        "--phases", "examples,coverage,fuzzing", "--request-timeout", "10", "--workers", "2",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--exclude-operation-id", "stream", "--exclude-operation-id", "mjpeg",
        "--exclude-operation-id", "detections_events",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert httpx.get(f"{url}/status", trust_env=False).status_code == 200

"""The report in a real browser: tables sort, rows are filtered, curves zoom, pictures compare."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from daseg.study import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium"),
]
SCRIPT = """
<script>
const press = (element, key) => element.dispatchEvent(
  new KeyboardEvent("keydown", {{ key, bubbles: true, cancelable: true }}));
const set = (element, value, type = "input") => {{
  element.value = value; element.dispatchEvent(new Event(type, {{ bubbles: true }})); }};
const column = (table, n = 0) => [...table.tBodies[0].rows].map((row) => row.cells[n].textContent);
const visible = (selector) => [...document.querySelectorAll(selector)].filter(
  (each) => !each.closest("[hidden]")).map((each) => each.textContent);
const shownRows = () => [...new Set(visible("tbody th"))].filter(
  (name) => /^(low|mid|high)/.test(name));
addEventListener("load", () => setTimeout(() => {{
  const found = {{}};
  try {{ {steps} }} catch (error) {{ found.error = String(error); }}
  document.body.append(Object.assign(document.createElement("pre"),
    {{ id: "found", textContent: JSON.stringify(found) }}));
}}, 500));
</script>
"""


@pytest.fixture
def report(folder):
    """A report with two groups of rows, curves of three runs and three pictures."""
    folder.row("low", {1: 20.0, 2: 22.0})
    folder.row("high", {1: 60.0}, group="ends <b>")
    folder.row("mid", {1: 9.5}, baseline="low", oracle="high")
    folder.row("absent")
    for number, (row, seed) in enumerate([("low", 1), ("low", 2), ("high", 1)]):
        run = folder.root / f"runs/{row}/seed_{seed}"
        lines = [dict(loss_seg=2.0 / (i + 1), step=i + 1) for i in range(1000)]
        folder.log(run, [*lines, dict(mIoU=10.0 + number, step=1000)])
    for number, row in enumerate(["low", "high", "mid"]):
        run = folder.root / f"runs/{row}/seed_1"
        (run / "pictures").mkdir()
        picture = np.full((40, 160, 3), 80 * number, dtype=np.uint8)
        Image.fromarray(picture).save(run / "pictures/iter_10.png")
    page, _ = write_report(folder.root)
    return page


def browse(page, steps: str, *options: str) -> dict:
    """What some steps of JavaScript have put into ``found``, in a browser that shows the page."""
    text = page.read_text()
    # An error of the page's own script would leave the steps to run on: it is kept, too.
    # No observer reports before the next frame, and a busy machine may not render one in time.
    listen = (
        "<script>addEventListener('error', (e) => window.failed = e.message);"
        "window.ResizeObserver = class { observe() {} };</script>"
    )
    steps += " if (window.failed) found.error = window.failed;"
    copy = page.with_name("driven.html")
    copy.write_text(text.replace("<body>", "<body>" + listen) + SCRIPT.format(steps=steps))
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--virtual-time-budget=2000", *options, copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stdout[-2000:]
    found = json.loads(html.unescape(match[1]))
    assert "error" not in found, found["error"]
    return found


def test_a_click_on_a_heading_sorts_numbers_with_the_unknown_last(report):
    found = browse(
        report,
        """
        const table = document.querySelector("table");
        const button = table.tHead.rows[0].cells[1].querySelector("button");
        button.click(); found.down = column(table);
        found.said = button.parentElement.getAttribute("aria-sort");
        button.click(); found.up = column(table);
        """,
    )
    assert found["down"] == ["high", "low", "mid", "absent"]
    assert found["said"] == "descending"
    assert found["up"] == ["mid", "low", "high", "absent"]  # 9.5 before 21: not as texts


def test_the_filter_hides_rows_in_tables_curves_and_pictures(report):
    found = browse(
        report,
        """
        const lines = () => document.querySelectorAll(".chart polyline").length;
        found.all = [visible("table:first-of-type tbody th").length, lines()];
        const dots = [...document.querySelectorAll(".chart polyline.dot")];
        found.dots = dots.map((dot) => getComputedStyle(dot).strokeLinecap);
        found.ends = dots.every((dot) => new Set(dot.getAttribute("points").split(" ")).size === 1);
        set(document.getElementById("group"), "ends <b>", "change");
        found.rows = shownRows();
        found.lines = lines();
        found.pictures = visible("figure[data-row] figcaption");
        found.cards = visible("details > summary");
        set(document.getElementById("group"), "*", "change");
        set(document.getElementById("words"), "LO");
        found.words = shownRows();
        """,
    )
    assert found["all"][1] == 6  # two charts of three runs
    assert found["dots"] == ["round"] * 3  # each has one validation, which is no line
    assert found["ends"]
    assert set(found["rows"]) == {"high"}
    assert found["lines"] == 2
    assert [text.split(",")[0] for text in found["pictures"]] == ["high"]
    assert all(text.startswith("high") for text in found["cards"])
    assert set(found["words"]) == {"low"}


def test_curves_zoom_by_keyboard_and_the_legend_hides_a_row(report):
    found = browse(
        report,
        """
        const svg = document.querySelector(".chart svg");
        const widest = () => Math.max(...[...svg.querySelectorAll("text[text-anchor=middle]")].map(
          (text) => Number(text.textContent)));
        svg.focus();
        found.focused = document.activeElement === svg;
        found.whole = widest();
        press(svg, "+"); found.near = widest();
        press(svg, "ArrowRight"); found.moved = widest();
        press(svg, "0"); found.again = widest();
        const box = document.querySelector(".legend input");
        box.click(); found.lines = svg.querySelectorAll("polyline").length;
        found.still = [...document.querySelectorAll("#curves ~ figure:not(.chart) img")].filter(
          (img) => img.alt.includes("a line for each seed") && !img.closest("[hidden]")).length;
        """,
    )
    assert found["focused"]
    assert found["whole"] == found["again"] == 1000
    assert 500 < found["near"] <= 750  # the middle half of 1 to 1000
    assert found["moved"] > found["near"]
    assert found["lines"] == 1  # two of three runs are of the first row
    assert found["still"] == 0  # the same curves as pictures are not shown twice


def test_the_slider_cuts_the_left_picture_off(report):
    found = browse(
        report,
        """
        const [left, right] = document.querySelectorAll(".viewer select");
        const [below, above] = document.querySelectorAll(".viewer img");
        set(right, 2); set(document.querySelector(".viewer input"), 25);
        const shown = [...document.querySelectorAll("figure[data-row] img")].map((img) => img.src);
        found.pictures = [shown.indexOf(above.src), shown.indexOf(below.src)];
        found.clip = getComputedStyle(above).clipPath;
        """,
    )
    assert found["pictures"] == [0, 2]
    assert found["clip"] == "inset(0px 75% 0px 0px)"


@pytest.mark.parametrize("width", [500, 1200])
def test_only_tables_scroll_sideways(report, width):
    steps = """
        const page = document.documentElement;
        found.over = page.scrollWidth - page.clientWidth;
        found.width = innerWidth;
        """
    found = browse(report, steps, f"--window-size={width},800")
    assert found == {"over": 0, "width": width}


def test_the_page_asks_for_nothing_outside_it(report):
    found = browse(
        report, "found.loaded = performance.getEntriesByType('resource').map((each) => each.name);"
    )
    assert [name for name in found["loaded"] if not name.startswith("data:")] == []

"""The whole report, read back."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from daseg.study import figures, read_results, summary, write_report
from daseg.study.report import Picture

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags close, and keeps what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def study(folder):
    folder.row("low", {1: 20.0, 2: 22.0}, logged={"9": 30.0})
    folder.row("high", {1: 60.0, 2: 62.0}, logged={"9": 25.0})
    folder.row("mid", {1: 30.0}, baseline="low", oracle="high")
    folder.row("absent", logged={"9": 1.0})
    folder.spec["claims"] = [
        dict(title="More is more", checks=["high > low", "mid > low"]),
        dict(title="Less is more", checks=["low > high"]),
        dict(title="Nothing", checks=["absent > low"]),
    ]
    folder.spec["sizes"] = dict(adaptation=[[100, "low"], [500, "high"]], none=[[100, "absent"]])
    failed = folder.root / "runs/mid/seed_2"
    failed.mkdir()
    (failed / "job.json").write_text(json.dumps(dict(state="failed")))
    folder.save()
    run = folder.root / "runs/low/seed_1"
    folder.log(run, [dict(loss_seg=2.0, step=1), dict(mIoU=5.0, labelfree_entropy=0.1, step=2)])
    (run / "pictures").mkdir()
    for step, shade in ((9, 40), (10, 200)):
        Image.new("RGB", (1600, 400), (shade, shade, shade)).save(run / f"pictures/iter_{step}.png")
    return folder


def test_an_opening_picture_and_next_steps_are_in_both(study):
    Image.new("RGB", (8, 8), "red").save(study.root / "opening.png")
    opening = Picture(study.root / "opening.png", "what was seen")
    page, text = write_report(study.root, opening=opening, next_steps=["daseg predict <x>"])
    parsed = Page(page.read_text())
    assert "what was seen" in [attrs.get("alt") for tag, attrs in parsed.tags if tag == "img"]
    assert "daseg predict <x>" in parsed.text
    assert "![what was seen](opening.png)" in text.read_text()
    assert "## What to do next" in text.read_text()


def test_without_a_log_nothing_is_said_of_one(folder):
    folder.row("low", {1: 20.0})
    folder.spec["claims"] = [dict(title="Enough", checks=["low > 10"])]
    folder.spec["sizes"] = dict(all=[[100, "low"]])
    folder.save()
    assert "log" not in summary(folder.root)
    words = "The study's log", "study's own number", "by the study's log", "both sides in the log"

    def said():
        page, text = write_report(folder.root)
        return Page(page.read_text()).text, text.read_text()

    for text in said():
        assert "Enough" in text
        assert not [each for each in words if each in text]
    assert "study's log" not in text  # in Markdown; in HTML a comment of the script has it
    folder.row("high", {1: 60.0}, logged={"9": 25.0})
    assert "study's log" in summary(folder.root)
    for text in said():
        assert [each for each in words if each in text] == list(words)


def test_html_needs_nothing_beside_it(study):
    page, _ = write_report(study.root)
    parsed = Page(page.read_text())
    sources = [attrs["src"] for tag, attrs in parsed.tags if "src" in attrs]
    assert len(sources) >= 4
    assert all(source.startswith("data:image/") for source in sources)
    links = {attrs["href"] for _, attrs in parsed.tags if "href" in attrs}
    ids = {attrs["id"] for _, attrs in parsed.tags if "id" in attrs}
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    assert not {"link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert not any("src" in attrs for tag, attrs in parsed.tags if tag == "script")
    text = page.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, nothing is loaded
    assert not re.search(r"url\(|@import|https?://", text)


def test_embedded_pictures_are_pictures(study):
    page, _ = write_report(study.root)
    for tag, attrs in Page(page.read_text()).tags:
        if tag == "img":
            data = base64.b64decode(attrs["src"].partition("base64,")[2])
            assert Image.open(io.BytesIO(data)).size[0] >= 500
            assert attrs["alt"]


def test_it_says_what_it_found(study):
    text = Page(write_report(study.root)[0].read_text()).text
    for words in (
        "4 rows, seeds 1, 2, 3, in the small world 'demo'. 5 of 12 runs are done and tested.",
        "low, high: seed 3 not started",
        "mid: seed 2 failed; seed 3 not started",
        "absent: seeds 1, 2, 3 not started",
        "61.00 ± 1.41 (2)",
        "low, seed 1: 20.00",
        "configs/a.py --world demo",  # of a protocol card
        "low, seed 1, iteration 10",
        "undecided (one seed)",
        "does not hold",
        "not measured",
    ):
        assert words in text, words


def test_markdown_links_to_files_that_are_there(study):
    page = write_report(study.root)[1]
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert "runs/low/seed_1/test/protocol_card.txt" in links
    assert "report/classes.png" in links
    assert all((study.root / link).is_file() for link in links)


def test_markdown_tables_are_rectangular(study):
    text = write_report(study.root)[1].read_text()
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) > 6
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1, block[0]


def test_the_same_folder_gives_the_same_report(study):
    first = [path.read_bytes() for path in write_report(study.root)]
    assert [path.read_bytes() for path in write_report(study.root)] == first


def test_nothing_run_yet(folder):
    folder.row("a")
    folder.spec["claims"] = [dict(title="c", checks=["a > 1"])]
    folder.save()
    page, text = write_report(folder.root)
    assert "a: seeds 1, 2, 3 not started" in Page(page.read_text()).text
    assert "not measured" in text.read_text()
    assert "0 of 3" in summary(folder.root)


def test_real_world_is_named(folder):
    folder.spec["world"] = "real"
    folder.row("a")
    assert "on the data of its configs. 0 of 3 runs" in write_report(folder.root)[1].read_text()


def test_summary(study):
    text = summary(study.root)
    assert re.search(r"\| mid +\| +30\.00 \(1\) \| +- \| +22 \| +A2 ≈ \| 1 of 3 \|", text)
    assert "More is more: undecided (one seed) (study's log: does not hold)" in text
    assert "Less is more: does not hold (study's log: holds)" in text
    assert "mid: seed 2 failed; seed 3 not started" in text


def test_summary_says_why_a_row_has_no_rank(study):
    study.run("mid", 3, 31.0, tta=dict(flip=True))
    expected = "mid is not ranked: tta: none (seed 1), flip=True (seed 3)"
    assert expected in summary(study.root)
    assert expected.replace(" is not ranked", "") in write_report(study.root)[1].read_text()


def test_names_are_escaped(folder):
    folder.spec["title"] = "<script>alert('x')</script> & \"co\""
    folder.row("a", {1: 20.0}, remark="<img src=http://x> | `b` *c* _d_", group='"><b>')
    folder.log(folder.root / "runs/a/seed_1", [dict(loss_seg=1.0, step=1)])
    page, text = write_report(folder.root)
    parsed = Page(page.read_text())
    tags = [tag for tag, _ in parsed.tags]
    assert "b" not in tags
    assert tags.count("script") == 2  # the page's data and its own script
    assert "<img src=http://x> | `b` *c* _d_" in parsed.text
    assert all(attrs["src"].startswith("data:") for tag, attrs in parsed.tags if tag == "img")
    assert r"\<img src=http://x\> \| \`b\` \*c\* \_d\_" in text.read_text()


def test_commands_cannot_end_their_block(folder):
    folder.row("a", {1: 20.0})
    commands = ["echo ```", "</pre><b>"]
    (folder.root / "runs/a/seed_1/job.json").write_text(json.dumps(dict(commands=commands)))
    page, text = write_report(folder.root)
    assert text.read_text().splitlines()[-4:] == ["````sh", "echo ```", "</pre><b>", "````"]
    assert "b" not in {tag for tag, _ in Page(page.read_text()).tags}


def test_names_stay_readable_in_markdown(folder):
    folder.row("gc_640x360_b1", {1: 20.0}, remark="x\ny")
    folder.run("gc_640x360_b1", 2, 20.0, initial_weights="a|b")
    text = write_report(folder.root)[1].read_text()
    assert "\n- gc_640x360_b1: seed 3 not started\n" in text
    assert "| x y |\n" in text
    assert "a\\|b |" in text


def test_a_card_without_a_text_file_is_shown(folder):
    folder.row("a", {1: 20.0})
    (folder.root / "runs/a/seed_1/test/protocol_card.txt").unlink()
    text = write_report(folder.root)[1].read_text()
    assert "a, seed 1: 20.00:\n\n```sh\nconfig:     configs/a.py --world demo" in text


def test_newest_picture_is_scaled_and_kept_small(study, tmp_path, monkeypatch):
    write_report(study.root)
    shown = np.asarray(Image.open(study.root / "report/panel_1.jpg").convert("L"))
    assert shown.shape == (250, 1000)
    assert abs(float(shown.mean()) - 200) < 3  # iteration 10, not 9
    noise = np.random.default_rng(0).integers(0, 255, (400, 1600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(study.root / "runs/low/seed_1/pictures/iter_11.png")
    monkeypatch.setattr(figures, "PANEL_BYTES", 60_000)
    write_report(study.root)
    assert (study.root / "report/panel_1.jpg").stat().st_size < 60_000


def test_a_picture_of_one_domain_says_which(study):
    run = study.root / "runs/low/seed_1"
    (run / "report.json").write_text(json.dumps(dict(target_domain=False)))
    (run / "train_images.txt").write_text("# Cityscapes at city: 2 of 2 images\na\nb\n")
    text = write_report(study.root)[1].read_text()
    caption = "low, seed 1, iteration 10 (one domain: 2 labels of Cityscapes)"
    assert f"![{caption}](report/panel_1.jpg)" in text


def test_the_legend_of_the_curves_is_below_them_and_names_each_row_once(study, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: drawn.append(figure))
    study.log(study.root / "runs/low/seed_2", [dict(loss_seg=2.5, step=1), dict(mIoU=4.0, step=2)])
    study.log(study.root / "runs/high/seed_1", [dict(loss_seg=2.0, step=1)])  # never validated
    figures.draw_curves(list(read_results(study.root).rows.values()), study.root / "curves.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["low", "high"]
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    lowest = min(axes.get_tightbbox().y0 for axes in figure.axes)
    assert 0 <= legend.get_window_extent().y0 < legend.get_window_extent().y1 <= lowest


def test_overview_draws_seeds_and_log(study):
    write_report(study.root)
    picture = np.asarray(Image.open(study.root / "report/overview.png").convert("RGB")).astype(int)
    for colour in ((31, 95, 191), (194, 87, 26)):  # MEASURED and LOGGED
        assert (np.abs(picture - colour).sum(-1) < 12).sum() > 20

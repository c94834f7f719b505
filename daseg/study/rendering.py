"""A report as HTML and as Markdown: both from one template, with the blocks of each format."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from daseg.study.facts import number

MIME = {".png": "image/png", ".jpg": "image/jpeg"}
NUMBER = re.compile(r"[-<]|-?\d[\d.]*( ?%| ± .*| \(.*| s)?")
# An underscore within a word means nothing to Markdown.
SPECIAL = re.compile(r"[\\`*\[\]<>|~#]|(?<!\w)_|_(?!\w)")
SECTION = re.compile(r'<h2 id="(.*?)">(.*?)</h2>')


def to_html(content: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The report as one HTML file that needs nothing beside it: pictures are in it as data URIs.

    Args:
        content: What ``report.jinja`` shows.
        data: What ``report.js`` sorts, filters and draws; it can be written as JSON.
    """
    environment = _environment(autoescape=True)
    body = environment.get_template("report.jinja").render(content, format="html")
    sections = [(name, Markup(title)) for name, title in SECTION.findall(body)]
    page = environment.get_template("page.jinja")
    title = content["study"].title
    return page.render(title=title, body=Markup(body), sections=sections, data=data)


def to_markdown(content: Mapping[str, Any], root: Path) -> str:
    """The report as a Markdown page that lies in ``root``, with its pictures and cards beside it.

    Args:
        content: What ``report.jinja`` shows.
        root: The study's folder, to which links are relative.
    """
    environment = _environment(autoescape=False)
    environment.filters["link"] = lambda path: quote(path.relative_to(root).as_posix())
    body = environment.get_template("report.jinja").render(content, format="markdown")
    return f"# {_plain(content['study'].title)}\n\n{body.strip()}\n"


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("daseg.study"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(anchor=_anchor, data_uri=_data_uri, fence=_fence, number=number)
    environment.filters.update(plain=_plain, is_number=lambda cell: NUMBER.fullmatch(str(cell)))
    return environment


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _data_uri(path: Path) -> str:
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _plain(text: Any) -> str:
    """The text, with nothing in it that Markdown would take for its own, on one line."""
    return SPECIAL.sub(lambda match: "\\" + match[0], " ".join(str(text).split()))


def _fence(text: str) -> str:
    """Backticks that do not end within a text."""
    return "`" * max(3, *(1 + len(run) for run in re.findall(r"`+", text)), 3)

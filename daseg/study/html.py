"""A report as one HTML file that needs nothing beside it."""

import base64
import html
import re

from daseg.study.document import (
    Block,
    Cell,
    Document,
    Folded,
    Heading,
    Items,
    Picture,
    Table,
    Text,
    text_of,
)

MIME = {".png": "image/png", ".jpg": "image/jpeg"}
STYLE = """
:root { color-scheme: light dark; --text: #1c2330; --faint: #667085; --line: #d9dee7;
  --back: #ffffff; --head: #f3f5f9; --good: #12703f; --bad: #b3261e; --open: #8a5a00;
  --link: #1d4ed8; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ec; --faint: #98a2b3; --line: #39414f;
  --back: #14181f; --head: #1f2530; --good: #6fd39b; --bad: #ff8a80; --open: #f2c063;
  --link: #8ab4ff; } }
body { margin: 0 auto; padding: 1.5rem 1.5rem 5rem; max-width: 76rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.8rem; line-height: 1.2; } h2 { margin-top: 2.6rem; font-size: 1.3rem; }
h3 { margin-top: 1.8rem; font-size: 1.05rem; }
p, li { max-width: 52rem; } a { color: var(--link); } nav a { margin-right: 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .65rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { background: var(--head); vertical-align: bottom; }
tbody th { font-weight: 600; } td.number { text-align: right; white-space: nowrap; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.open { color: var(--open); font-weight: 600; } .faint { color: var(--faint); }
figure { margin: 1.2rem 0; } img { max-width: 100%; background: #fff; border-radius: 4px; }
figcaption { color: var(--faint); font-size: 13px; }
details { border-top: 1px solid var(--line); padding: .35rem 0; } summary { cursor: pointer; }
pre { overflow-x: auto; padding: .7rem; background: var(--head); font-size: 12px; }
"""
NUMBER = re.compile(r"[-<]|-?\d[\d.]*( ?%| ± .*| \(.*| s)?")


def to_html(document: Document) -> str:
    """The text of the file; pictures are in it as data URIs."""
    title = html.escape(document.title)
    sections = [b for b in document.blocks if isinstance(b, Heading) and b.level == 2]
    links = "".join(f'<a href="#{_anchor(b.text)}">{html.escape(b.text)}</a>\n' for b in sections)
    body = "\n".join(map(_block, document.blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n<nav>\n{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{html.escape(text)}</h{level}>'
        case Text(text):
            return f"<p>{html.escape(text)}</p>"
        case Items(texts):
            return "<ul>\n" + "\n".join(f"<li>{html.escape(t)}</li>" for t in texts) + "\n</ul>"
        case Table():
            return _table(block)
        case Picture(path, text):
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            shown = html.escape(text)
            source = f"data:{MIME[path.suffix]};base64,{data}"
            return (
                f'<figure><img alt="{shown}" src="{source}">'
                f"<figcaption>{shown}</figcaption></figure>"
            )
        case Folded(title, lines):
            content = html.escape("\n".join(lines))
            summary = f"<summary>{html.escape(title)}</summary>"
            return f"<details>{summary}<pre>{content}</pre></details>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(text_of(row[0]))}</th>'
        + "".join(map(_cell, row[1:]))
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _cell(cell: str | Cell) -> str:
    text = text_of(cell)
    classes = ["number"] if NUMBER.fullmatch(text) else []
    classes += [cell.tone] if isinstance(cell, Cell) else []
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f"<td{named}>{html.escape(text)}</td>"


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

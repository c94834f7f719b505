"""Build the site's pages that are no files of docs/: the root's Markdown files and the API.

A hook of mkdocs (see mkdocs.yml). README, CONTRIBUTING and CHANGELOG become index, contributing and
changelog; links between them and docs/ are rewritten. Each package and top-level module of daseg
gets a page that mkdocstrings fills from the docstrings.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
ROOT_PAGES["CHANGELOG.md"] = "changelog.md"
NOT_IN_SITE = ("LICENSE", "CITATION.cff")  # named, not linked
CORE = "adaptation", "segmentor", "inference", "api", "registry", "plugins"


def packages() -> list[str]:
    """The packages of daseg by name, ``cli`` aside: commands have a help of their own."""
    folders = sorted(path.parent.name for path in (ROOT / "daseg").glob("*/__init__.py"))
    return [name for name in folders if name != "cli"]


def modules(package: str) -> list[str]:
    """The dotted names of a package's modules that have something public to show."""
    files = sorted((ROOT / "daseg" / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [n for n in names if not n.endswith("__init__") and "._" not in n]


def api_page(title: str, names: list[str]) -> str:
    """A page of Markdown that mkdocstrings expands."""
    return f"# {title}\n\n" + "\n".join(f"::: {name}\n" for name in names)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the API to the navigation."""
    pages: list[Any] = [{"daseg": "api/index.md"}]
    pages += [{f"daseg.{name}": f"api/{name}.md"} for name in packages()]
    config.nav = [*(config.nav or []), {"API": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated."""
    for source, page in ROOT_PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=root_links(text)))
    core = [f"daseg.{name}" for name in CORE if (ROOT / "daseg" / f"{name}.py").is_file()]
    files.append(File.generated(config, "api/index.md", content=api_page("daseg", core)))
    for name in packages():
        content = api_page(f"daseg.{name}", modules(name))
        files.append(File.generated(config, f"api/{name}.md", content=content))
    return files


def root_links(text: str) -> str:
    """Rewrite the links of a file of the root: ``docs/data.md`` is ``data.md`` in the site."""
    for name in NOT_IN_SITE:
        text = text.replace(f"[{name}]({name})", f"`{name}`")
    text = re.sub(r"\]\(docs/", "](", text)
    for source, page in ROOT_PAGES.items():
        text = text.replace(f"]({source}", f"]({page}")
    return text


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links from docs/ to files of the root."""
    for source, target in ROOT_PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({target}")
    return markdown

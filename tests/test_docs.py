"""What the pages say exists: links, paths, options, names, arguments."""

import ast
import re
import shlex
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from daseg.cli import COMMANDS
from daseg.config.arguments import accepted_arguments
from daseg.config.load import load_config
from daseg.config.names import find_config
from daseg.config.validate import RUNNER_KEYS
from daseg.config.work_dirs import default_work_dir
from daseg.registry import KINDS, all_names
from daseg.utils.options import parse_cfg_options

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?<![\w./-])((?:tools|configs|tests|daseg|docs|examples|\.ci)/[\w./-]*\w)")
CAMEL = re.compile(r"`([A-Z][A-Za-z0-9]*[a-z0-9][A-Z]\w*|[A-Z]+\d+|[A-Z]{5,})\b(\([^`]*\))?`")
TOOLS = {"dist_train.sh": "train", "slurm_train.sh": "train", "dist_test.sh": "test"}
FOREIGN = {"CLASSES", "PALETTE", "DataLoader", "PYTHONPATH", "PYTHON", "CONFIG", "SOURCE"}
MISSPELT = {"DeepLabV3PlusHed"}  # on purpose, to show the message
each_page = pytest.mark.parametrize("page", TEXTS)


def blocks(page: str, language: str) -> list[str]:
    return [
        textwrap.dedent(code) for _, kind, code in FENCE.findall(TEXTS[page]) if kind == language
    ]


def prose(page: str) -> str:
    return FENCE.sub("", TEXTS[page])


def commands() -> list[list[str]]:
    """Every command line of a shell block that starts a command of daseg, in words."""
    lines = [
        shlex.split(line, comments=True)
        for page in TEXTS
        for code in blocks(page, "sh")
        for line in code.replace("\\\n", " ").splitlines()
    ]
    return [words for words in lines if command_of(words)]


def command_of(words: list[str]) -> str:
    """The command of daseg that a line runs: "train" of ``daseg train`` and ``tools/train.py``."""
    if "daseg" in words[:-1]:
        return words[words.index("daseg") + 1]
    tools = [Path(word).name for word in words if re.fullmatch(r"tools/\w+\.(py|sh)", word)]
    return TOOLS.get(tools[0], Path(tools[0]).stem.replace("_", "-")) if tools else ""


@cache
def options_of(command: str) -> set[str]:
    """The options that a command's own help names."""
    run = [sys.executable, "-m", "daseg", command, "--help"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))


def configs_of(words: list[str]) -> list[Path]:
    """The configs of a command line, given as paths or as names of daseg's."""
    found = [find_config(word) for word in words if not word.startswith("tools/")]
    return [path for path in found if path.suffix == ".py" and path.is_file()]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.is_file(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}"


@each_page
def test_paths_exist(page):
    for path in PATH.findall(TEXTS[page]):
        assert (ROOT / path).exists(), f"{page} names {path}"


def test_pages_that_code_and_configs_name_exist():
    files = [
        file for folder in ("daseg", "configs", "tools") for file in ROOT.glob(f"{folder}/**/*")
    ]
    texts = [file.read_text(encoding="utf-8") for file in files if file.suffix in (".py", ".sh")]
    named = {name for text in texts for name in re.findall(r"docs/\w+\.md", text)}
    assert len(named) > 2
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@each_page
def test_nothing_is_left_to_fill_in(page):
    assert not re.findall(r"<<\w+>>|TODO|XXX", TEXTS[page])


@each_page
def test_tables_are_whole(page):
    """A row outside a table, or with another number of cells, is shown as text."""
    for table in re.findall(r"(?:^\|.*\n?)+", prose(page), re.MULTILINE):
        head, rule, *rows = table.splitlines()
        assert re.fullmatch(r"\|(---\|)+", rule), head
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in (head, rule, *rows)]
        assert len(set(cells)) == 1, head


@each_page
def test_make_targets_exist(page):
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`|whl/cpu )make ([a-z-]+)", TEXTS[page], re.MULTILINE)
    assert set(named) <= known, page


def test_commands_use_options_that_they_have():
    found = commands()
    assert len(found) > 25
    for words in found:
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options_of(command_of(words)), words


@each_page
def test_options_named_in_the_text_exist(page):
    known = set().union(*map(options_of, COMMANDS)) | {"--help"}
    for code in re.findall(r"`([^`]+)`", prose(page)):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code):
            assert option in known, f"{page}: {option}"


def test_documented_overrides_fit_their_configs():
    checked = 0
    for words in commands():
        configs = configs_of(words)
        if "--cfg-options" not in words or not configs:
            continue
        after = words[words.index("--cfg-options") + 1 :]
        pairs = [word for word in after if "=" in word and not word.startswith("--")]
        load_config(configs[0], parse_cfg_options(pairs), world=world_of(words))
        checked += len(pairs)
    assert checked > 8


def world_of(words: list[str]) -> str | None:
    return words[words.index("--world") + 1] if "--world" in words else None


def test_commands_name_the_last_checkpoint_of_their_config():
    files = [*PAGES, *ROOT.glob("daseg/cli/*.py"), *ROOT.glob("configs/*/*.py")]
    texts = [file.read_text(encoding="utf-8").replace("\\\n", " ") for file in files]
    pattern = re.compile(r"(\S+/\w+)(?:\.py)?\s+(work_dirs/[\w/]+)/iter_(\d+)\.pth([^`\n]*)")
    found = {match for text in texts for match in pattern.findall(text)}
    named = [(find_config(name), *rest) for name, *rest in found]
    checked = [row for row in named if row[0].is_file()]
    assert len(checked) > 5
    for config, folder, iteration, rest in checked:
        world = world_of(rest.split())
        assert int(iteration) == load_config(config, world=world).train_cfg.max_iters, config
        of_one_seed = re.fullmatch(r"work_dirs/\w+_\d", folder)
        assert of_one_seed or folder == default_work_dir(config, world), config


@each_page
def test_python_examples_compile(page):
    for number, code in enumerate(blocks(page, "python"), start=1):
        compile(code, f"{page}, example {number}", "exec")


def trees() -> list[tuple[str, ast.Module]]:
    return [(page, ast.parse(code)) for page in TEXTS for code in blocks(page, "python")]


def defined_in_pages() -> set[str]:
    nodes = [node for _, tree in trees() for node in ast.walk(tree)]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


@cache
def registered() -> dict[str, Any]:
    """Every part that a config can name."""
    return {name: registry.get(name) for registry in KINDS.values() for name in all_names(registry)}


@cache
def classes_of_daseg() -> set[str]:
    files = (ROOT / "daseg").rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


@each_page
def test_names_in_the_text_exist(page):
    known = classes_of_daseg() | set(registered()) | defined_in_pages() | FOREIGN
    named = {name for name, _ in CAMEL.findall(prose(page))}
    assert named <= known, page


def calls(page: str) -> list[str]:
    """Parts in backticks with arguments: ``ResNet(depth=18)``."""
    return [name + arguments for name, arguments in CAMEL.findall(prose(page)) if arguments]


@each_page
def test_arguments_in_the_text_exist(page):
    for code in calls(page):
        call = ast.parse(code, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        if call.func.id in registered():
            check_arguments(page, call.func.id, call)


def test_examples_of_configs_name_parts_and_arguments_that_exist():
    inline = [(p, c) for p in TEXTS for c in re.findall(r"`(dict\([^`]+\))`", prose(p))]
    inline_trees = [(p, ast.parse(c.replace(", ...)", ")"))) for p, c in inline]
    checked = 0
    for page, tree in [*trees(), *inline_trees]:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "dict":
                continue
            kinds = [k.value.value for k in node.keywords if k.arg == "type"]  # type: ignore[attr-defined]
            for name in kinds:
                check_arguments(page, name, node)
                checked += 1
    assert checked > 30


def check_arguments(page: str, name: str, call: ast.Call) -> None:
    if name in defined_in_pages() | MISSPELT:
        return
    assert name in registered(), f"{page}: {name}"
    legal = accepted_arguments(registered()[name])
    given = {k.arg for k in call.keywords} - {"type", "_delete_"}
    assert legal is None or given <= legal, f"{page}: {name} has no {given - legal}"


def test_every_key_of_a_config_is_described():
    table = re.findall(
        r"^\| (`.+?`) \|", TEXTS["docs/configs.md"].split("## Top-level keys")[1], re.M
    )
    named = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    # Set by daseg itself, whatever a config says.
    assert named == RUNNER_KEYS


def test_every_part_is_listed():
    table = TEXTS["docs/parts.md"]
    kinds = "backbone head discriminator loss objective dataset transform inference hook launcher"
    for kind in kinds.split():
        own = [
            n for n in KINDS[kind].module_dict if registered()[n].__module__.startswith("daseg.")
        ]
        assert own
        assert {name for name in own if f"`{name}`" not in table} == set(), kind


def test_every_objective_is_described():
    """CONTRIBUTING says so: a row of the table in docs/concepts.md."""
    table = TEXTS["docs/concepts.md"].split("### Objectives")[1].split("###")[0]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    own = {n for n in all_names(KINDS["objective"]) if registered()[n].__module__[:6] == "daseg."}
    assert rows == own


def test_the_layers_are_those_that_are_held():
    source = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    assigned = [node for node in source.body if isinstance(node, ast.Assign)]
    values = {ast.unparse(node.targets[0]): node.value for node in assigned}
    rows = re.findall(r"^\| (\d) \| (.+) \|$", TEXTS["CONTRIBUTING.md"], re.MULTILINE)
    named = {name: int(layer) for layer, text in rows for name in re.findall(r"`(\w+)`", text)}
    assert named == {k: v for k, v in ast.literal_eval(values["LAYERS"]).items() if k[0] != "_"}


def test_every_folder_is_in_the_table_of_the_architecture():
    table = TEXTS["docs/architecture.md"].split("## The folders")[1].split("## ")[0]
    named = set(re.findall(r"`(\w+)/`", "".join(re.findall(r"^\| (.+?) \|", table, re.M))))
    assert named == {path.parent.name for path in ROOT.glob("daseg/*/__init__.py")}


def test_every_page_is_in_the_navigation_of_the_site():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": (\w+\.md)$", text, re.MULTILINE)
    pages = [path.name for path in ROOT.glob("docs/*.md")]
    assert sorted(listed) == sorted([*pages, "index.md", "contributing.md", "changelog.md"])


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "losses" / "index.html").read_text(encoding="utf-8")
    assert "CrossEntropyLoss" in page


def test_the_readme_is_short():
    assert len(TEXTS["README.md"].splitlines()) <= 130


def test_every_config_of_the_published_data_sets_has_its_number():
    """docs/reproduction.md lists each config that is no trial of ours, and no other."""
    folders = {"_base_", "demo", "camvid", "own_pair", "studies", "worlds"}
    configs = [path.relative_to(ROOT / "configs") for path in ROOT.glob("configs/*/*.py")]
    real = {f"configs/{path.as_posix()}" for path in configs if path.parts[0] not in folders}
    listed = re.findall(r"^\| (`configs/.*?) \|", TEXTS["docs/reproduction.md"], re.MULTILINE)
    named = {name for row in listed for name in re.findall(r"`(configs/[\w/]+\.py)`", row)}
    assert named == real

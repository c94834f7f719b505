"""Import layers: what may import what. Lower layers know nothing of higher ones."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = {
    "registry": 0,
    "plugins": 0,
    "utils": 0,
    "ops": 1,
    "weights": 1,
    "backbones": 2,
    "heads": 2,
    "discriminators": 2,
    "generators": 2,
    "losses": 2,
    "datasets": 2,
    "evaluation": 2,
    "segmentor": 3,
    "hrda": 3,
    "inference": 3,
    "objectives": 3,
    "translation": 3,
    "adaptation": 4,
    "hooks": 4,
    "config": 4,
    "engine": 4,
    "offline": 4,
    "visualization": 4,
    "compat": 4,
    "worlds": 4,
    "api": 4,
    "study": 5,
    "benchmarks": 5,
    "cli": 6,
    "__main__": 6,
}
PARTS = 2  # parts of one layer never import each other
OUTSIDE = ("tools", "configs", "tests")


def imported(path: Path) -> set[str]:
    """Modules that a file imports, at any depth of its code, in full: ``daseg.utils.errors``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [alias.name for alias in node.names]
            found |= {f"{node.module}.{n}" for n in names} if node.module == "daseg" else set()
            found.add(node.module or "")
    return found


def part_of(module: str) -> str | None:
    """``daseg.heads.aspp`` belongs to ``heads``; None for what is not below daseg."""
    pieces = module.split(".")
    return pieces[1] if pieces[0] == "daseg" and len(pieces) > 1 else None


def sources() -> list[tuple[Path, str]]:
    files = sorted((ROOT / "daseg").rglob("*.py"))
    return [(f, part_of(".".join(f.relative_to(ROOT).with_suffix("").parts)) or "") for f in files]


def test_every_module_has_a_layer():
    parts = {part for _, part in sources()} - {"__init__"}
    assert parts == set(LAYERS)


def test_no_module_imports_from_a_higher_layer():
    seen, wrong = 0, []
    for path, part in sources():
        for module in imported(path) if part != "__init__" else ():
            other = part_of(module)
            if other not in LAYERS or other == part:
                continue
            seen += 1
            same_layer_of_parts = LAYERS[other] == LAYERS[part] == PARTS
            if LAYERS[other] > LAYERS[part] or same_layer_of_parts:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert seen > 100
    assert wrong == []


def test_nothing_in_daseg_imports_tools_configs_or_tests():
    modules = [m for path, _ in sources() for m in imported(path)]
    assert len(modules) > 300
    assert [m for m in modules if m.split(".")[0] in OUTSIDE] == []


def test_commands_import_only_light_modules_at_the_top():
    """So that ``--help`` comes at once."""
    files = sorted([*(ROOT / "tools").glob("*.py"), *(ROOT / "daseg/cli").glob("*.py")])
    assert len(files) >= 30
    for path in files:
        heavy = {
            name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in ([a.name for a in node.names] + [getattr(node, "module", None) or ""])
            if name.split(".")[0] in ("torch", "mmengine", "mmcv", "numpy", "cv2")
            or (name.startswith("daseg.") and not name.startswith(("daseg.utils", "daseg.cli")))
        }
        assert not heavy, f"{path.name} imports {heavy} before it reads its arguments"

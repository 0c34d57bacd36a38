"""The house's rules that a program can check: floors, forbidden calls, keyword-only options."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import fsketch

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "fsketch"

# Module or package -> floor; imports go downward, or stay inside one package.
FLOORS = {
    "types": -1, "images": 0, "names": 0, "trees": 0, "startup": 0,
    "writers": 0, "nets": 1, "convert.tables": 1, "convert.files": 1, "convert": 1,
    "metrics": 1, "patches": 2, "losses": 2, "convert.published": 2,
    "state": 2, "checkpoint": 2, "image_pool": 3, "parallel": 3, "data": 3,
    "gallery": 3, "extractors": 3, "embedders": 3,
    "methods": 4, "scoring": 4, "recall": 4,
    "evaluate": 5, "train": 5, "stages": 5, "prepare": 5, "styles": 5, "benchmark": 5,
    "score": 5, "synthesize": 5, "report": 5, "verify_faces": 5,
    "main": 6, "report.__main__": 6, "report.seeds": 6, "report.ifrp_tables": 6,
    "convert.__main__": 6, "data.prepare": 6, "data.verify": 6,
}  # fmt: skip
# Orchestration: one uses the other, in this order.
ORDER_OF_FLOOR_5 = (
    "evaluate", "train", "stages", "prepare", "styles", "benchmark", "score", "synthesize",
    "report", "verify_faces",
)  # fmt: skip


def files():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def floor_of(name):
    for key in (name, name.split(".")[0]):
        if key in FLOORS:
            return FLOORS[key]
    raise AssertionError(f"{name} has no floor: add it to FLOORS")


def imports(path):
    """Names of fsketch modules that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "fsketch":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("fsketch."):
                base = node.module.removeprefix("fsketch.")
                yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("fsketch."):
                    yield alias.name.removeprefix("fsketch.")


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_imports_go_down(path):
    name = name_of(path)
    if not name:
        return
    for other in imports(path):
        if other.split(".")[0] == name.split(".")[0]:
            continue
        mine, theirs = floor_of(name), floor_of(other)
        if mine == theirs == 5:
            order = ORDER_OF_FLOOR_5
            assert order.index(other.split(".")[0]) < order.index(name.split(".")[0]), (
                f"{name} -> {other}"
            )
        else:
            assert theirs < mine, f"{name} -> {other}"


def test_methods_do_not_import_each_other():
    shared = {"interface", "optimizers", "pretrained", "students", "critics"}
    shared |= {"drawn", "generators"}
    modules = {p.stem for p in (PACKAGE / "methods").glob("*.py")} - shared - {"__init__"}
    for module in modules:
        for other in imports(PACKAGE / "methods" / f"{module}.py"):
            assert other.removeprefix("methods.") not in modules, f"{module} -> {other}"


def calls(path):
    """Dotted names of everything called or referred to in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr, ast.unparse(node)


@pytest.mark.parametrize(("attribute", "home"), [("pmap", "parallel.py"), ("pmean", "state.py")])
def test_mapping_over_devices_has_one_home(attribute, home):
    for path in files():
        uses = [full for attr, full in calls(path) if attr == attribute]
        allowed = path.name == home or all(full.startswith("parallel.") for full in uses)
        assert allowed, f"{path.name} uses {uses}"


def test_configurations_are_never_asked_with_get():
    for path in files():
        uses = [full for attr, full in calls(path) if attr == "get" and "config" in full]
        assert not uses, f"{path.name}: {uses} (a misspelt field would be silent)"


def test_the_loop_names_no_method_player_or_loss():
    source = (PACKAGE / "train.py").read_text()
    for word in ("student", "critic", "translator", '"kd"', "mimic", "reconstruction", "teacher"):
        assert word not in source, word


def public_functions():
    for info in pkgutil.walk_packages(fsketch.__path__, "fsketch."):
        if info.name.endswith("__main__") or info.name == "fsketch.main":
            continue
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == info.name and not name.startswith("_"):
                yield f"{info.name}.{name}", function


def test_defaults_are_keyword_only_and_functions_documented():
    for name, function in public_functions():
        assert inspect.getdoc(function), f"{name} has no docstring"
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
                assert parameter.default is inspect.Parameter.empty, f"{name}({parameter.name}=)"


def test_every_module_says_what_it_is():
    for path in files():
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_importing_the_library_starts_no_device_and_sets_no_flag():
    code = """if True:
        import os, sys
        settings = lambda: {k: v for k, v in os.environ.items() if k.startswith(("XLA", "JAX"))}
        before = settings()
        import fsketch, fsketch.train, fsketch.methods
        assert settings() == before
        from jax._src import xla_bridge
        assert not xla_bridge._backends
        assert "tensorflow" not in sys.modules and "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_no_machine_s_path_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".cfg", ".toml", ".sh", ".txt") and path.is_file():
            if path == pathlib.Path(__file__):
                continue
            for word in (f"/{top}/" for top in ("work", "home", "root")):
                assert word not in path.read_text(), f"{name} holds {word}"

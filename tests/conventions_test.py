"""The house's rules that a program can check: floors, forbidden calls, keyword-only options."""

import ast
import configparser
import graphlib
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
# As they are imported: configs/ and tfds_builders/ are installed inside the package.
TREES = {"fsketch": PACKAGE, "fsketch.configs": ROOT / "configs"}
TREES["fsketch.tfds_builders"] = ROOT / "tfds_builders"

# Module or package -> floor; imports go downward, or stay inside one package.
FLOORS = {
    "core": 0, "configs": 0,
    "nets": 1, "convert": 1, "metrics": 1, "patches": 1, "losses": 2, "faces": 2,
    "frozen.architectures": 2, "convert.published": 3, "data": 2, "tfds_builders": 3,
    "data.sources": 4, "data.faces": 4, "data.pipeline": 4, "data.coarse": 4, "data.augment": 4,
    "data.drawn": 4.5, "data.prepare": 5,
    "frozen": 5, "methods": 6, "prediction": 7, "scoring": 7, "restore": 8, "warm_start": 8,
    "training_log": 8, "evaluate": 9, "train_check": 9, "sample_sheets": 9.5, "train": 10,
    "stages": 11, "prepare": 12.7, "preflight": 12.7, "experiment": 13, "tpu": 13,
    "score": 12, "translator": 12, "image_jobs": 12, "styles": 12, "verify_faces": 12,
    "unlabelled": 12.5, "benchmark": 12, "synthesize": 13, "zoo": 13, "models": 14, "studio": 14,
    "export": 14, "own_photos": 15, "demo": 15,
    "report": 13, "programs": 14, "__main__": 1, "main": 2,
}  # fmt: skip


def modules():
    """{dotted name below fsketch: file} of the whole repository but for its tests."""
    found = {}
    for package, folder in TREES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            name = ".".join(part for part in parts if part != "__init__")
            found[name.removeprefix("fsketch").removeprefix(".")] = path
    return found


MODULES = modules()


def files():
    return sorted(MODULES.values())


def floor_of(name):
    for key in (name, name.split(".")[0]):
        if key in FLOORS:
            return FLOORS[key]
    raise AssertionError(f"{name} has no floor: add it to FLOORS")


def imports(path):
    """Names of the modules of this repository that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in (name for name in names if name.split(".")[0] == "fsketch"):
            inner = name.removeprefix("fsketch").removeprefix(".")
            yield inner if inner in MODULES else inner.rpartition(".")[0]


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_imports_go_down(name):
    for other in imports(MODULES[name]):
        if other and other.split(".")[0] != name.split(".")[0]:
            assert floor_of(other) < floor_of(name), f"{name} -> {other}"


def test_no_circle_of_imports():
    graph = {name: set(imports(path)) - {name, ""} for name, path in MODULES.items()}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the circle


def test_all_packages_are_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    assert listed == sorted(
        f"fsketch.{name}".rstrip(".") for name, path in MODULES.items() if path.stem == "__init__"
    )


def test_methods_do_not_import_each_other():
    shared = {"interface", "optimizers", "students", "critics", "drawn"}
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


def test_image_files_are_opened_in_one_place():
    for folder in ("fsketch", "tfds_builders", "configs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            uses = [full for attr, full in calls(path) if attr == "open" and "Image" in full]
            assert not uses or path == PACKAGE / "core/image_files.py", f"{path}: {uses}"


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
        if info.name.endswith("__main__"):
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
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


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

"""The metadata: one home for the version, classifiers that agree with what is promised."""

import importlib.metadata
import tomllib

import house

PROJECT = tomllib.loads((house.ROOT / "pyproject.toml").read_text())["project"]


def test_version_has_one_home():
    version = PROJECT["version"]
    assert importlib.metadata.version("sharedobj") == version
    written = [
        house.short(path)
        for path in [
            *house.CORE,
            *house.PUBLIC,
            *house.BINDINGS,
            *house.ROOT.glob("python/**/*.py"),
        ]
        if f'"{version}"' in path.read_text()
    ]
    assert not written
    assert f"[{version}]" in (house.ROOT / "CHANGELOG.md").read_text()


def test_built_from_this_tree():
    """What is tested is what lies here: the environment is not stale."""
    import sharedobj

    installed = house.Path(sharedobj.__file__).parent
    for path in (house.ROOT / "python/sharedobj").rglob("*.py"):
        copy = installed / path.relative_to(house.ROOT / "python/sharedobj")
        assert copy.read_text() == path.read_text(), f"{house.short(path)} is newer than the build"


def test_nothing_of_the_tree_is_installed_but_the_package():
    files = importlib.metadata.files("sharedobj")
    tops = {file.parts[0] for file in files if not file.parts[0].startswith("sharedobj")}
    assert not tops
    assert not [file for file in files if file.suffix in {".c", ".h"}]

"""What "code" means in a run's key.

The fingerprint of a step covers the source of the step's module and of every module it imports, directly or not and wherever
in the file the import stands, as far as they belong to the same project: Pickaxe's rooms, or the user's own modules. It adds
the version of each third-party distribution met on the way and the Python minor version. So a change in a helper that a step
calls invalidates its cache, and so does another release of the library it uses.

Not covered: `pickaxe.kernel` (it moves data, it does not compute it), data files, and modules imported by a computed name.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARY_FOLDERS = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python"}


def fingerprint(step: Callable[..., Any], *more_modules: str) -> str:
    """Digest of the code that `step` runs (see the module's docstring); `more_modules` are covered too."""
    start = step.__module__
    own, foreign = _closure(start, *more_modules)
    hasher = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\n{step.__qualname__}\n".encode())
    for name, digest in sorted(own.items()):
        hasher.update(f"{name} {digest}\n".encode())
    for name in sorted(foreign):
        hasher.update(f"{name}=={_release(name)}\n".encode())
    return hasher.hexdigest()


def _closure(*start: str) -> tuple[dict[str, str], set[str]]:
    """Source digests of the project's modules reachable from `start`, and the third-party packages they import."""
    own: dict[str, str] = {}
    foreign: set[str] = set()
    queue = list(start)
    while queue:
        name = queue.pop()
        if name in own:
            continue
        path = _project_file(name)
        if path is None:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("pickaxe", "__main__"):
                foreign.add(top)
            continue
        stat = path.stat()
        own[name if name != "__main__" else "main"], imports = _read(name, path, stat.st_mtime_ns, stat.st_size)
        queue.extend(imports)
    return own, foreign


@cache
def _read(name: str, path: Path, _mtime_ns: int, _size: int) -> tuple[str, tuple[str, ...]]:
    """Digest of one source file and the names it imports; cached until the file changes."""
    source = path.read_bytes()
    return hashlib.sha256(source).hexdigest(), tuple(_imports(ast.parse(source), name, path))


def _imports(tree: ast.AST, module: str, path: Path) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield base
            # `from package import name` may name a module of the package.
            yield from (f"{base}.{alias.name}" for alias in node.names if _project_file(f"{base}.{alias.name}"))


@cache
def _project_file(name: str) -> Path | None:
    """The source file of a module that counts as code, None for anything else."""
    if name == "__main__":
        main = getattr(sys.modules["__main__"], "__file__", None)
        return Path(main).resolve() if main else None
    if name == "pickaxe.kernel" or name.startswith("pickaxe.kernel."):
        return None
    # A look below a package imports it, so libraries are told by their top alone: torch would take seconds.
    if "." in name and _project_file(top := name.partition(".")[0]) is None and not _is_namespace(top):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin).resolve()
    if name.partition(".")[0] == "pickaxe":
        return path
    return None if any(path.is_relative_to(folder) for folder in _LIBRARY_FOLDERS) else path


@cache
def _is_namespace(top: str) -> bool:
    """Whether a top-level package has no ``__init__.py`` and lies in the project."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is not None or spec.submodule_search_locations is None:
        return False
    places = [Path(place).resolve() for place in spec.submodule_search_locations]
    return not any(place.is_relative_to(folder) for place in places for folder in _LIBRARY_FOLDERS)


@cache
def _release(package: str) -> str:
    try:
        return version(_DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "unknown"

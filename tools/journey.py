"""Counts the functions that a whole configuration passes when a run is trained: ``python -m tools.journey``.

A static walk over the syntax trees: from ``cli/train.py: _train`` to every function of the package that is
called with the configuration (a name or an attribute ``config`` or ``settings``), and on from there. Sections
such as ``config.train`` do not count. ``--verbose`` lists the functions in the order in which they are met.
"""

import argparse
import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = ("vsc_jax.cli.train", "_train")
Place = tuple[str, str]


class Package:
    """Definitions and imports of every module, by its dotted name."""

    def __init__(self) -> None:
        self.definitions: dict[Place, ast.AST] = {}
        self.imports: dict[Place, Place] = {}
        self.modules: set[str] = set()
        for path in (ROOT / "vsc_jax").rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            self.modules.add(module)
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vsc_jax"):
                    for alias in node.names:
                        self.imports[module, alias.asname or alias.name] = (str(node.module), alias.name)
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    self.definitions[module, node.name] = node
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, ast.FunctionDef):
                            self.definitions[module, f"{node.name}.{method.name}"] = method

    def find(self, module: str, name: str) -> Place | None:
        """Where a name of a module is defined; ``(module, "")`` for a module."""
        seen = 0
        while (module, name) not in self.definitions and (module, name) in self.imports and seen < 9:
            module, name = self.imports[module, name]
            seen += 1
            if f"{module}.{name}" in self.modules:
                return f"{module}.{name}", ""
        return (module, name) if (module, name) in self.definitions else None

    def called(self, module: str, owner: str, function: ast.expr) -> Place | None:
        """What a call in a function of ``module``, or in a method of the class ``owner``, calls."""
        if isinstance(function, ast.Name):
            return self.find(module, function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            if function.value.id in ("self", "cls"):
                return self.find(module, f"{owner}.{function.attr}")
            place = self.find(module, function.value.id)
            if place is not None:
                name = function.attr if not place[1] else f"{place[1]}.{function.attr}"
                return self.find(place[0], name)
        return None

    def walk(self, place: Place, met: list[Place]) -> list[Place]:
        """Every function that the configuration reaches from this one."""
        if place in met or place not in self.definitions:
            return met
        met.append(place)
        module, name = place
        node = self.definitions[place]
        if isinstance(node, ast.ClassDef):
            return self.walk((module, f"{name}.__init__"), met)
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                if any(ast.unparse(value).split(".")[-1] in ("config", "settings") for value in given):
                    target = self.called(module, name.split(".")[0], call.func)
                    if target is not None:
                        self.walk(target, met)
        return met


def main() -> None:
    """Print how many functions and modules there are on the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--verbose", action="store_true")
    met = Package().walk(START, [])
    print(f"{len(met)} functions in {len({module for module, _ in met})} modules")
    if parser.parse_args().verbose:
        print("\n".join(f"{module}: {name}" for module, name in met))


if __name__ == "__main__":
    main()

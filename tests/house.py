"""The floors of the house and what each module may import, checked on the syntax tree: nothing is executed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = ("flows", "tasks", "data_contracts", "deployments")
STAGES = ("curate", "partition", "finetune", "evaluate", "decide", "register", "watch")
LOCAL = "tasks.providers.local"
MAX_LINES = 300

# From top to bottom: an import goes down, or stays within its floor.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("flows", "deployments"),
    ("tasks.prefect_tasks", "tasks.prefect_artifacts", "tasks.prefect_events", "tasks.wanted_trials"),
    ("tasks.steps",),
    ("tasks.workspace", *(f"tasks.{stage}" for stage in STAGES)),
    (
        "tasks.providers",
        "tasks.prompting",
        "tasks.similarity",
        "tasks.ledger",
        "tasks.ledger.migrations",
        "tasks.approvals",
        "tasks.purse",
        "tasks.storage",
        "tasks.run_folder",
        "tasks.signing",
        "tasks.power",
        "tasks.clock",
        "tasks.home",
    ),
    ("data_contracts", "tasks.errors"),
)
SEPARATE = FLOORS[3]  # whose members do not import each other: what two of them need lies one floor down
VENDORS = {
    "prefect": (
        "flows",
        "deployments",
        *(f"tasks.prefect_{name}" for name in ("tasks", "artifacts", "events")),
        "tasks.wanted_trials",
    ),
    "great_expectations": ("tasks.curate.validate",),
    "datacontract": ("tasks.curate.odcs",),
    "open_data_contract_standard": ("tasks.curate.odcs",),
    "mlflow": ("tasks.register", "tasks.watch.traces"),
    "boto3": ("tasks.storage", "tasks.providers"),
    "botocore": ("tasks.storage", "tasks.providers"),
    "openai": ("tasks.providers",),
    "gepa": ("tasks.evaluate.optimise",),
    "model_signing": ("tasks.signing",),
}


@dataclass(frozen=True)
class Module:
    """One source file. `name` is dotted, a package's is that of its folder."""

    name: str
    is_package: bool
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def imports(self) -> set[str]:
        """Dotted names, wherever in the file they are imported; `from a import b` counts as a.b."""
        return {name for node in ast.walk(self.tree) for name in self._imported(node)}

    def _imported(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = self.name.split(".")
            kept = len(parts) - node.level + self.is_package if node.level else 0
            origin = ".".join([*parts[:kept], *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def modules(root: Path) -> Iterator[Module]:
    """Every module of the house; tests/ is not part of it."""
    for path in sorted(path for top in TOP for path in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield Module(".".join(parts[:-1] if is_package else parts), is_package, path.read_text(encoding="utf-8"))


def violations(root: Path) -> list[str]:
    """Every forbidden import, and every module that stands on no floor."""
    found = [problem for module in modules(root) for name in sorted(module.imports) for problem in _judge(module, name)]
    homeless = [f"{module.name} stands on no floor" for module in modules(root) if _homeless(module.name)]
    return homeless + found


def too_long(root: Path) -> list[str]:
    """Modules of more than MAX_LINES lines."""
    return [module.name for module in modules(root) if len(module.text.splitlines()) > MAX_LINES]


def flows_with_postponed_annotations(root: Path) -> list[str]:
    """Modules with a flow whose deployed runs would crash."""
    return [
        module.name for module in modules(root) if "__future__.annotations" in module.imports and _has_flow(module.tree)
    ]


def _judge(module: Module, imported: str) -> Iterator[str]:
    says = f"{module.name} imports {imported}"
    vendor = imported.partition(".")[0]
    if vendor in VENDORS and not _inside(module.name, *VENDORS[vendor]):
        yield f"{says}: only {', '.join(VENDORS[vendor])} may"
    if vendor == "tests":
        yield f"{says}: what runs does not know its tests"
    if vendor in TOP and _inside(module.name, LOCAL) != _inside(imported, LOCAL):
        yield f"{says}: {LOCAL} is reached over HTTP only"
    elif vendor in TOP:
        yield from _floors(says, _place(module.name), _place(imported))


def _floors(says: str, here: tuple[int, str] | None, there: tuple[int, str] | None) -> Iterator[str]:
    if here is None or there is None:
        return
    if there[0] < here[0]:
        yield f"{says}: upward"
    elif here[1] != there[1] and {here[1], there[1]} <= set(SEPARATE):
        yield f"{says}: what two of them need lies one floor down"


def _place(name: str) -> tuple[int, str] | None:
    """Floor and the entry of FLOORS that a module belongs to."""
    places = ((floor, entry) for floor, entries in enumerate(FLOORS) for entry in entries if _inside(name, entry))
    return next(places, None)


def _homeless(name: str) -> bool:
    return name not in TOP and _place(name) is None


def _inside(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def _has_flow(tree: ast.Module) -> bool:
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(_is_flow(decorator) for function in functions for decorator in function.decorator_list)


def _is_flow(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).split(".")[-1] == "flow"

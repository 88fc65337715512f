"""Plan to an ESP-IDF component: a folder with the C code, the weights, where they go (Kconfig), and a self-test.

The texts are the files `*.in` beside this one, where `@name@` stands for what differs. Of the C code only the header
of vector instructions depends on the chip revision, so a component holds both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files

from ...compiler.plan import Plan
from ..build import Build
from ..emit import io_names, uses_pie
from ..emit_header import PixelTable, emit_header
from ..naming import prefix
from ..pie.header import header_text
from .self_test import self_test_header

# What a task needs besides the network: app_main's own frame and those of printf.
TASK_STACK = 4096

# What the component manager's manifest begins with.
COMPONENT_MARK = "# Written by p4c"

EXAMPLE = "examples/self_test"


def component_files(plan: Plan, built: Build, model: str, pixels: PixelTable | None) -> dict[str, bytes]:
    """The files of the component by path; `model` is its name in C."""
    names = values(plan, built, model, pixels)
    blobs = [weights.name for weights in plan.weights]
    header = emit_header(plan, model, stack_bound=built.image.stack_bytes, pixels=pixels, loads=True)
    texts = {
        "CMakeLists.txt": filled("CMakeLists.txt", names),
        "idf_component.yml": filled("idf_component.yml", names),
        "Kconfig": filled("Kconfig", names),
        "README.md": filled("README.md", names),
        f"include/{prefix(model)}.h": header,
        f"src/{prefix(model)}_load.c": filled("load.c", names),
        f"src/{prefix(model)}_weights.S": "\n".join(filled("weights.S", names | {"blob": blob}) for blob in blobs),
        f"{EXAMPLE}/CMakeLists.txt": filled("example_CMakeLists.txt", names),
        f"{EXAMPLE}/sdkconfig.defaults": filled("sdkconfig.defaults", names),
        f"{EXAMPLE}/main/CMakeLists.txt": filled("main_CMakeLists.txt", names),
        f"{EXAMPLE}/main/main.c": filled("main.c", names),
        f"{EXAMPLE}/main/self_test.h": self_test_header(plan, model),
    }
    sources = {f"{prefix(model)}.c", *(f"{blob}.bin" for blob in blobs)}
    found = {f"src/{name}": built.sources[name] for name in sorted(sources)}
    kernels = {f"src/kernels/{name}": text for name, text in kernel_headers(plan, built).items()}
    return {path: text.encode() for path, text in texts.items()} | found | kernels


def values(plan: Plan, built: Build, model: str, pixels: PixelTable | None) -> dict[str, str]:
    """What stands for each `@name@` of the texts."""
    stack = -(-(built.image.stack_bytes + TASK_STACK) // 1024) * 1024
    names = io_names(plan)
    members = [f".{names[border.value]} = .." for border in (*plan.inputs, *plan.outputs)]
    common = {"name": model, "NAME": model.upper(), "version": version("p4c")}
    return common | {
        "sources": f"src/{prefix(model)}.c src/{prefix(model)}_load.c src/{prefix(model)}_weights.S",
        "weights": ";".join(f"${{CMAKE_CURRENT_LIST_DIR}}/src/{weights.name}.bin" for weights in plan.weights),
        "choices": "".join(weights_choice(common, w.name, w.region, len(w.data)) for w in plan.weights),
        "arena_bytes": str(plan.arena_bytes),
        **_region("ARENA_REGION", plan.arena_region),
        "stack": str(built.image.stack_bytes),
        "task_stack": str(stack),
        "members": ", ".join(dict.fromkeys(members)),
        "pixels": f", and `{prefix(model)}_from_pixel`, the stored input for each pixel value" if pixels else "",
    }


def weights_choice(common: Mapping[str, str], blob: str, region: str, size: int) -> str:
    """The Kconfig choice of one blob of weights; as planned, it is copied into its region."""
    names = {"blob": blob, "BLOB": blob.upper(), "bytes": str(size), **_region("REGION", region)}
    return filled("Kconfig_weights", {**common, **names})


def _region(name: str, region: str) -> dict[str, str]:
    """A default of Kconfig; where there is no PSRAM, its first alternative holds."""
    return {name: region.upper(), "if_psram": " if SPIRAM" if region == "psram" else ""}


def filled(template: str, names: Mapping[str, str]) -> str:
    """The text of a template with its names filled in; KeyError for one that is not known."""
    text = (files(__package__) / f"{template}.in").read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda match: names[match[1]], text)


def kernel_headers(plan: Plan, built: Build) -> dict[str, bytes]:
    """The headers of the kernels that the network uses, with what they include, and the vector instructions."""
    needed: dict[str, bytes] = {}
    pie = uses_pie(plan)
    wanted = [step.kernel.header for step in plan.steps]
    while wanted:
        name = wanted.pop()
        # Headers of vector kernels are called so, and included where the network has such kernels.
        if name in needed or name == "p4c_pie.h" or ("pie" in name and not pie):
            continue
        needed[name] = built.sources[f"kernels/{name}"]
        wanted += included(needed[name].decode())
    needed = dict(sorted(needed.items()))
    if pie:
        needed["p4c_pie.h"] = filled("pie.h", {}).encode()
        needed |= {f"p4c_pie_{rev}.h": header_text(rev).encode() for rev in ("v1", "v3")}
    return needed


def included(text: str) -> Iterator[str]:
    """The names of our own headers that a C text includes."""
    yield from re.findall(r'^#include "(\w+\.h)"', text, re.MULTILINE)

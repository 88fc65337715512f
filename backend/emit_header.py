"""Plan to the model's C header: the API of people who put the model into their own firmware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..compiler.ir import Array
from ..compiler.plan import Border, Plan
from .emit import io_names
from .naming import C_TYPES, comment, describe, macro, prefix
from .writer import CWriter


@dataclass(frozen=True)
class PixelTable:
    """The exact int8 input for each channel and pixel value: `table` is int8 [channels, 256]."""

    table: Array
    mean: Sequence[float]
    std: Sequence[float]


def emit_header(
    plan: Plan, model: str, *, stack_bound: int | None, pixels: PixelTable | None, loads: bool = False
) -> str:
    """The text of p4c_<model>.h; `stack_bound` in bytes is known once the code has been linked.

    With `loads`, a component's load and unload are declared too.
    """
    out = CWriter()
    guard = macro(model, "H")
    out.line(f"/* {comment(plan.graph.name)}, compiled by p4c. Give {prefix(model)}_run an arena and the weights. */")
    out.line(f"#ifndef {guard}")
    out.line(f"#define {guard}")
    out.line()
    out.line("#include <stdint.h>")
    out.line()
    sizes = {"STEPS": len(plan.steps), "ARENA_BYTES": plan.arena_bytes}
    sizes |= {f"{weights.name.upper()}_BYTES": len(weights.data) for weights in plan.weights}
    if stack_bound is not None:
        sizes["STACK_BYTES"] = stack_bound
    for name, value in sizes.items():
        out.line(f"#define {macro(model, name)} {value}")
    out.line(f"#define {macro(model, 'ARENA_LOWER_BOUND')} {plan.arena_lower_bound} /* most bytes live at once */")
    out.line(f"#define {macro(model, 'ALIGNMENT')} 16 /* of the arena and of the weights */")
    names = io_names(plan)
    for border in (*plan.inputs, *plan.outputs):
        _emit_border(out, model, border, names[border.value].upper())
    if pixels is not None:
        _emit_pixels(out, model, pixels)
    _emit_api(out, plan, model, names, loads=loads)
    out.line()
    out.line(f"#endif /* {guard} */")
    return out.text()


def _emit_border(out: CWriter, model: str, border: Border, name: str) -> None:
    """Sizes, scale, exponent and zero point of one input or output."""
    out.line()
    out.line(f'/* "{comment(border.name)}": {describe(border.type)}, ONNX axis order. */')
    out.line(f"#define {macro(model, name)}_ELEMENTS {border.type.elements}")
    out.line(f"#define {macro(model, name)}_BYTES {border.type.bytes}")
    params = border.type.params
    if params is None:
        return
    if params.axis is None:
        out.line(f"#define {macro(model, name)}_SCALE {c_float(params.scale[0])}")
        if params.exponent is not None:
            out.line(f"#define {macro(model, name)}_EXPONENT {params.exponent} /* scale = 2^-exponent */")
        out.line(f"#define {macro(model, name)}_ZERO_POINT {params.zero_point[0]}")
    else:
        scales = ", ".join(c_float(scale) for scale in params.scale)
        out.line(f"#define {macro(model, name)}_SCALES {{{scales}}} /* along axis {params.axis} */")
    if border.bias is not None:
        biases = ", ".join(c_float(float(bias)) for bias in border.bias)
        out.line(f"/* real = (float)stored * scale + bias[index of axis {border.bias_axis}] */")
        out.line(f"#define {macro(model, name)}_BIAS {{{biases}}}")


def c_float(value: float) -> str:
    """An exact C float literal."""
    return f"{value.hex()}f"


def _emit_pixels(out: CWriter, model: str, pixels: PixelTable) -> None:
    mean, std = (", ".join(str(value) for value in values) for values in (pixels.mean, pixels.std))
    formula = f"quantize((pixel / 255 - mean) / std), mean {mean}, std {std}" if mean else "quantize(pixel)"
    out.line()
    out.line(f"/* The stored input for a pixel 0..255: {formula}. */")
    out.line(f"#define {macro(model, 'PIXEL_CHANNELS')} {len(pixels.table)}")
    out.line(f"static const int8_t {prefix(model)}_from_pixel[{len(pixels.table)}][256] __attribute__((unused)) = {{")
    with out.indent():
        for row in pixels.table:
            out.line("{")
            with out.indent():
                for start in range(0, 256, 16):
                    out.line(" ".join(f"{value}," for value in row[start : start + 16].tolist()))
            out.line("},")
    out.line("};")


def _emit_api(out: CWriter, plan: Plan, model: str, names: dict[str, str], *, loads: bool) -> None:
    for line in ("", "#ifdef __cplusplus", 'extern "C" {', "#endif", ""):
        out.line(line)
    out.line(
        "/* Buffers of one call. Nothing is kept between calls: calls with different records may overlap in time. */"
    )
    out.line(f"struct {prefix(model)}_io {{")
    with out.indent():
        for value, border in {border.value: border for border in plan.inputs}.items():
            out.line(f"const {C_TYPES[border.type.dtype]} *{names[value]}; /* {describe(border.type)} */")
        for value, border in {border.value: border for border in plan.outputs}.items():
            out.line(f"{C_TYPES[border.type.dtype]} *{names[value]}; /* {describe(border.type)} */")
        out.line(f"void *arena; /* {macro(model, 'ARENA_BYTES')}, aligned */")
        for weights in plan.weights:
            size = macro(model, f"{weights.name.upper()}_BYTES")
            out.line(f"const void *{weights.name}; /* {size} of {weights.name}.bin, aligned; for {weights.region} */")
    out.line("};")
    out.line()
    out.line("/* Run the model; returns 0. All pointers must be valid and aligned to 16 bytes. */")
    out.line(f"int {prefix(model)}_run(const struct {prefix(model)}_io *io);")
    out.line()
    out.line("/* Run only the first `steps` layers, so that each intermediate tensor can be looked at. */")
    out.line(f"int {prefix(model)}_run_steps(const struct {prefix(model)}_io *io, uint32_t steps);")
    if loads:
        _emit_loads(out, model)
    for line in ("", "#ifdef __cplusplus", "}", "#endif"):
        out.line(line)


def _emit_loads(out: CWriter, model: str) -> None:
    """The functions of backend/component/load.c.in."""
    io = f"struct {prefix(model)}_io *io"
    out.line()
    out.line(
        "/* Allocate the arena and place the weights, as the component's Kconfig says, and set these members of `io`."
    )
    out.line(" * Returns 0, or -1 where memory does not suffice; nothing is kept then. */")
    out.line(f"int {prefix(model)}_load({io});")
    out.line()
    out.line("/* Give back what load allocated, and set those members to NULL. */")
    out.line(f"void {prefix(model)}_unload({io});")

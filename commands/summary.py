"""`p4c summary`: the network as people know it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import input_dim_argument, sizes_of

if TYPE_CHECKING:
    from ..frontend.summary import Layer, Quantization, Shape, Summary, Tensor

HELP = "list layers, shapes, scales, parameters and MACs, also of what does not compile"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("model", type=Path, help="an .onnx file")
    input_dim_argument(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """`p4c summary`."""
    from ..frontend.summary import summarize

    summary = summarize(options.model, sizes_of(options))
    if options.json:
        print(json.dumps(summary_json(summary, options.model), indent=1))
    else:
        print_summary(summary, options.model)
    return 0


def print_summary(summary: Summary, file: Path) -> None:
    """A line for each input and layer, and the totals."""
    from ..runtime.render import Name, console, plain_table

    titles = ("layer", "operator", "input", "output", "weight scale", "scale", ">params", ">MACs")
    rows: list[list[str | Name]] = [
        [Name(tensor.name), "input", "", shape_text(tensor.shape), "", scale_text(tensor.quantization), "", ""]
        for tensor in summary.inputs
    ]
    rows += [[Name(layer.name), *_cells(layer)] for layer in summary.layers]
    out = console()
    out.print(plain_table(titles, rows))
    macs = f"{summary.macs:,} MACs"
    if summary.unknown_macs:
        macs += f" and those of {summary.unknown_macs} layers whose shapes are not known (--input-dim gives sizes)"
    out.print(f"\n{file}: opset {summary.opset}", markup=False)
    out.print(f"{len(summary.layers)} layers, {summary.parameters:,} parameters, {macs}", markup=False)
    out.print(_quantizers_text(summary), markup=False)
    unknown = sorted({layer.op for layer in summary.layers if not layer.supported})
    if unknown:
        out.print(f"operators marked * are not supported: {', '.join(unknown)}", markup=False)


def _cells(layer: Layer) -> list[str]:
    weights = "" if layer.weights is None else scale_text(layer.weights.quantization) or "float"
    inputs = " ".join(dict.fromkeys(shape_text(tensor.shape) for tensor in layer.inputs))
    numbers = (f"{layer.parameters:,}" if layer.parameters else "", _macs_text(layer.macs))
    operator = layer.op if layer.supported else f"{layer.op} *"
    output = layer.output
    return [operator, inputs, shape_text(output.shape), weights, scale_text(output.quantization), *numbers]


def _macs_text(macs: int | None) -> str:
    return "?" if macs is None else f"{macs:,}" if macs else ""


def _quantizers_text(summary: Summary) -> str:
    """What the scales of the whole model are."""
    found = [layer.output.quantization for layer in summary.layers]
    found += [tensor.quantization for tensor in summary.inputs]
    found += [layer.weights.quantization for layer in summary.layers if layer.weights is not None]
    quantizations = [one for one in found if one is not None]
    if not quantizations:
        return "no quantizers: a float model"
    others = sum(one.exponents is None for one in quantizations)
    zeros = sum(any(one.zero_points) for one in quantizations)
    texts = [f"{others} of them no powers of two" if others else "all of them powers of two"]
    texts += [f"{zeros} with zero points"] if zeros else []
    return f"{len(quantizations)} quantized tensors, {', '.join(texts)}; `p4c check` says what compiles"


def shape_text(shape: Shape | None) -> str:
    """`16x28x28`: the sizes without a batch of 1; `?` for what is not known."""
    if shape is None:
        return "?"
    sizes = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return "x".join("?" if size is None else str(size) for size in sizes) or "scalar"


def scale_text(quantization: Quantization | None) -> str:
    """`2^-5`, `0.0365 zp -128`, `16: 2^-9..2^-6`; the type in front where it is not int8."""
    if quantization is None:
        return ""
    scales, exponents = quantization.scales, quantization.exponents
    if not scales:
        text = "at run time"
    elif exponents is not None:
        ends = [f"2^{-e}" for e in (max(exponents), min(exponents))]
        text = "..".join(dict.fromkeys(ends))
    else:
        text = "..".join(dict.fromkeys(f"{scale:.2g}" for scale in (min(scales), max(scales))))
    zeros = sorted(set(quantization.zero_points) - {0})
    text += f" zp {zeros[0]}{'..' if len(zeros) > 1 else ''}" if zeros else ""
    text = f"{len(scales)}: {text}" if len(scales) > 1 else text
    return text if quantization.dtype == "int8" else f"{quantization.dtype} {text}"


def summary_json(summary: Summary, file: Path) -> dict[str, Any]:
    """The summary for programs."""
    layers = [
        {
            "name": layer.name,
            "op": layer.op,
            "inputs": [_tensor_json(tensor) for tensor in layer.inputs],
            "output": _tensor_json(layer.output),
            "weights": None if layer.weights is None else _tensor_json(layer.weights),
            "parameters": layer.parameters,
            "macs": layer.macs,
            "supported": layer.supported,
        }
        for layer in summary.layers
    ]
    return {
        "schema": "p4c.summary/1",
        "file": str(file),
        "opset": summary.opset,
        "quantized": summary.quantized,
        "inputs": [_tensor_json(tensor) for tensor in summary.inputs],
        "outputs": [_tensor_json(tensor) for tensor in summary.outputs],
        "layers": layers,
        "parameters": summary.parameters,
        "macs": summary.macs,
    }


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    quantization = None
    if tensor.quantization is not None:
        quantization = {**vars(tensor.quantization), "exponents": tensor.quantization.exponents}
    return {"name": tensor.name, "shape": tensor.shape, "quantization": quantization}

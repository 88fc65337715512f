"""Elementwise subgraphs between quantizers -> table; elementwise operators anywhere else are refused."""

from __future__ import annotations

from ...compiler import numerics
from ...compiler.ir import Array, Constant, TensorType
from ...compiler.ops.table import BYTE_DTYPES
from ..context import Context, ImporterError
from ..onnx_model import OnnxNode
from ..patterns.tables import ELEMENTWISE
from ..quantizer import quantizer_of
from ..tables import table_of
from .definition import Importer

ACCEPTS = "one 8-bit quantized tensor, constant numbers or vectors along one axis, and a quantizer behind"


def import_table(ctx: Context, node: OnnxNode) -> None:
    """The function's value for each code of its input, as onnxruntime computes it."""
    quantizer = quantizer_of(node)
    x = ctx.activation(node, 0)
    type_ = ctx.graph.type_of(x)
    if type_.dtype not in BYTE_DTYPES or type_.params is None or type_.params.axis is not None:
        # The missing quantizer has been noted.
        raise ImporterError
    if quantizer.params.axis is not None:
        ctx.fail(node, "quantizes its result per channel, expected one scale", "Quantize per tensor.", node.output)
    nodes: tuple[OnnxNode, ...] = node.attrs["nodes"]
    constants = _constants(ctx, node)
    axis: int | None = node.attrs["axis"]
    try:
        array = table_of(nodes, node.input(0), type_, constants, quantizer, ctx.model.opset, axis)
    except Exception as error:  # onnxruntime's exceptions have no common class but this
        what = f"onnxruntime cannot evaluate it: {str(error).splitlines()[0]}"
        ctx.fail(node, what, "Check the model with onnx.checker.", nodes[-1].output)
    table = ctx.add_constant(f"{node.output}.table", Constant(TensorType(quantizer.dtype, array.shape), array))
    attrs = {} if axis is None else {"axis": axis}
    ctx.emit(node, "table", [x, table], dtype=quantizer.dtype, params=quantizer.params, **attrs)


def _constants(ctx: Context, node: OnnxNode) -> dict[str, Array]:
    """The constants by name, in the dtype that the model gives them."""
    arrays = {}
    for name in node.inputs[1:]:
        plain, constant = ctx.model.constant(name), ctx.constant(name)
        if constant is None:
            # The constant's own problem has been noted.
            raise ImporterError
        arrays[name] = plain if plain is not None else numerics.dequantize(constant.array, constant.type)
    return arrays


def refuse(ctx: Context, node: OnnxNode) -> None:
    """An elementwise operator that belongs to no table."""
    what = f"the operator {node.key} is computed by a table, which takes {ACCEPTS}"
    advice = "Quantize the one tensor that goes into it, and what comes out of it, to 8 bits."
    ctx.fail(node, what, advice, node.output)


TABLE = Importer("p4c.Table", import_table, ACCEPTS, ("table",))
# Outside of a table, a Round mostly is part of a fake quantizer that was not recognized, and a BatchNormalization has
# not been folded; there are hints for both.
HINTED = {"Round", "BatchNormalization"}
REFUSED = tuple(Importer(op, refuse, ACCEPTS, ("table",)) for op in sorted(ELEMENTWISE - HINTED))

"""A model as people know it, read off its ONNX side: layers with shapes, scales, parameters and MACs.

Works on any valid model, also on one that does not compile: scales of every sort, float models, unknown operators.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..compiler.errors import ModelError, Problem
from ..compiler.ir import QuantParams
from .forms import write_out
from .importers import IMPORTERS
from .load import load_model, name_nodes
from .onnx_model import MARKERS, OnnxModel, OnnxNode, element_name
from .patterns import recognize_quantizers
from .quantizer import quantizer_of
from .shapes import fix_dimensions, infer_shapes

# Operators whose multiply-accumulates are counted, and which operand their weights are.
WEIGHTS: Mapping[str, int] = {
    **{"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "ConvInteger": 1, "MatMulInteger": 1},
    **{"QLinearConv": 3, "QLinearMatMul": 3, "com.microsoft.QGemm": 3},
}
# Passed on the way from an operand back to the constant that the file stores.
MOVES = frozenset({"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast"})
# The stored types of the markers, as ONNX calls them.
STORED = {"i8": "int8", "u8": "uint8", "i32": "int32"}

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Quantization:
    """How a tensor is stored: ONNX dtype, scales and zero points (one, or one for each index of `axis`).

    No scales where they are computed at run time; `block` is the block size of blocked quantization, else 0.
    """

    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int | None = None
    block: int = 0

    @property
    def exponents(self) -> tuple[int, ...] | None:
        """e of each scale 2^-e; None when a scale is no power of two or not known."""
        return QuantParams(self.scales).exponents if self.scales and all(s > 0 for s in self.scales) else None


@dataclass(frozen=True)
class Tensor:
    """A tensor's name, its shape (None for what is not known), and its quantization, None for plain reals."""

    name: str
    shape: Shape | None
    quantization: Quantization | None = None


@dataclass(frozen=True)
class Layer:
    """One operator: `inputs` are the tensors that depend on the model's inputs, `weights` the constant of its MACs.

    `parameters` counts the constants it takes, those that an earlier layer has taken too left out; `macs` is None
    where a shape is not known. `supported` says that p4c knows the operator, not that it takes this form of it.
    """

    name: str
    op: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    weights: Tensor | None
    parameters: int
    macs: int | None
    supported: bool


@dataclass(frozen=True)
class Summary:
    """A whole model; `quantized` tells whether any quantizer was recognized."""

    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    quantized: bool

    @property
    def parameters(self) -> int:
        """All constants of layers, each counted once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run, as far as shapes are known; taps on padding are counted."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def unknown_macs(self) -> int:
        """How many layers have MACs that cannot be counted."""
        return sum(layer.macs is None for layer in self.layers)


def summarize(source: Path, input_dims: Mapping[str, int]) -> Summary:
    """The summary of an ONNX file, batch 1 where that is open; ModelError for what is no valid model."""
    proto = load_model(source)
    name_nodes(proto)
    problems: list[Problem] = []
    fix_dimensions(proto, input_dims, problems)
    wrong = [problem for problem in problems if problem.what.startswith("--input-dim")]
    if wrong:
        raise ModelError(wrong, file=str(source))
    # Operators on stored integers, and QONNX's quantizers, are shown as the reals that they stand for.
    _, qdq = write_out(infer_shapes(proto), problems)
    return _Reader(OnnxModel(infer_shapes(qdq))).summary()


class _Reader:
    """Reads one model; what the problems of its quantizers are is told by `p4c check`."""

    def __init__(self, model: OnnxModel) -> None:
        self.written = {node.output: node for node in model.nodes}
        recognize_quantizers(model, [])
        self.model = model
        self.counted: set[str] = set()

    def summary(self) -> Summary:
        """All of it."""
        model = self.model
        layers = tuple(self.layer(node) for node in model.live_nodes() if self.is_layer(node))
        inputs, outputs = (tuple(map(self.result, names)) for names in (model.inputs, model.outputs))
        return Summary(model.opset, inputs, outputs, layers, model.quantized)

    def is_layer(self, node: OnnxNode) -> bool:
        """False for quantizers, names, and what only prepares constants."""
        return node.domain != MARKERS and node.op != "Identity" and self.stored(node.output) is None

    def stored(self, tensor: str) -> str | None:
        """The constant that a tensor is made of by quantizers and moves alone; None when it is none."""
        while self.model.constant(tensor) is None:
            node = self.model.producer(tensor)
            if node is None or not node.inputs or (node.domain != MARKERS and node.op not in MOVES):
                return None
            tensor = node.input(0)
        return tensor

    def layer(self, node: OnnxNode) -> Layer:
        """One row."""
        index = WEIGHTS.get(node.key)
        weights = None
        if index is not None:
            constant = [at for at in (index, 0) if node.input(at) and self.stored(node.input(at)) is not None]
            weights = self.tensor(node.input(constant[0])) if constant else None
        inputs = tuple(self.tensor(name) for name in node.inputs if name and self.stored(name) is None)
        output = self.result(node.output)
        macs = self.macs(node, index) if index is not None else 0
        supported = node.key in IMPORTERS
        return Layer(node.name, node.key, inputs, output, weights, self.parameters(node), macs, supported)

    def tensor(self, name: str) -> Tensor:
        """A tensor as a layer takes it: with the quantizer that made it, if one did."""
        node, inner = self.model.producer(name), name
        while node is not None and node.domain != MARKERS and node.op in MOVES and node.inputs:
            inner = node.input(0)
            node = self.model.producer(inner)
        quantization = self.quantization(node) if node is not None and node.domain == MARKERS else None
        constant = self.stored(name)
        return Tensor(constant or self.real_name(name), self.shape(name), quantization)

    def real_name(self, name: str) -> str:
        """The tensor in front of a quantizer, which is what people call it."""
        node = self.model.producer(name)
        return node.input(0) if node is not None and node.domain == MARKERS else name

    def result(self, name: str) -> Tensor:
        """A tensor that a layer gives, with the quantizer behind it, or the one that makes it."""
        own = self.tensor(name)
        behind = [node for node in self.model.users(name) if node.domain == MARKERS]
        quantization = own.quantization or (self.quantization(behind[0]) if behind else None)
        return Tensor(name, own.shape, quantization)

    def quantization(self, marker: OnnxNode) -> Quantization | None:
        """What a marker says; of one that is not supported, what its own node says as far as that is constant."""
        if marker.op != "Poison":
            quantizer = quantizer_of(marker)
            params = quantizer.params
            return Quantization(STORED[quantizer.dtype], params.scale, params.zero_point, params.axis)
        node = self.written.get(marker.output)
        return self.as_written(node) if node is not None and node.key.lower().endswith("quantizelinear") else None

    def as_written(self, node: OnnxNode) -> Quantization:
        """Scale, zero point and type of a DequantizeLinear that p4c does not take."""
        scale, zero, stored = (self.model.constant(name) if name else None for name in _three(node))
        info = self.model.types.get(node.input(0))
        dtype = element_name(info.element) if info else "undefined"
        dtype = str(zero.dtype) if zero is not None else str(stored.dtype) if stored is not None else dtype
        if scale is None:
            return Quantization(dtype)
        zeros = () if zero is None or zero.dtype.kind not in "iu" else tuple(int(value) for value in zero.ravel())
        axis = int(node.attrs.get("axis", 1)) if scale.size > 1 else None
        block = int(node.attrs.get("block_size", 0))
        return Quantization(dtype, tuple(map(float, scale.ravel())), zeros, axis, block)

    def parameters(self, node: OnnxNode) -> int:
        """Elements of the constants that a layer computes with; shapes, axes and single bounds are none."""
        count = 0
        for name in filter(None, node.inputs):
            constant = self.stored(name)
            if constant is None or constant in self.counted:
                continue
            array = self.model.constant(constant)
            assert array is not None
            plain_integers = array.dtype.kind not in "fV" and constant == name and node.key not in WEIGHTS
            if array.ndim and not plain_integers:
                self.counted.add(constant)
                count += array.size
        return count

    def shape(self, name: str) -> Shape | None:
        """The shape of a tensor as inference knows it; of a constant, its own."""
        constant = self.model.constant(name)
        if constant is not None:
            return tuple(constant.shape)
        info = self.model.types.get(name)
        if info is not None and info.shape is not None:
            return info.shape
        node = self.model.producer(name)
        return self.shape(node.input(0)) if node is not None and node.domain == MARKERS and node.inputs else None

    def macs(self, node: OnnxNode, index: int) -> int | None:
        """Nominal multiply-accumulates: the result's elements times the products of each."""
        first, weights = self.shape(node.input(0)), self.shape(node.input(index))
        out = self.shape(node.output)
        if not weights or not first or out is None:
            return None
        if node.op == "ConvTranspose":
            # Each element of the input meets the weights of its channel.
            sizes: Iterator[int | None] = iter((*first, *weights[1:]))
        elif "Conv" in node.op:
            sizes = iter((*out, *weights[1:]))
        else:
            sizes = iter((*out, first[-1] if not node.attrs.get("transA", 0) else first[0]))
        known = list(sizes)
        return None if None in known else math.prod(size for size in known if size is not None)


def _three(node: OnnxNode) -> tuple[str, str, str]:
    """Scale, zero point and integers of a DequantizeLinear."""
    return node.input(1), node.input(2), node.input(0)

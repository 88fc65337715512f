"""Small ONNX models for the frontend's tests, and what they are compared by."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from p4c.compiler.errors import ModelError
from p4c.compiler.interpreter import run_graph
from p4c.compiler.ir import Graph
from p4c.compiler.verifier import verify
from p4c.frontend.reader import Imported, ImportOptions, import_model

MODELS = Path(__file__).parent.parent.parent / "shared" / "models"

# The ways to write a quantizer that ends in Div, Mul or DequantizeLinear.
FORMS = ("qdq", "qcdq", "clip", "pow", "reciprocal", "clip_first", "minmax", "identity")


def shared_model(*path: str) -> Path:
    """A file of the models folder beside the repository; the test is skipped where there is none."""
    file = MODELS.joinpath(*path)
    if not file.exists():
        pytest.skip(f"no {file.name}: the models folder is not beside the repository")
    return file


class ModelBuilder:
    """Nodes and initializers of one graph, added one by one; every method returns the tensor it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, array: object, dtype: type[np.generic] = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(array, dtype), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str = "", domain: str = "", **attrs: object) -> str:
        output = output or f"t{len(self.nodes)}"
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, domain=domain, **attrs))
        return output

    def quantizer(self, x: str, exponent: int, form: str = "qdq", low: int = -128, high: int = 127) -> str:
        """A fake quantizer with scale 2^-exponent written in one of FORMS; qdq takes the full int8 range only."""
        if form == "qdq":
            return self.qdq(x, 2.0**-exponent)
        if form == "qcdq":
            return self.qcdq(x, 2.0**-exponent, low, high)
        if form == "pow":
            base = self.node("Cast", [self.constant(2, np.int64)], to=TensorProto.FLOAT)
            power = self.node("Cast", [self.constant(exponent, np.int64)], to=TensorProto.FLOAT)
            scale = self.node("Pow", [base, power])
        else:
            scale = self.constant(2.0**exponent)
        if form == "identity":
            scale = self.node("Identity", [self.node("Identity", [scale])])
        scaled = self.node("Mul", [scale, x] if form == "minmax" else [x, scale])
        if form == "clip_first":
            clamped = self.node("Round", [self.clip(scaled, low, high)])
        elif form == "minmax":
            clamped = self.minmax(self.node("Round", [scaled]), low, high)
        else:
            clamped = self.clip(self.node("Round", [scaled]), low, high)
        if form == "reciprocal":
            return self.node("Mul", [clamped, self.constant(2.0**-exponent)])
        return self.node("Div", [clamped, scale])

    def qdq(self, x: str, scale: object, zero: object = 0, dtype: type[np.generic] = np.int8, **attrs: object) -> str:
        """QuantizeLinear and DequantizeLinear."""
        params = [self.constant(scale), self.constant(zero, dtype)]
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, *params], **attrs), *params], **attrs)

    def qcdq(self, x: str, scale: object, low: int, high: int) -> str:
        """QuantizeLinear, a Clip of the integers, and DequantizeLinear; what exceeds int8 is uint8."""
        dtype = np.uint8 if high > 127 else np.int8
        params = [self.constant(scale), self.constant(0, dtype)]
        bounds = [self.constant(low, dtype), self.constant(high, dtype)]
        clipped = self.node("Clip", [self.node("QuantizeLinear", [x, *params]), *bounds])
        return self.node("DequantizeLinear", [clipped, *params])

    def dq(self, integers: object, scale: object, dtype: type[np.generic] = np.int8, **attrs: object) -> str:
        """DequantizeLinear on stored integers."""
        params = [self.constant(scale), self.constant(np.zeros_like(scale), dtype)]
        return self.node("DequantizeLinear", [self.constant(integers, dtype), *params], **attrs)

    def clip(self, x: str, low: float, high: float) -> str:
        return self.node("Clip", [x, self.constant(low), self.constant(high)])

    def minmax(self, x: str, low: float, high: float) -> str:
        bound = self.node("CastLike", [self.constant(low, np.int64), x])
        above = self.node("Max", [x, bound])
        return self.node("Min", [above, self.node("CastLike", [self.constant(high, np.int64), x])])

    def model(
        self,
        output: str | Sequence[str],
        shape: Sequence[int | str | None] = (1, 4),
        *,
        opset: int = 18,
        dtype: int = TensorProto.FLOAT,
        inputs: Mapping[str, Sequence[int]] | None = None,
    ) -> onnx.ModelProto:
        """The model with the one input `x`, or with `inputs` of those shapes; `output` names the outputs."""
        outputs = [output] if isinstance(output, str) else output
        declared = [(name, dtype, sizes) for name, sizes in (inputs or {"x": shape}).items()]
        unknown = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info(*item) for item in declared],
            [helper.make_value_info(name, unknown) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", opset)]
        opsets += [helper.make_opsetid(node.domain, 1) for node in self.nodes if node.domain]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def imported(model: onnx.ModelProto, **options: Mapping[str, int]) -> Imported:
    """Import a model that must be good, and verify its graph."""
    result = import_model(model.SerializeToString(), ImportOptions(**options))
    verify(result.graph, "import")
    return result


def problems(model: onnx.ModelProto | bytes, **options: Mapping[str, int]) -> list[str]:
    """The texts of all problems of a bad model."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(ModelError) as error:
        import_model(data, ImportOptions(**options))
    assert all(problem.what and problem.advice for problem in error.value.problems)
    return [str(problem) for problem in error.value.problems]


def one_problem(source: onnx.ModelProto | bytes, **options: Mapping[str, int]) -> str:
    """The text of the only problem of a bad model."""
    (text,) = problems(source, **options)
    return text


def run_onnx(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    """The outputs of onnxruntime with its optimizer off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def assert_identical(model: onnx.ModelProto, seed: int = 0, **options: Mapping[str, int]) -> Imported:
    """The interpreter on the imported graph gives what onnxruntime gives, bit for bit; returns the import."""
    result = imported(model, **options)
    (name, type_), *_ = result.graph.inputs.items()
    random = np.random.default_rng(seed)
    for spread in (0.5, 4.0):
        if type_.dtype == "f32":
            x = random.normal(scale=spread, size=type_.shape).astype(np.float32)
        else:
            x = random.integers(0, 127, type_.shape).astype(type_.numpy)
        ours = run_graph(result.graph, {name: x})
        for expected, output in zip(run_onnx(result.model, x), result.graph.outputs, strict=True):
            np.testing.assert_array_equal(ours[output], expected)
    return result


def structure(graph: Graph, *, biases: bool = True) -> tuple[object, ...]:
    """All of a graph but its names; without the third operands of layers when `biases` is false."""
    numbers = {name: index for index, name in enumerate([*graph.inputs, *graph.nodes])}

    def operand(position: int, name: str) -> object:
        if name in numbers:
            return numbers[name]
        if position == 2 and not biases:
            return "bias"
        constant = graph.constants[name]
        return constant.type, constant.array.tobytes()

    nodes = [
        (node.op, tuple(operand(i, name) for i, name in enumerate(node.operands)), node.type, dict(node.attrs))
        for node in graph
    ]
    return list(graph.inputs.values()), nodes, [numbers[name] for name in graph.outputs]

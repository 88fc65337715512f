"""Bad input on the command line: a sentence of fact, one of advice, status 2, no traceback, nothing half-written."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from p4c.cli import main

from .models import OnnxNet, rows, small_net


def errors(capsys, *command, status=2):
    """The lines that a failing command prints: facts without `p4c: error: ` and their advice."""
    assert main(list(command)) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert "bug of p4c" not in err
    # `check` wraps lines.
    lines = [line for line in err.replace("\n    ", " ").splitlines() if not line.endswith(" problems")]
    facts = [line.removeprefix("p4c: error: ") for line in lines if line.startswith("p4c: error: ")]
    advice = [line for line in lines if line.startswith("  help: ")]
    assert len(facts) == len(advice) >= 1, err
    assert all(len(line) > 20 for line in advice)
    assert out == "" or "--json" in command
    return facts


def error(capsys, *command, status=2):
    [fact] = errors(capsys, *command, status=status)
    return fact


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_files_that_are_no_model(folder, capsys):
    whole = (folder / "small.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[:-100])
    (folder / "text.onnx").write_text("hello, this is no model")
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "zip.onnx").write_bytes(b"PK\x03\x04" + b"\0" * 30)
    (folder / "cut.p4ir").write_text("p4ir 1 after import\ngraph x\n%y = relu(")
    (folder / "other.p4ir").write_text("hello")
    before = snapshot(folder)
    texts = {
        "cut.onnx": "cut.onnx: the file is truncated: it ends after",
        "text.onnx": "text.onnx: the file is not an ONNX model",
        "empty.onnx": "empty.onnx: the file is empty (0 bytes), expected an ONNX model",
        "zip.onnx": "zip.onnx: the file is not ONNX but a zip archive",
        "none.onnx": 'none.onnx: there is no file "none.onnx"',
        ".": '.: "." is a folder, expected an ONNX file',
        "cut.p4ir": "cut.p4ir: line 3",
        "other.p4ir": "other.p4ir: line 1, column 1: found",
        "none.p4ir": "none.p4ir: cannot read none.p4ir: No such file",
    }
    for name, text in texts.items():
        for command in ([name], ["check", name], ["run", name, "--input", "data.npz"]):
            assert error(capsys, *command).startswith(text)
    assert snapshot(folder) == before


def test_dump_after_no_pass(folder, capsys):
    (folder / "x.p4ir").write_text("p4ir 1 after lunch\ngraph x\n\ninput %x : i8[1,3] q(e=4)\n\noutput %x\n")
    assert error(capsys, "x.p4ir") == "x.p4ir: the graph stands after 'lunch', which is no pass"


def test_dump_of_a_pass_that_is_behind(folder, capsys):
    main(["small.onnx", "--dump-ir=fold-flatten"])
    capsys.readouterr()
    [dump] = (folder / "small.p4c" / "ir").glob("*.p4ir")
    text = "the graph stands after fold-flatten already, so there is nothing to dump after import"
    assert error(capsys, str(dump), "--dump-ir=import") == text


def test_dump_that_breaks_a_rule(folder, capsys):
    text = (
        "p4ir 1 after import\ngraph x\n\ninput %x : i8[1,3] q(e=4)\n\n%y = relu(%x) : i8[1,4] q(e=4)\n\noutput %y\n"
    )
    (folder / "x.p4ir").write_text(text)
    assert main(["x.p4ir"]) == 2
    err = capsys.readouterr().err
    assert "x.p4ir: the graph after import breaks a rule of the IR" in err
    assert "  // ^ error: the result has shape [1,4], expected [1,3]" in err


def faulty_net():
    """An unsupported operator, a missing quantizer, weights off the grid, a zero point, a move without kernel."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 2, 6, 6)), 4)
    net.output(net.node("Hardmax", [net.conv(x, 2, 3)]), "hard")
    net.output(net.conv(net.conv(x, 2, 3), 3, 2), "bare")
    off = net.constant(np.linspace(-1, 1, 3 * 2).reshape(3, 2, 1, 1).astype(np.float32), "off.weight")
    net.output(net.quantize(net.node("Conv", [x, off]), 3), "off")
    zero = net.quantize(net.input((1, 2, 6, 6), "z"), 2, zero=3)
    net.output(net.quantize(net.conv(zero, 2, 4), 2), "zero")
    six = net.node("Reshape", [x, net.constant(np.array([1, 2, 3, 2, 3, 2]))])
    net.output(net.node("Pad", [six, net.constant(np.array([0, 1, 1, 1, 1, 1] * 2))]), "six")
    return net


def test_all_problems_of_all_stages_in_one_run(folder, capsys):
    """The frontend's first, then those of passes and lowering in what the frontend took; no follow-ups."""
    faulty_net().save("faulty.onnx")
    facts = errors(capsys, "check", "faulty.onnx")
    places = [fact.removeprefix("faulty.onnx: ").split(":")[0] for fact in facts]
    assert places == [
        'node "Conv_3" (Conv), tensor "off.weight"',
        'node "Hardmax_0" (Hardmax), tensor "Hardmax_0_out"',
        'node "Conv_2" (Conv), tensor "Conv_1_out"',
        'node "Conv_4" (conv2d), tensor "DequantizeLinear_5_out"',
        'node "Pad_0" (pad), tensor "Pad_0_out"',
    ], facts
    for fact, text in zip(
        facts, ("on no grid", "not supported", "no quantizer", "zero point 3", "are at most 4"), strict=True
    ):
        assert text in fact
    assert errors(capsys, "faulty.onnx") == facts
    # --json holds the same, and says so in the schema of the command that was asked.
    assert main(["check", "faulty.onnx", "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert (result["schema"], result["file"]) == ("p4c.check/1", "faulty.onnx")
    assert [problem["node"] for problem in result["problems"]] == [
        "Conv_3",
        "Hardmax_0",
        "Conv_2",
        "Conv_4",
        "Pad_0",
    ]
    assert all(set(p) == {"what", "advice", "node", "op", "tensor", "warning"} for p in result["problems"])
    assert main(["faulty.onnx", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["schema"] == "p4c.error/1"
    assert not (folder / "faulty.p4c").exists()


def test_check_shows_warnings_beside_errors_and_groups_what_is_alike(folder, capsys):
    """A folded weight is a warning; three quantizers off the powers of two are one entry that counts them."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 2, 6, 6)), 4)
    folded = net.constant((np.arange(-9, 9).reshape(1, 2, 3, 3) / 64).astype(np.float32), "folded.weight")
    net.output(net.quantize(net.node("Conv", [x, folded]), 3), "folded")
    for number in range(3):
        scale = [net.constant(np.float32(0.3 + number)), net.constant(np.int8(0))]
        y = net.node("DequantizeLinear", [net.node("QuantizeLinear", [net.conv(x, 2, 3), *scale]), *scale])
        net.output(y, f"y{number}")
    net.save("several.onnx")
    assert main(["check", "several.onnx"]) == 2
    err = capsys.readouterr().err
    assert all(len(line) <= 100 for line in err.splitlines())
    entries = err.replace("\n    ", " ").splitlines()
    assert [line.split(": ")[1] for line in entries if line.startswith("p4c: ")] == ["error", "warning"]
    assert entries[0].endswith("expected int8, a power of two and 0")
    assert entries[1] == "  also: the like, with other names or numbers, 2 times more: Conv_2, Conv_3"
    assert "no exponent" in entries[3]
    assert entries[-1] == "several.onnx: does not compile: 3 problems, 1 warning"
    # For programs every one of them.
    assert main(["check", "several.onnx", "--json"]) == 2
    listed = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["warning"] for problem in listed] == [False] * 3 + [True]
    assert main(["several.onnx"]) == 2
    assert capsys.readouterr().err.count("p4c: warning: ") == 1


def test_good_parts_of_a_faulty_model_bring_no_problem(folder, capsys):
    """Whatever hangs on a problem, what is said is the problem alone."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 2, 6, 6)), 4)
    y = net.node("Hardmax", [net.quantize(net.conv(x, 2, 3), 3)])
    y = net.quantize(net.node("Relu", [net.conv(net.node("Relu", [y]), 3, 3)]), 3)
    y = net.node("MaxPool", [y], kernel_shape=[2, 2])
    net.output(net.gemm(net.node("Flatten", [y]), 75, 2), "y")
    net.save("hardmax.onnx")
    assert "the operator Hardmax is not supported" in error(capsys, "check", "hardmax.onnx")


def test_opsets(folder, capsys):
    for opset, text in ((9, "the model has opset 9"), (99, "the model has opset 99")):
        model = small_net().model()
        model.opset_import[0].version = opset
        onnx.save(model, f"opset{opset}.onnx")
        assert text in error(capsys, f"opset{opset}.onnx")


def test_dynamic_shapes(folder, capsys):
    net = OnnxNet()
    x = net.quantize(net.input(("N", 2, "height", 6)), 4)
    net.output(net.quantize(net.conv(x, 2, 3), 3), "y")
    net.save("dynamic.onnx")
    fact = error(capsys, "dynamic.onnx")
    assert "height" in fact
    assert 'tensor "x"' in fact
    assert main(["check", "dynamic.onnx", "--input-dim", "height=5"]) == 0
    capsys.readouterr()
    assert "--input-dim depth" in error(capsys, "dynamic.onnx", "--input-dim", "height=5", "--input-dim", "depth=3")


# Options, and what is said of them.
OPTIONS = {
    ("--chip-rev", "v2"): "there is no chip revision 'v2'",
    ("--toolchain", "tcc"): "there is no toolchain 'tcc'",
    ("--dump-ir=lunch",): "there is no pass 'lunch'",
    ("--normalize", "0.5"): "--normalize '0.5' is not 2*C finite numbers with nonzero deviations",
    ("--input-exponent", "x=many"): "--input-exponent 'x=many' is not of the form [NAME=]INTEGER",
    ("--input-dim", "5"): "--input-dim '5' is not of the form NAME=INTEGER",
    ("--calibrate", "none.npz"): "none.npz cannot be read: No such file or directory",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options(folder, capsys, options):
    before = snapshot(folder)
    if options[0] == "--calibrate":
        net = OnnxNet()
        net.output(net.gemm(net.input((1, 3)), 3, 2))
        net.save("small.onnx")
        before = snapshot(folder)
    assert OPTIONS[options] in error(capsys, "small.onnx", *options)
    assert snapshot(folder) == before


@pytest.mark.parametrize("command", [["run", "small.onnx"], ["small.onnx", "--nonsense"], ["verify"], ["--json"]])
def test_usage(folder, capsys, command):
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert "usage: p4c" in capsys.readouterr().err


def test_data_that_does_not_fit(folder, capsys):
    np.save("wide.npy", rows(2, (1, 8, 9)))
    np.save("integers.npy", rows(2).astype(np.int32))
    np.save("pixels.npy", np.zeros((2, 8, 8), np.uint8))
    (folder / "garbage.npz").write_bytes(b"garbage")
    texts = {
        "wide.npy": "wide.npy: the array for input 'x' has shape [2, 1, 8, 9], expected [N, 1, 8, 8]",
        "integers.npy": "integers.npy: the array for input 'x' is int32, expected float32 or uint8",
        "pixels.npy": "pixels.npy: uint8 data for the float input 'x'",
        "garbage.npz": "garbage.npz is no whole .npy or .npz file of plain arrays",
        "many.npz": "many.npz has no array for the input 'x'; it holds 'a', 'b'",
    }
    for name, text in texts.items():
        assert error(capsys, "verify", "small.onnx", "--data", name).startswith(text)
        if name != "garbage.npz":
            continue
        assert error(capsys, "run", "small.onnx", "--input", name).startswith(text)
    assert "input 'x' is float32, expected int8" in error(capsys, "run", "small.onnx", "--input", "data.npz", "--raw")


def test_dump_has_nothing_to_be_verified_against(folder, capsys):
    main(["small.onnx", "--dump-ir=import"])
    capsys.readouterr()
    text = error(capsys, "verify", "small.p4c/ir/00-import.p4ir", "--data", "data.npz")
    assert "IR text has no ONNX model to compare with" in text


def test_integer_inputs_of_other_dtypes(folder, capsys):
    net = OnnxNet()
    x = net.input((1, 3), dtype=TensorProto.DOUBLE)
    net.output(net.gemm(net.quantize(net.node("Cast", [x], to=TensorProto.FLOAT), 4), 3, 2))
    net.save("double.onnx")
    assert "the input is double, expected float32, int8 or uint8" in error(capsys, "double.onnx")


def test_names_that_look_like_markup(folder, capsys):
    """Node names and folders reach the terminal as they are."""
    model = small_net().model()
    for node in model.graph.node:
        node.name = f"[red]{node.name}[/red] [/]"
    onnx.save(model, "markup.onnx")
    assert main(["markup.onnx", "-o", "[bold]"]) == 0
    out = capsys.readouterr().out
    assert "[red]Conv_0[/red]" in out
    assert "[bold]: chip" in out
    assert main(["verify", "markup.onnx", "--data", "data.npz", "--layers"]) == 0
    assert "[red]Gemm_0[/red]" in capsys.readouterr().out.replace("\n", "")

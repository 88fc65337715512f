"""The commands run and verify, dumps, and options that complete a model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import p4c
from p4c.cli import main
from p4c.compiler.dump import read_dump
from p4c.compiler.interpreter import run_graph
from p4c.compiler.passes import PASS_NAMES

from .models import OnnxNet, many_net, pixels, rows, small_net
from .test_cli import output_json


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the outputs must be: those of small.onnx, and of many.onnx by name."""
    folder = tmp_path_factory.mktemp("expected")
    small, many = (p4c.compile(net.save(folder / "net.onnx")) for net in (small_net(), many_net()))
    stored = np.full((2, 1, 8, 8), 5, np.int8)
    return {
        "small": small.run(rows(5)),
        "raw": small.run(stored, raw=True),
        "many": many.run({"a": rows(3, (6,)), "b": rows(3, (2, 3, 3))}),
    }


def test_run_prints_saves_and_gives_json(folder, capsys, expected):
    assert main(["run", "small.onnx", "--input", "data.npz"]) == 0
    assert "logits float32 [5, 4]" in capsys.readouterr().out
    assert main(["run", "small.onnx", "--input", "data.npz", "-o", "y.npy"]) == 0
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(np.load("y.npy"), expected["small"], strict=True)
    assert main(["run", "small.onnx", "--input", "data.npz", "-o", "y.npz"]) == 0
    with np.load("y.npz") as saved:
        np.testing.assert_array_equal(saved["logits"], expected["small"], strict=True)
    result = output_json(capsys, "run", "small.onnx", "--input", "data.npz")
    assert result["schema"] == "p4c.run/1"
    np.testing.assert_array_equal(np.float32(result["outputs"]["logits"]), expected["small"])
    assert not (folder / "small.p4c").exists()


def test_run_with_several_inputs_and_outputs(folder, expected):
    assert main(["run", "many.onnx", "--input", "many.npz", "-o", "y.npz"]) == 0
    with np.load("y.npz") as saved:
        assert set(saved) == {"ya", "yb"}
        for name in saved:
            np.testing.assert_array_equal(saved[name], expected["many"][name], strict=True)


def test_run_raw(folder, expected):
    np.save("stored.npy", np.full((2, 1, 8, 8), 5, np.int8))
    np.savez("stored.npz", input=np.full((2, 1, 8, 8), 5, np.int8))
    for name in ("stored.npy", "stored.npz"):
        assert main(["run", "small.onnx", "--input", name, "--raw", "-o", "y.npy"]) == 0
        np.testing.assert_array_equal(np.load("y.npy"), expected["raw"], strict=True)


def test_outputs_of_any_name_are_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = OnnxNet()
    x = net.quantize(net.input((1, 3)), 4)
    names = ["file", "/fc/out", "args", "self", "a.npy"]
    for name in names:
        net.output(net.quantize(net.gemm(x, 3, 2), 2), name)
    net.save("names.onnx")
    np.save("x.npy", rows(2, (3,)))
    assert main(["run", "names.onnx", "--input", "x.npy", "-o", "y.npz"]) == 0
    with np.load("y.npz") as saved:
        assert {name.strip('"').removesuffix(".npy") for name in saved.files} == {
            "file",
            "/fc/out",
            "args",
            "self",
            "a",
        }


def test_verify_with_pixels_labels_and_limit(folder, capsys):
    np.savez("pixels.npz", x=pixels(9), y=np.arange(9) % 4)
    command = ["verify", "small.onnx", "--data", "pixels.npz", "--normalize", "0.5,0.25"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "9 of 9 rows identical to onnxruntime" in out
    assert "accuracy " in out
    verdict = output_json(capsys, *command, "--limit", "4")
    assert (verdict["schema"], verdict["rows"], verdict["identical"]) == ("p4c.verify/1", 4, 4)
    assert verdict["correct"] == verdict["oracle_correct"]
    assert main([*command, "--layers"]) == 0
    assert "first divergence" not in capsys.readouterr().out
    layers = output_json(capsys, *command, "--layers")
    assert (layers["schema"], layers["rows"], layers["first_divergence"]) == ("p4c.verify-layers/1", 9, None)
    assert set(layers["layers"][0]) >= {"step", "node", "op", "tensor", "rows", "identical", "max_lsb"}


def test_pixel_table_comes_with_normalize(folder):
    assert main(["small.onnx", "--normalize", "0.5,0.25"]) == 0
    header = (folder / "small.p4c" / "p4c_small.h").read_text()
    assert "static const int8_t p4c_small_from_pixel[1][256]" in header
    assert main(["small.onnx", "--normalize", "none"]) == 0
    assert "quantize(pixel)" in (folder / "small.p4c" / "p4c_small.h").read_text()


def test_options_from_python_are_those_of_the_command_line(folder):
    model = p4c.compile("small.onnx", "out", normalize="0.5,0.25", name="net", pie=False, chip_rev="v1")
    assert (model.name, model.chip_rev, str(model.folder)) == ("net", "v1", "out")
    assert (
        main(["small.onnx", "-o", "same", "--normalize", "0.5,0.25", "--name=net", "--no-pie", "--chip-rev=v1"]) == 0
    )
    for name, data in model.files.items():
        assert (folder / "out" / name).read_bytes() == (folder / "same" / name).read_bytes() == data
    with pytest.raises(p4c.InputError, match="--normalize '1' is not"):
        p4c.compile("small.onnx", normalize="1")


def test_dumps_of_every_pass_and_of_one(folder, expected):
    assert main(["small.onnx", "--dump-ir"]) == 0
    names = [path.name for path in sorted((folder / "small.p4c" / "ir").glob("*.p4ir"))]
    assert names == [f"{number:02}-{name}.p4ir" for number, name in enumerate(PASS_NAMES)]
    for name in names:
        graph, after = read_dump(folder / "small.p4c" / "ir" / name)
        assert name.endswith(f"-{after}.p4ir")
        np.testing.assert_array_equal(run_graph(graph, {"x": rows(5)})["logits"], expected["small"])
    assert main(["--dump-ir=fold-clamps", "small.onnx"]) == 0
    assert {path.suffix for path in (folder / "small.p4c" / "ir").iterdir()} == {".p4ir", ".npz"}
    assert {path.stem for path in (folder / "small.p4c" / "ir").iterdir()} == {
        f"{PASS_NAMES.index('fold-clamps'):02}-fold-clamps"
    }
    # Commands without an output folder of their own put dumps where compile does.
    assert main(["run", "many.onnx", "--input", "many.npz", "--dump-ir=import", "-o", "y.npz"]) == 0
    assert (folder / "many.p4c" / "ir" / "00-import.p4ir").exists()


def test_edited_dump_compiles_and_runs(folder, expected):
    """From each stage the same outputs; after an edit those of the edited graph."""
    main(["small.onnx", "--dump-ir"])
    dumps = sorted((folder / "small.p4c" / "ir").glob("*.p4ir"))
    for dump in (dumps[0], dumps[len(dumps) // 2], dumps[-1]):
        assert main(["run", str(dump), "--input", "data.npz", "-o", "y.npy"]) == 0
        np.testing.assert_array_equal(np.load("y.npy"), expected["small"])
    text = dumps[0].read_text()
    assert text.count("= relu(") == 2
    lines = [line.replace("= relu(", "= clip(").replace(") :", ") {max=0.25} :") if "relu(" in line else line
             for line in text.splitlines()]  # fmt: skip
    dumps[0].write_text("\n".join(lines) + "\n")
    assert main([str(dumps[0]), "-o", "edited.p4c"]) == 0
    graph, _ = read_dump(dumps[0])
    edited = p4c.compile(dumps[0])
    np.testing.assert_array_equal(edited.run(rows(5)), run_graph(graph, {"x": rows(5)})["logits"])
    assert not np.array_equal(edited.run(rows(5)), expected["small"])
    assert (folder / "edited.p4c" / "p4c_small.h").exists()


def test_input_exponent_calibration_and_dimensions(tmp_path, monkeypatch, capsys):
    """An input without quantizer: given by an exponent, or picked from data; and a batch that is symbolic."""
    monkeypatch.chdir(tmp_path)
    net = OnnxNet()
    net.output(net.gemm(net.input(("N", "K")), 6, 3), "y")
    net.save("bare.onnx")
    np.save("x.npy", np.float32(rows(4, (6,)) * 0 + 7.9))
    command = ["bare.onnx", "--input-dim", "K=6"]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "--input-exponent" in err
    assert "--calibrate" in err
    scales = {}
    for flags in (["--input-exponent", "x=3"], ["--input-exponent=2"], ["--calibrate", "x.npy"]):
        assert main([*command, *flags]) == 0
        manifest = json.loads((tmp_path / "bare.p4c" / "manifest.json").read_text())
        scales[flags[-1]] = manifest["inputs"][0]["exponent"]
    assert scales == {"x=3": [3], "--input-exponent=2": [2], "x.npy": [4]}
    assert main(["verify", *command, "--data", "x.npy", "--calibrate", "x.npy"]) == 0

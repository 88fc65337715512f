"""Dumps on disk: text with its .npz, the same bytes every time, readable again; broken files in one sentence."""

import os
import time
import zipfile

import numpy as np
import pytest

from p4c.compiler.dump import archive_bytes, read_dump, write_dump
from p4c.compiler.errors import IRError
from p4c.compiler.ir import Constant, Graph, Node, QuantParams, TensorType, graphs_equal

# Constant names that a zip file or NumPy could take for something else.
HARD_NAMES = [
    "w",
    "w.npy",
    '"w.npy"',
    "w.npy.npy",
    "/abs",
    "../up",
    "a/b",
    "é 名",
    "nul\0nul",
    'quo"te',
    "back\\slash",
    "",
]


def large_graph(names=("conv1.weight",)):
    graph = Graph("g", {"x": TensorType("f32", (1, 17))})
    for index, name in enumerate(names):
        type_ = TensorType("i8", (1, 17), QuantParams.power_of_two(7))
        graph.constants[name] = Constant(type_, np.arange(index, index + 17, dtype=np.int8).reshape(1, 17))
    graph.add(Node("out", "fully_connected", ("x", names[0]), TensorType("f32", (1, 1)), {"qmin": -128, "qmax": 127}))
    graph.outputs = ["out"]
    return graph


def test_names_of_the_files(tmp_path):
    path = write_dump(large_graph(), tmp_path / "ir", 7, "fold-flatten")
    assert path == tmp_path / "ir" / "07-fold-flatten.p4ir"
    assert sorted(os.listdir(path.parent)) == ["07-fold-flatten.npz", "07-fold-flatten.p4ir"]
    assert path.read_text().startswith("p4ir 1 after fold-flatten\ngraph g\n")
    with np.load(path.with_suffix(".npz")) as archive:
        assert archive["conv1.weight"].tolist() == [list(range(17))]


def test_constants_of_any_name_come_back(tmp_path):
    graph = large_graph(HARD_NAMES)
    read, pass_name = read_dump(write_dump(graph, tmp_path, 0, "import"))
    assert pass_name == "import"
    assert graphs_equal(read, graph)


def test_small_graphs_need_no_archive(tmp_path):
    graph = Graph("g", {"x": TensorType("f32", (2,))}, outputs=["x"])
    stale = write_dump(large_graph(), tmp_path, 0, "import").with_suffix(".npz")
    assert stale.exists()
    path = write_dump(graph, tmp_path, 0, "import")
    assert os.listdir(tmp_path) == [path.name]
    assert graphs_equal(read_dump(path)[0], graph)


def test_the_same_graph_gives_the_same_bytes(tmp_path, monkeypatch):
    first = write_dump(large_graph(), tmp_path / "a", 1, "p")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    second = write_dump(large_graph(), tmp_path / "b", 1, "p")
    for suffix in (".p4ir", ".npz"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_archives_hold_arrays_in_row_major_order():
    data = archive_bytes({"w": np.asfortranarray(np.arange(6).reshape(2, 3))})
    assert data == archive_bytes({"w": np.arange(6).reshape(2, 3)})
    assert b"'fortran_order': False" in data


def replace_in(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_edited_dump_is_read(tmp_path):
    path = write_dump(large_graph(), tmp_path, 3, "import")
    replace_in(path, "%out = fully_connected(%x, %conv1.weight)", "%out = fully_connected(%x, %conv1.weight, %b)")
    replace_in(path, "\n\n%out", "\nconst %b : f32[1] = [0.25]\n\n%out")
    graph, _ = read_dump(path)
    assert graph.constants["b"].array.tolist() == [0.25]


def break_text(path):
    path.write_bytes(b"p4ir 1 after import\n\xff")


def break_archive(path):
    path.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes()[:50])


def break_member(path):
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as file:
        file.writestr("conv1.weight.npy", b"nonsense")


def pickle_member(path):
    np.savez(path.with_suffix(".npz"), **{"conv1.weight": np.array([None])})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot read .*: No such file or directory"),
        (break_text, "byte 20 is no UTF-8 text, expected IR text"),
        (break_archive, r"03-p\.npz is no whole \.npz"),
        (break_member, r"line 6, column 45: %conv1\.weight is not in the \.npz"),
        (pickle_member, r"03-p\.npz is no whole \.npz"),
        (lambda path: path.with_suffix(".npz").unlink(), r"line 6, column 45: %conv1\.weight is not in the \.npz"),
        (lambda path: replace_in(path, "output %out", "output out"), 'line 10, column 8: found "out"'),
        (lambda path: replace_in(path, "f32[1,1]", "f32[1,2]"), "(?s)breaks a rule of the IR:.*has shape .1,2., exp"),
    ],
)
def test_damage_is_reported_with_the_file(tmp_path, damage, message):
    path = write_dump(large_graph(), tmp_path, 3, "p")
    damage(path)
    with pytest.raises(IRError, match=message) as caught:
        read_dump(path)
    assert caught.value.file == str(path)
    assert caught.value.problems[0].advice

"""Graph surgery changes speed and shapes, but no output."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition.packs import sessions
from recognition.packs.rewrite_onnx import prepare


def model(nodes: list[onnx.NodeProto], shape: list[int], outputs: list[int], **constants: np.ndarray) -> bytes:
    """A graph from x to y."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(built.SerializeToString())


def answer(prepared: bytes, x: np.ndarray) -> np.ndarray:
    (y,) = sessions.start(prepared).run(None, {"x": x})
    return np.asarray(y)


def test_a_prelu_becomes_convolutions_with_the_same_answer() -> None:
    slope = np.array([0.25, -0.5, 1.5], np.float32).reshape(3, 1, 1)
    x = np.random.default_rng(0).normal(size=(1, 3, 5, 5)).astype(np.float32)
    rewritten = prepare(
        model([helper.make_node("PRelu", ["x", "a"], ["y"])], [1, 3, 5, 5], [1, 3, 5, 5], a=slope), ["convolve_prelu"]
    )
    assert {node.op_type for node in onnx.load_from_string(rewritten).graph.node} == {"Relu", "Conv", "Add"}
    assert np.allclose(answer(rewritten, x), np.where(x > 0, x, slope * x), atol=1e-6)


def depthwise_network() -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A network from 3 channels over 5, of which each is slanted and convolved by itself, to 16."""
    shapes = {"w1": (5, 3, 1, 1), "b1": (5,), "a1": (5, 1, 1), "w2": (5, 1, 3, 3), "b2": (5,), "a2": (5, 1, 1)}
    random = np.random.default_rng(0)
    constants = {
        name: random.normal(size=shape).astype(np.float32) for name, shape in (shapes | {"w3": (16, 5, 1, 1)}).items()
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"]),
        helper.make_node("PRelu", ["c1", "a1"], ["p1"]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], group=5, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("PRelu", ["c2", "a2"], ["p2"]),
        helper.make_node("Conv", ["p2", "w3"], ["y"]),
    ]
    return nodes, constants


def test_padded_channels_and_folded_slopes_change_no_answer() -> None:
    nodes, constants = depthwise_network()
    source = model(nodes, [1, 3, 6, 6], [1, 16, 3, 3], **constants)
    x = np.random.default_rng(1).normal(size=(2, 3, 6, 6)).astype(np.float32)
    plain = answer(prepare(source, ["dynamic_batch"]), x)
    rewritten = prepare(source, ["dynamic_batch", "pad_channels", "fold_prelu", "convolve_prelu"])
    assert np.allclose(answer(rewritten, x), plain, atol=1e-5)
    graph = onnx.load_from_string(rewritten).graph
    shapes = [list(tensor.dims) for tensor in graph.initializer if len(tensor.dims) == 4]
    assert {shape[0] for shape in shapes} == {16}
    assert [node.op_type for node in graph.node].count("Conv") == 6  # 1, 2 for the folded slopes, 2 for the others, 1


@pytest.mark.parametrize(
    ("last", "reached"), [([], "an output"), ([helper.make_node("Softmax", ["c"], ["y"])], "Softmax")]
)
def test_channels_are_not_padded_where_it_would_show(last: list[onnx.NodeProto], reached: str) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c" if last else "y"]), *last]
    source = model(nodes, [1, 3, 2, 2], [1, 5, 2, 2], w=np.ones((5, 3, 1, 1), np.float32))
    with pytest.raises(ValueError, match=reached):
        prepare(source, ["pad_channels"])


def test_block_quantised_weights_are_dequantised_along_their_axis() -> None:
    quantised = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    scale, zero = np.array([[0.5, 2.0], [1.0, 3.0]] * 2, np.float32), np.array([[1, -1], [0, 2]] * 2, np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1, block_size=2),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    folded = prepare(model(nodes, [1, 4], [1, 4], q=quantised, s=scale, z=zero), ["dequantise", "dynamic_batch"])
    expected = (quantised.astype(np.float32) - zero.repeat(2, 1)) * scale.repeat(2, 1)
    assert np.allclose(answer(folded, np.eye(4, dtype=np.float32)), expected)


def test_a_fixed_batch_becomes_free() -> None:
    nodes = [helper.make_node("Reshape", ["x", "form"], ["y"])]
    freed = prepare(model(nodes, [1, 2, 2], [1, 4], form=np.array([1, -1])), ["dynamic_batch"])
    assert answer(freed, np.zeros((3, 2, 2), np.float32)).shape == (3, 4)


def test_traces_of_weights_are_flushed_and_weights_are_kept() -> None:
    weights = np.array([1e-40, -1e-20, 1e-6, 2.0], np.float32)
    flushed = prepare(model([helper.make_node("Mul", ["x", "w"], ["y"])], [4], [4], w=weights), ["flush_traces"])
    assert answer(flushed, np.ones(4, np.float32)).tolist() == [0, 0, weights[2], 2]


def test_weights_in_another_file_are_refused() -> None:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, "elsewhere.bin")
    loaded = onnx.load_from_string(
        model([helper.make_node("Mul", ["x", "w"], ["y"])], [4], [4], w=np.ones(4, np.float32))
    )
    loaded.graph.initializer[0].CopyFrom(tensor)
    with pytest.raises(ValueError, match="other files"):
        prepare(loaded.SerializeToString(), [])


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(KeyError):
        prepare(model([helper.make_node("Relu", ["x"], ["y"])], [4], [4]), ["polish"])


def test_vectors_that_lie_in_few_directions_get_as_few_numbers() -> None:
    """The narrower model and the projection of the wider one's vectors agree, and the cosines stay."""
    random = np.random.default_rng(2)
    weights = (random.normal(size=(12, 4)) @ random.normal(size=(4, 6))).astype(np.float32)
    constants = {"w": weights.reshape(12, 6, 1, 1), "b": weights[:, 0], "s": np.array([0, 12])}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"]), helper.make_node("Reshape", ["c", "s"], ["y"])]
    source = model(nodes, [5, 6, 1, 1], [5, 12], **constants)
    x = random.normal(size=(5, 6, 1, 1)).astype(np.float32)
    wide, narrow = answer(source, x), answer(prepare(source, ["narrow:4"]), x)
    [projected] = sessions.start(prepare(source, ["projection:4"])).run(None, {"wide": wide})
    assert narrow.shape == (5, 4)
    assert np.allclose(narrow @ narrow.T, wide @ wide.T, atol=1e-4)
    assert np.allclose(narrow, projected, atol=1e-5)

"""Rewrite published ONNX graphs, once at install, into the form that the sessions run.

Knows no file, source or model by name. Only this module imports the `onnx` package: a running server never rewrites a
graph.

Each step changes a model in place; STEPS maps the names in the manifest to the steps. `narrow:224` is the step narrow
with the number 224. Longer than 300 lines, which are one list of steps.
"""

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data

from recognition.packs import subspace

_TRACE = 1e-12
_BLOCK = 16  # channels in the widest of ONNX Runtime's blocked layouts
_CHANNELWISE = {"PRelu", "Relu", "Sigmoid", "GlobalAveragePool", "Add", "Mul"}


def prepare(source: bytes, steps: Sequence[str]) -> bytes:
    """Apply the named steps to a serialised model; the result is self-contained and checked.

    Raises:
        KeyError: the manifest names an unknown step.
        ValueError: the model keeps weights in other files, which our checksums do not cover.
        onnx.checker.ValidationError: a step produced an invalid graph.
    """
    model = onnx.load_from_string(source)
    _refuse_external_data(model)
    for step in steps:
        name, _, number = step.partition(":")
        STEPS[name](model, *map(int, number.split()))
    _drop_leftovers(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def dequantise(model: onnx.ModelProto) -> None:
    """Fold each DequantizeLinear over initialisers, and the Reshape after it, into a float32 initialiser.

    ONNX Runtime refuses block-quantised weights ("block_size must be 0 for per-tensor quantization"), and on AVX2
    int8 weights would be no faster than float32 ones.
    """
    constants = _initialisers(model)
    kept = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            constants[node.output[0]] = _dequantised(node, constants)
        elif node.op_type == "Reshape" and set(node.input) <= constants.keys():
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
        else:
            kept.append(node)
    _replace_nodes(model, kept)
    known = {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items() if name not in known
    )


def dynamic_batch(model: onnx.ModelProto) -> None:
    """Free the first axis of every input and output, so that several faces go through one run."""
    _drop_leftovers(model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    _free_reshapes(model)
    del model.graph.value_info[:]


def dynamic_image(model: onnx.ModelProto) -> None:
    """Free the axes that depend on the height and width of a fully convolutional detector's image."""
    for value in model.graph.input:
        _, _, height, width = value.type.tensor_type.shape.dim
        height.dim_param, width.dim_param = "height", "width"
    for value in model.graph.output:
        _, *axes = value.type.tensor_type.shape.dim
        for name, axis in zip(("height", "width"), axes[1:], strict=False) if len(axes) > 2 else [("anchors", axes[0])]:  # noqa: PLR2004 -- a map
            axis.dim_param = f"{name}_{value.name}"
    del model.graph.value_info[:]


def convolve_prelu(model: onnx.ModelProto) -> None:
    """Rewrite PRelu(x, a) as Conv(Relu(x), 1 - a) + Conv(x, a), both 1x1 and depthwise.

    ONNX Runtime computes a per-channel PRelu slowly and leaves its blocked NCHWc layout around it; as convolutions
    everything stays in that layout. Outputs differ by rounding only.
    """
    slopes = _initialisers(model)
    rewritten: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            rewritten.append(node)
            continue
        slope = slopes[node.input[1]].astype(np.float32).reshape(-1, 1, 1, 1)
        model.graph.initializer.extend(_slope_kernels(node.output[0], slope))
        rewritten.extend(_convolved(node.input[0], node.output[0], len(slope)))
    _replace_nodes(model, rewritten)


def pad_channels(model: onnx.ModelProto) -> None:
    """Pad with zeros the channels that convolutions make, up to a multiple of 16.

    ONNX Runtime's blocked layout holds 8 or 16 channels a block, and a depthwise convolution of channels that do not
    fill their blocks runs outside of it, several times slower. Padded channels stay zero, so no output changes.

    Raises:
        ValueError: padded channels would reach an operator for which this is not known.
    """
    values = _initialisers(model)
    added: dict[str, int] = {}  # channels, by tensor
    for node in model.graph.node:
        more = added.get(node.input[0], 0) if node.input else 0
        if node.op_type == "Conv":
            more = _pad_convolution(model, node, values, more)
        elif node.op_type == "PRelu" and more:
            _pad_initialiser(model, node, 1, values, [(0, more)])
        elif more and node.op_type not in _CHANNELWISE:
            message = f"padded channels reach {node.op_type}"
            raise ValueError(message)
        added[node.output[0]] = more
    if any(added.get(output.name) for output in model.graph.output):
        message = "padded channels reach an output"
        raise ValueError(message)
    del model.graph.value_info[:]


def fold_prelu(model: onnx.ModelProto) -> None:
    """Rewrite a PRelu that only a depthwise Conv reads: its slopes become part of that convolution's weights.

    Conv(PRelu(x, a), w) = Conv(Relu(x), (1 - a) w) + Conv(x, a w), with the bias once: two passes over the data fewer
    than convolve_prelu, which rewrites what is left.
    """
    values = _initialisers(model)
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    slopes: dict[str, tuple[str, np.ndarray]] = {}  # of each folded PRelu, by its output
    rewritten: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "PRelu" and [_depthwise(reader, values) for reader in readers[node.output[0]]] == [True]:
            slopes[node.output[0]] = node.input[0], values[node.input[1]].astype(np.float32).reshape(-1, 1, 1, 1)
        elif node.op_type == "Conv" and node.input[0] in slopes:
            rewritten.extend(_folded(model, node, *slopes[node.input[0]], values[node.input[1]]))
        else:
            rewritten.append(node)
    _replace_nodes(model, rewritten)


def flush_traces(model: onnx.ModelProto) -> None:
    """Set weights below 1e-12 to zero: training left them there, and they change no output.

    Arithmetic on denormal numbers is many times slower. In fr_feature one weight in six is such a trace, and its run
    took 79 ms with them and takes 5 ms without, with outputs equal to the last bit.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            weights = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.where(abs(weights) < _TRACE, 0, weights), tensor.name))


def narrow(model: onnx.ModelProto, numbers: int) -> None:
    """Give the vectors of an embedder this many numbers: an orthonormal basis becomes part of the last layer.

    The last layer of fr_feature has 512 outputs, which lie in far fewer directions: with the 224 in which they vary
    most, no cosine of two portraits changes by more than 1e-5. `projection` makes the model that converts vectors
    which the layer gave before.
    """
    layer, reshape, basis = _last_layer(model, numbers)
    values = _initialisers(model)
    weights, bias, shape = (values[name] for name in (*layer.input[1:], reshape.input[1]))
    shape = np.where(shape == len(weights), numbers, shape)
    parts = {
        "narrow_weights": subspace.times(basis.T, _matrix(weights)).astype(np.float32)[:, :, None, None],
        "narrow_bias": subspace.times(basis.T, _matrix(bias)).astype(np.float32)[:, 0],
        "narrow_shape": shape,
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in parts.items())
    layer.input[1], layer.input[2], reshape.input[1] = parts
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = numbers
    del model.graph.value_info[:]


def projection(model: onnx.ModelProto, numbers: int) -> None:
    """Replace an embedder by what `narrow` did to its last layer: vectors (n, wide) to vectors (n, numbers)."""
    _, _, basis = _last_layer(model, numbers)
    matrix = numpy_helper.from_array(basis.astype(np.float32), "basis")
    source, target = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
        for name, width in (("wide", len(basis)), ("narrow", numbers))
    )
    node = helper.make_node("MatMul", ["wide", "basis"], ["narrow"], name="narrow")
    model.graph.CopyFrom(helper.make_graph([node], "projection", [source], [target], [matrix]))


STEPS: MappingProxyType[str, Callable[..., None]] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            dequantise,
            dynamic_batch,
            dynamic_image,
            flush_traces,
            pad_channels,
            fold_prelu,
            convolve_prelu,
            narrow,
            projection,
        )
    },
)


def _last_layer(model: onnx.ModelProto, numbers: int) -> tuple[NodeProto, NodeProto, np.ndarray]:
    """Return the 1x1 Conv and the Reshape that make the output, and the basis of its `numbers` directions."""
    makers = {name: node for node in model.graph.node for name in node.output}
    reshape = makers[model.graph.output[0].name]
    layer = makers[reshape.input[0]]
    return layer, reshape, subspace.basis(_matrix(_initialisers(model)[layer.input[1]]), numbers)


def _matrix(values: np.ndarray) -> np.ndarray:
    """Return the values of a layer, or a bias as one column, in float64."""
    return values.astype(np.float64).reshape(len(values), -1)


def _refuse_external_data(model: onnx.ModelProto) -> None:
    outside = [tensor.name for tensor in model.graph.initializer if uses_external_data(tensor)]
    if outside:
        message = f"weights in other files: {', '.join(outside)}"
        raise ValueError(message)


def _pad_convolution(model: onnx.ModelProto, node: NodeProto, values: dict[str, np.ndarray], more: int) -> int:
    """Pad the weights and bias for `more` channels of input; return the number of channels added to the output."""
    depthwise = _depthwise(node, values)
    made = more if depthwise else -len(values[node.input[1]]) % _BLOCK
    _pad_initialiser(model, node, 1, values, [(0, made), (0, 0 if depthwise else more), (0, 0), (0, 0)])
    if len(node.input) > 2:  # noqa: PLR2004 -- the bias
        _pad_initialiser(model, node, 2, values, [(0, made)])
    for attribute in node.attribute:
        if attribute.name == "group" and depthwise:
            attribute.i += made
    return made


def _pad_initialiser(
    model: onnx.ModelProto, node: NodeProto, at: int, values: dict[str, np.ndarray], widths: list[tuple[int, int]]
) -> None:
    """Let the node read a copy of this initialiser, padded with zeros by these widths along its first axes."""
    value = values[node.input[at]]
    widths = [*widths, *[(0, 0)] * (value.ndim - len(widths))]
    name = f"{node.output[0]}_padded_{at}"
    model.graph.initializer.append(numpy_helper.from_array(np.pad(value, widths), name))
    node.input[at] = name


def _depthwise(node: NodeProto, values: dict[str, np.ndarray]) -> bool:
    """Return whether the node is a Conv in which each channel of the output sees one channel of the input."""
    if node.op_type != "Conv":
        return False
    [group] = [attribute.i for attribute in node.attribute if attribute.name == "group"] or [1]
    return group > 1 and values[node.input[1]].shape[:2] == (group, 1)


def _folded(
    model: onnx.ModelProto, node: NodeProto, source: str, slope: np.ndarray, weights: np.ndarray
) -> tuple[NodeProto, ...]:
    """Return the four nodes that stand for a PRelu of `source` and the depthwise Conv that reads it."""
    target = node.output[0]
    positive, rise, linear = f"{target}_positive", f"{target}_risen", f"{target}_linear"
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(part * weights, np.float32), f"{name}_weights")
        for name, part in ((rise, 1 - slope), (linear, slope))
    )
    parts = (NodeProto(), NodeProto())
    for part, name, read in zip(parts, (rise, linear), (positive, source), strict=True):
        part.CopyFrom(node)
        part.name, part.output[0], part.input[0], part.input[1] = name, name, read, f"{name}_weights"
    del parts[0].input[2:]
    return (
        helper.make_node("Relu", [source], [positive], name=positive),
        *parts,
        helper.make_node("Add", [rise, linear], [target], name=target),
    )


def _slope_kernels(name: str, slope: np.ndarray) -> tuple[onnx.TensorProto, onnx.TensorProto]:
    """Return the two depthwise kernels, each (channels, 1, 1, 1)."""
    return numpy_helper.from_array(1 - slope, f"{name}_rise"), numpy_helper.from_array(slope, f"{name}_slope")


def _convolved(source: str, target: str, channels: int) -> tuple[NodeProto, ...]:
    """Return the four nodes that stand for one PRelu."""
    positive, rise, linear = f"{target}_positive", f"{target}_risen", f"{target}_linear"
    return (
        helper.make_node("Relu", [source], [positive], name=positive),
        helper.make_node("Conv", [positive, f"{target}_rise"], [rise], name=rise, group=channels, kernel_shape=[1, 1]),
        helper.make_node(
            "Conv", [source, f"{target}_slope"], [linear], name=linear, group=channels, kernel_shape=[1, 1]
        ),
        helper.make_node("Add", [rise, linear], [target], name=target),
    )


def _dequantised(node: NodeProto, constants: dict[str, np.ndarray]) -> np.ndarray:
    """Return (values - zero point) * scale in float32; block-wise scales are repeated along the node's axis."""
    values, scale, *zero = (constants[name] for name in node.input)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    zero_point = zero[0] if zero else np.zeros_like(scale, dtype=values.dtype)
    if block:
        scale, zero_point = (np.repeat(part, block, axis=axis) for part in (scale, zero_point))
    elif scale.ndim == 1 and scale.size > 1:
        along = [-1 if dimension == axis % values.ndim else 1 for dimension in range(values.ndim)]
        scale, zero_point = scale.reshape(along), zero_point.reshape(along)
    return (values.astype(np.float32) - zero_point.astype(np.float32)) * scale.astype(np.float32)


def _free_reshapes(model: onnx.ModelProto) -> None:
    """Let every Reshape to a fixed batch of one copy the batch of its input instead (0 means copy)."""
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            if shape[0] == 1:
                shape[0] = 0
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


def _drop_leftovers(model: onnx.ModelProto) -> None:
    """Drop initialisers that no node reads, and graph inputs that are initialisers or that no node reads.

    An initialiser that is also an input could be overridden by a caller, so the runtime would not fold it.
    """
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    initialisers = [tensor for tensor in graph.initializer if tensor.name in read]
    fixed = {tensor.name for tensor in initialisers}
    inputs = [value for value in graph.input if value.name in read - fixed]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(initialisers)
    graph.input.extend(inputs)


def _initialisers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _replace_nodes(model: onnx.ModelProto, nodes: Iterable[NodeProto]) -> None:
    nodes = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)

"""The cases of make_tensorflow.py, which runs this file."""

# -- one tensor ------------------------------------------------------------------------------------

some = np.array(
    [
        -3.7,
        -2.5,
        -1.5,
        -1.0,
        -0.5,
        -0.0,
        0.0,
        0.3,
        0.5,
        1.0,
        1.5,
        2.5,
        7.2,
        np.inf,
        -np.inf,
        np.nan,
    ],
    F,
)
finite = np.array([-3.7, -2.5, -1.5, -1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 7.2], F)
positive = np.array([0.0, 0.1, 0.5, 1.0, 2.5, 100.0], F)
unit = np.array([-0.9, -0.5, 0.0, 0.25, 0.99], F)
for name in [
    "Neg",
    "Abs",
    "Square",
    "Floor",
    "Ceil",
    "Round",
    "Rint",
    "IsNan",
    "IsFinite",
    "IsInf",
    "Relu",
    "Relu6",
    "Elu",
    "Selu",
    "Softplus",
    "Softsign",
    "Sigmoid",
    "Tanh",
    "Exp",
    "Expm1",
    "Erf",
    "LeakyRelu",
    "Snapshot",
]:
    op(name, some if name not in ("Softsign",) else finite)
for name in [
    "Sign",
    "Reciprocal",
    "Inv",
    "Sin",
    "Cos",
    "Tan",
    "Sinh",
    "Cosh",
    "Asinh",
    "Atan",
    "Erfc",
]:
    op(name, finite)
for name in ["Sqrt", "Rsqrt", "Log", "Log1p"]:
    op(name, positive)
for name in ["Asin", "Acos", "Atanh"]:
    op(name, unit)
op("Acosh", positive + 1)
op("LeakyRelu", some, label="alpha", alpha=0.3)
for name in ["Neg", "Abs", "Sign", "Square", "Relu", "Relu6"]:
    op(name, np.array([[-7, 0, 3], [100, -1, 2]], I), label="int32")
op("Neg", np.array([-128, 5, 127], np.int8), label="int8")
op("LogicalNot", np.array([True, False]))
op("Cast", some[:13], label="to int32", DstT=tf.int32)
op("Cast", np.array([0, 3, -4], I), label="to bool", DstT=tf.bool)
op("Cast", np.array([0, 3, -4], I), label="to float", DstT=tf.float32)
op("Cast", np.array([True, False]), label="bool to int64", DstT=tf.int64)
op("Cast", np.array([1.0, 3.14159265, -2.71828, 65504], F), label="to half", DstT=tf.float16)
op("Cast", np.array([1.0, 3.14159265, -2.71828], F), label="to bfloat16", DstT=tf.bfloat16)
op("Cast", np.array([1, 300, -5], I), label="to uint8", DstT=tf.uint8)
op("Cast", np.array([1.5, -2.5], np.float16), label="from half", DstT=tf.float32)
op("Cast", np.array([7, -9], L), label="int64 to int32", DstT=tf.int32)
op("Bucketize", x(3, 4, scale=3), boundaries=[-2.0, 0.0, 1.5])
op("Bucketize", np.array([-5, 0, 1, 10, 20], I), label="int32", boundaries=[0.0, 10.0])
op("Bucketize", x(2), label="none", boundaries=[])

# -- two tensors -----------------------------------------------------------------------------------

a, b = x(2, 3), np.array([0.5, -2.0, 3.0], F)
whole = np.array([[7, -7, 6], [-6, 1, 0]], I), np.array([2, 3, -4], I)
for name in [
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "RealDiv",
    "Div",
    "FloorDiv",
    "FloorMod",
    "Maximum",
    "Minimum",
    "Atan2",
    "SquaredDifference",
    "TruncateDiv",
    "Mod",
]:
    op(name, a, b)
for name in [
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "Div",
    "FloorDiv",
    "FloorMod",
    "Maximum",
    "Minimum",
    "SquaredDifference",
    "TruncateDiv",
    "TruncateMod",
    "Mod",
]:
    op(name, *whole, label="int32")
op("TruncateMod", a * 5, b)
op("Mul", np.array([100, 7], np.uint8), np.array([3, 5], np.uint8), label="uint8")
op("AddV2", np.array([2**31 - 1, 5], I), np.array([1, -9], I), label="wraps")
op(
    "Sub",
    np.array(5, L),
    np.array([2**31 + 5, 3], L),
    label="int64",
    only="const",
    expect=[np.array([-(2**31), 2], L)],
)
op("AddV2", x(2, 1, 3), x(4, 1), label="broadcast")
op("Pow", np.array([0.0, 2.0, 3.0, -2.0], F), np.array([0.0, 0.5, 2.0, 3.0], F))
op("Pow", np.array([2, -3, 5], I), np.array([10, 3, 0], I), label="int32")
zeros = np.array([0.0, 1.0, 0.0, 4.0], F), np.array([0.0, 0.0, 3.0, 2.0], F)
for name in ["DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "Xlog1py"]:
    op(name, *zeros)
op("MulNoNan", np.array([np.inf, np.nan], F), np.array([0.0, 0.0], F), label="inf")
for name in ["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"]:
    op(name, np.array([[1.0, 2.0, np.nan]], F), np.array([[1.0], [3.0]], F))
    op(name, np.array([3, -4, 5], I), np.array(3, I), label="int32")
op("Equal", np.array([True, False]), np.array([True, True]), label="bool")
for name in ["LogicalAnd", "LogicalOr"]:
    op(name, np.array([[True], [False]]), np.array([True, False]))
op("Select", np.array([True, False]), x(2, 3), x(2, 3), label="rows")
op("Select", np.array(False), x(2, 3), x(2, 3), label="scalar")
op("Select", np.array([[True, False]]), x(1, 2), x(1, 2))
op("SelectV2", np.array([[True], [False]]), x(3), x(2, 1))
op("SelectV2", np.array(True), np.array([1, 2], I), np.array([3, 4], I), label="int32")
op("ClipByValue", x(2, 3), np.array(-0.5, F), np.array(0.5, F))
op("ClipByValue", np.array([-9, 2, 9], I), np.array(-3, I), np.array(3, I), label="int32")
op("AddN", [x(2, 3), x(2, 3), x(2, 3)])
op("AddN", [np.array([1, 2], I)], label="one")
bits = np.array([0x5A, -3, 127, -128, 0], np.int8), np.array([0x0F, 0x0F, -1, 1, 9], np.int8)
wide = (
    np.array([123456789, -987654321, -1, 2**31 - 1], I),
    np.array([0x0F0F0F0F, 0x7FFF, -(2**31), 1], I),
)
for name in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
    op(name, *bits)
    op(name, *wide, label="int32")
op("BitwiseAnd", np.array([200, 17], np.uint8), np.array([15, 240], np.uint8), label="uint8")
op("RightShift", np.array([90, -100, 7], np.int8), np.array([4, 4, 1], np.int8))
op("LeftShift", np.array([90, -100, 7], np.int8), np.array([1, 2, 3], np.int8))

# -- products --------------------------------------------------------------------------------------

op("MatMul", x(2, 3), x(3, 4))
op("MatMul", x(3, 2), x(4, 3), label="turned", transpose_a=True, transpose_b=True)
op("MatMul", np.array([[1, 2], [70000, 4]], I), np.array([[5, -60000], [7, 8]], I), label="int32")
for name in ["BatchMatMul", "BatchMatMulV2"]:
    op(name, x(2, 2, 3), x(2, 3, 4))
    op(name, x(2, 3, 2), x(2, 4, 3), label="adjoint", adj_x=True, adj_y=True)
op("BatchMatMulV2", x(2, 1, 2, 3), x(3, 3, 4), label="broadcast")
op("BatchMatMulV3", x(2, 2, 3), x(2, 3, 4), Tout=tf.float32)
op(
    "BatchMatMulV3",
    rng.integers(-128, 127, (2, 6)).astype(np.int8),
    rng.integers(-128, 127, (6, 3)).astype(np.int8),
    label="int8",
    Tout=tf.int32,
)
for equation, *shapes in [
    ("abc,cd->abd", (2, 3, 4), (4, 5)),
    ("abc,cde->abde", (2, 3, 4), (4, 5, 2)),
    ("aecd,abcd->acbe", (2, 3, 4, 5), (2, 6, 4, 5)),
    ("ab->ba", (2, 3)),
    ("abc->a", (2, 3, 4)),
    ("ab,cd->acbd", (2, 3), (4, 5)),
    ("...ab,bc->...ac", (2, 3, 4), (4, 5)),
    ("ab,ab->a", (2, 3), (2, 3)),
    ("...,...a->a...", (3,), (2, 3, 4)),
    ("a,b->ab", (2,), (3,)),
    ("abc,ab->cb", (2, 3, 4), (2, 3)),
]:
    op("Einsum", [x(*s) for s in shapes], label=equation, equation=equation)

# -- convolutions ----------------------------------------------------------------------------------

for padding in ["SAME", "VALID"]:
    for stride in [1, 2]:
        op(
            "Conv2D",
            x(2, 5, 6, 3),
            x(3, 2, 3, 4),
            label=f"{padding} {stride}",
            padding=padding,
            strides=[1, stride, stride, 1],
        )
op(
    "Conv2D",
    x(1, 6, 6, 2),
    x(3, 3, 2, 3),
    label="dilated",
    padding="SAME",
    strides=[1, 1, 1, 1],
    dilations=[1, 2, 2, 1],
)
op("Conv2D", x(1, 5, 5, 4), x(3, 3, 2, 6), label="groups", padding="SAME", strides=[1, 1, 1, 1])
op(
    "Conv2D",
    x(1, 5, 5, 2),
    x(3, 3, 2, 2),
    label="explicit",
    padding="EXPLICIT",
    strides=[1, 2, 2, 1],
    explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0],
)


def first(y):
    return np.moveaxis(y, -1, 1)


im, ke = x(2, 5, 6, 3), x(3, 3, 3, 4)
op(
    "Conv2D",
    first(im),
    ke,
    label="NCHW",
    padding="SAME",
    strides=[1, 1, 2, 2],
    data_format="NCHW",
    expect=[first(tf.nn.conv2d(im, ke, 2, "SAME").numpy())],
)
op("Conv3D", x(1, 4, 5, 4, 2), x(2, 3, 2, 2, 3), padding="SAME", strides=[1, 1, 2, 1, 1])
op(
    "Conv3D",
    x(1, 4, 5, 4, 2),
    x(2, 3, 2, 2, 3),
    label="VALID",
    padding="VALID",
    strides=[1, 2, 1, 1, 1],
)
for padding in ["SAME", "VALID"]:
    op(
        "DepthwiseConv2dNative",
        x(1, 5, 6, 3),
        x(3, 2, 3, 2),
        label=padding,
        padding=padding,
        strides=[1, 2, 2, 1],
    )
dk = x(3, 3, 3, 2)
op(
    "DepthwiseConv2dNative",
    first(im),
    dk,
    label="NCHW",
    padding="SAME",
    strides=[1, 1, 1, 1],
    data_format="NCHW",
    expect=[first(tf.nn.depthwise_conv2d(im, dk, [1, 1, 1, 1], "SAME").numpy())],
)
for padding, size, length in [("SAME", 8, 4), ("SAME", 7, 4), ("VALID", 9, 4), ("VALID", 10, 4)]:
    op(
        "Conv2DBackpropInput",
        np.array([2, size, size, 3], I),
        x(3, 3, 3, 2),
        x(2, length, length, 2),
        label=f"{padding} {size}",
        consts=[0],
        padding=padding,
        strides=[1, 2, 2, 1],
    )
op(
    "Conv2DBackpropInput",
    np.array([1, 5, 5, 3], I),
    x(3, 3, 3, 2),
    x(1, 5, 5, 2),
    label="1",
    consts=[0],
    padding="SAME",
    strides=[1, 1, 1, 1],
)
op(
    "Conv2DBackpropInput",
    np.array([1, 6, 6, 3], I),
    x(2, 2, 3, 2),
    x(1, 2, 2, 2),
    label="wide",
    consts=[0],
    padding="SAME",
    strides=[1, 3, 3, 1],
)
op(
    "Conv3DBackpropInputV2",
    np.array([1, 4, 6, 4, 3], I),
    x(3, 2, 3, 3, 2),
    x(1, 2, 3, 2, 2),
    consts=[0],
    padding="SAME",
    strides=[1, 2, 2, 2, 1],
)

# -- neural networks -------------------------------------------------------------------------------

op("BiasAdd", x(2, 3, 4), x(4))
op("BiasAdd", x(2, 3, 4, 2), x(3), label="NCHW", data_format="NCHW")
op("BiasAddV1", x(2, 4), x(4))
for name in ["MaxPool", "AvgPool"]:
    for padding in ["SAME", "VALID"]:
        op(
            name,
            x(2, 5, 6, 3),
            label=padding,
            ksize=[1, 3, 2, 1],
            strides=[1, 2, 2, 1],
            padding=padding,
        )
op(
    "MaxPool",
    first(im),
    label="NCHW",
    ksize=[1, 1, 2, 2],
    strides=[1, 1, 2, 2],
    padding="VALID",
    data_format="NCHW",
    expect=[first(tf.nn.max_pool2d(im, 2, 2, "VALID").numpy())],
)
op(
    "MaxPool",
    im,
    label="explicit",
    ksize=[1, 2, 2, 1],
    strides=[1, 2, 2, 1],
    padding="EXPLICIT",
    explicit_paddings=[0, 0, 1, 0, 0, 1, 0, 0],
    expect=[
        tf.nn.max_pool2d(
            np.pad(im, [(0, 0), (1, 0), (0, 1), (0, 0)], constant_values=-np.inf), 2, 2, "VALID"
        ).numpy()
    ],
)
for name in ["MaxPool3D", "AvgPool3D"]:
    op(name, x(1, 4, 5, 4, 2), ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding="SAME")
bn = x(2, 3, 4, 5), x(5), x(5), x(5), np.abs(x(5)) + 0.1
for name in ["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"]:
    run(
        name,
        lambda name=name: getattr(raw, name)(
            x=P(bn[0]),
            scale=P(bn[1]),
            offset=P(bn[2]),
            mean=P(bn[3]),
            variance=P(bn[4]),
            epsilon=0.01,
            is_training=False,
        )[0],
    )
    run(
        name + " training",
        lambda name=name: list(
            getattr(raw, name)(
                x=P(bn[0]),
                scale=P(bn[1]),
                offset=P(bn[2]),
                mean=tf.zeros([0]),
                variance=tf.zeros([0]),
                epsilon=0.01,
                is_training=True,
            )[:3]
        ),
    )
for name in ["ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic"]:
    op(name, x(1, 3, 4, 2), np.array([5, 7], I), consts=[1], half_pixel_centers=True)
op("ResizeNearestNeighbor", x(1, 3, 4, 2), np.array([6, 4], I), label="older", consts=[1])
op(
    "ResizeNearestNeighbor",
    np.arange(4, dtype=I).reshape(1, 2, 2, 1),
    np.array([3, 3], I),
    label="int32",
    consts=[1],
    half_pixel_centers=True,
)
op("LRN", x(1, 2, 2, 7), depth_radius=2, bias=1.5, alpha=0.7, beta=0.6)
op("Softmax", x(2, 3, 4, scale=3))
op("LogSoftmax", x(2, 3, scale=3))
lg = x(3, 4)
op("SoftmaxCrossEntropyWithLogits", lg, tf.nn.softmax(x(3, 4)).numpy())
op("SparseSoftmaxCrossEntropyWithLogits", lg, np.array([1, 0, 3], I))

# -- reductions ------------------------------------------------------------------------------------

for name in ["Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"]:
    op(name, x(2, 3, 4), np.array([0, -1], I), consts=[1])
    op(name, x(2, 3), np.array(1, I), label="kept", consts=[1], keep_dims=True)
for name in ["Sum", "Mean", "Max", "Min", "Prod"]:
    op(name, np.array([[5, -3, 2], [7, 7, -9]], I), np.array([1], I), label="int32", consts=[1])
    op(name, np.array([5, -3, 3], I), np.array([0], L), label="vector", consts=[1])
op("Sum", x(2, 3), np.array([], I), label="no axis", consts=[1])
for name in ["Any", "All"]:
    op(name, np.array([[True, False], [True, True]]), np.array([1], I), consts=[1])
    op(name, np.array([True, False]), np.array([0], I), label="vector", consts=[1], keep_dims=True)
op("L2Loss", x(2, 3))
ties = np.array([[3.0, 1.0, 3.0], [-1.0, -1.0, -2.0]], F)
for name in ["ArgMax", "ArgMin"]:
    op(name, ties, np.array(-1, I), consts=[1])
    op(name, ties.astype(I), np.array(0, I), label="int32", consts=[1], output_type=tf.int32)
for name in ["Cumsum", "Cumprod"]:
    op(name, x(2, 4), np.array(1, I), consts=[1])
    op(name, x(2, 4), np.array(-1, I), label="options", consts=[1], exclusive=True, reverse=True)
op("Cumsum", np.array([1, 2, 3], I), np.array(0, I), label="int32", consts=[1])
op(
    "TopKV2",
    np.array([[1.0, 5.0, 5.0, -np.inf], [0.0, -1.0, 2.0, 2.0]], F),
    np.array(3, I),
    consts=[1],
)
op("TopKV2", np.array([4, 9, -3, 9], I), np.array(4, I), label="int32", consts=[1])
op("TopKV2", np.array([-np.inf, -np.inf, 1.0], F), np.array(3, I), label="infinite", consts=[1])

# -- shapes ----------------------------------------------------------------------------------------

op("Shape", x(2, 3))
op("Shape", x(2, 3), label="int64", out_type=tf.int64)
op("ShapeN", [x(2, 3), x(4)])
op("Size", x(2, 3))
op("Rank", x(2, 3))
op("Reshape", x(2, 6), np.array([3, -1], I), consts=[1])
op("Reshape", np.arange(6, dtype=I), np.array([2, 3], L), label="int32", consts=[1])
op("Squeeze", x(1, 2, 1))
op("Squeeze", x(1, 2, 1), label="axis", axis=[-1])
op("ExpandDims", x(2, 3), np.array(-1, I), consts=[1])
op("ExpandDims", np.array([4, 5], I), np.array(0, I), label="int32", consts=[1])
op("EnsureShape", x(2, 3), shape=[None, 3])
op("BroadcastTo", x(3, 1), np.array([2, 3, 4], I), consts=[1])
op("BroadcastTo", np.array(7, I), np.array([2, 2], I), label="int32", consts=[1])
op("BroadcastArgs", np.array([2, 1, 3], I), np.array([4, 1], I), consts=[0, 1])
op("Fill", np.array([2, 3], I), np.array(1.5, F), consts=[0])
op("Fill", np.array([2, 3], I), np.array(4, I), label="int32", consts=[0])
op("Fill", np.array([2], I), np.array(True), label="bool", consts=[0])
for name in ["ZerosLike", "OnesLike"]:
    op(name, x(2, 3))
    op(name, np.array([4, 5], I), label="int32")
op("Range", np.array(2, I), np.array(11, I), np.array(3, I), consts=[0, 1, 2])
op("Range", np.array(5, I), np.array(-4, I), np.array(-2, I), label="back", consts=[0, 1, 2])
op("Range", np.array(0, I), np.array(300, I), np.array(1, I), label="long", consts=[0, 1, 2])
op("Range", np.array(0.5, F), np.array(3.0, F), np.array(0.5, F), label="float", consts=[0, 1, 2])
op("LinSpace", np.array(-1.0, F), np.array(2.0, F), np.array(5, I), consts=[2])
op("LinSpace", np.array(-1.0, F), np.array(2.0, F), np.array(1, I), label="one", consts=[2])
op("InvertPermutation", np.array([2, 0, 3, 1], I), consts=[0])

# -- elements that move ----------------------------------------------------------------------------


def slice_case(label, shape, key, data=None):
    data = x(*shape) if data is None else data
    run(f"StridedSlice {label}", lambda: P(data)[key])


slice_case("plain", (4, 5, 6), np.s_[1:3, :, 2])
slice_case("steps", (7, 6), np.s_[1:6:2, ::3])
slice_case("back", (7, 6), np.s_[::-1, 4:1:-2])
slice_case("negative", (5, 6), np.s_[-3:-1, -2])
slice_case("ellipsis", (2, 3, 4, 5), np.s_[1, ..., 2:4])
slice_case("new axis", (3, 4), np.s_[:, tf.newaxis, 1:, tf.newaxis])
slice_case("clamped", (3, 4), np.s_[1:100, -100:2])
slice_case("back to the start", (5,), np.s_[3::-1])
slice_case("back clamped", (5,), np.s_[100:-100:-2])
slice_case("empty", (5, 2), np.s_[4:2])
slice_case("lengths", None, np.s_[1:], np.array([5, 6, 7], I))
slice_case("one length", None, np.s_[-1], np.array([5, 6, 7], I))
op("Slice", x(4, 5), np.array([1, 0], I), np.array([2, -1], I), consts=[1, 2])
op(
    "Slice",
    np.array([4, 5, 6], I),
    np.array([1], I),
    np.array([2], I),
    label="int32",
    consts=[1, 2],
)
op("Split", np.array(1, I), x(2, 6), consts=[0], num_split=3)
op("SplitV", x(2, 6), np.array([1, -1, 2], I), np.array(-1, I), consts=[1, 2], num_split=3)
op("Unpack", x(2, 3), num=3, axis=1)
op("Unpack", np.array([7, 8], I), label="int32", num=2)
op("Pack", [x(2, 3), x(2, 3)], axis=1)
op("Pack", [np.array(3, I), np.array(4, I)], label="int32")
op("Pack", [np.array([3, 1], I), np.array([4, 2], I)], label="vectors")
op("ConcatV2", [x(2, 3), x(2, 1)], np.array(-1, I), consts=[1])
op("ConcatV2", [np.array([3], I), np.array([4, 5], I)], np.array(0, I), label="int32", consts=[1])
op("Concat", np.array(0, I), [x(1, 3), x(2, 3)], consts=[0])
op("Transpose", x(2, 3, 4), np.array([2, 0, 1], I), consts=[1])
op("Tile", x(2, 3), np.array([2, 3], I), consts=[1])
op("Tile", x(1, 3), np.array([4, 1], I), label="rows", consts=[1])
op("Pad", x(2, 3), np.array([[1, 0], [0, 2]], I), consts=[1])
op("Pad", np.array([[1, 2]], I), np.array([[1, 0], [0, 2]], I), label="int32", consts=[1])
op("PadV2", x(2, 3), np.array([[1, 0], [0, 2]], I), np.array(2.5, F), consts=[1])
op("MirrorPad", x(3, 4), np.array([[1, 1], [2, 0]], I), consts=[1], mode="REFLECT")
op(
    "MirrorPad",
    x(3, 4),
    np.array([[1, 1], [2, 0]], I),
    label="symmetric",
    consts=[1],
    mode="SYMMETRIC",
)
op("ReverseV2", x(2, 3), np.array([-1, 0], I), consts=[1])
op("Reverse", x(2, 3), np.array([False, True]), consts=[1])
op("Roll", x(3, 4), np.array([1, -6], I), np.array([0, 1], I), consts=[1, 2])
op("GatherV2", x(3, 4), np.array([[2, 0], [1, 1]], I), np.array(1, I), consts=[2])
op(
    "GatherV2",
    np.array([7, 8, 9], I),
    np.array([2, 0], I),
    np.array(0, I),
    label="int32",
    consts=[2],
)
op(
    "GatherV2",
    x(2, 3, 4),
    np.array([[1, 0], [2, 2]], I),
    np.array(1, I),
    label="shared",
    consts=[2],
    batch_dims=1,
)
op(
    "GatherV2",
    x(2, 5, 3, 4),
    np.array([[1, 0, 2], [2, 2, 0]], I),
    np.array(2, I),
    label="moved",
    consts=[2],
    batch_dims=1,
)
op("Gather", x(4, 3), np.array([3, 1], I))
op("GatherNd", x(3, 4, 2), np.array([[2, 1], [0, 3]], I))
op("GatherNd", x(3, 4), np.array([[[2]], [[0]]], I), label="rows")
op(
    "OneHot",
    np.array([2, 0, -1], I),
    np.array(3, I),
    np.array(1.0, F),
    np.array(0.0, F),
    consts=[1, 2, 3],
)
op(
    "OneHot",
    np.array([[2, 0]], I),
    np.array(3, I),
    np.array(5, I),
    np.array(-1, I),
    label="axis 0",
    consts=[1, 2, 3],
    axis=0,
)
for low, high in [(0, -1), (-1, 0), (1, 2), (-1, -1)]:
    op(
        "MatrixBandPart",
        x(2, 4, 5),
        np.array(low, I),
        np.array(high, I),
        label=f"{low} {high}",
        consts=[1, 2],
    )
op("MatrixDiag", x(2, 3))
op("MatrixDiagPart", x(2, 3, 4))
op("ReverseSequence", x(3, 4, 2), np.array([1, 4, 0], I), seq_dim=1)
op("ReverseSequence", x(4, 3), np.array([2, 3, 4], I), label="time first", seq_dim=0, batch_dim=1)
op(
    "SpaceToBatchND",
    x(2, 4, 5, 3),
    np.array([2, 3], I),
    np.array([[0, 0], [1, 0]], I),
    consts=[1, 2],
)
op(
    "BatchToSpaceND",
    x(12, 2, 2, 3),
    np.array([2, 3], I),
    np.array([[0, 1], [1, 0]], I),
    consts=[1, 2],
)
op(
    "SpaceToBatchND",
    x(2, 7, 3),
    np.array([2], I),
    np.array([[2, 1]], I),
    label="sequence",
    consts=[1, 2],
)
op("SpaceToDepth", x(2, 4, 6, 3), block_size=2)
op("DepthToSpace", x(2, 2, 3, 8), block_size=2)
sd = x(1, 4, 4, 2)
op(
    "SpaceToDepth",
    first(sd),
    label="NCHW",
    block_size=2,
    data_format="NCHW",
    expect=[first(tf.nn.space_to_depth(sd, 2).numpy())],
)

# -- what has no arithmetic ------------------------------------------------------------------------

op("Identity", x(2))
op("IdentityN", [x(2), np.array([3], I)])
op("StopGradient", x(2))
op("PreventGradient", x(2), message="no")
op("CheckNumerics", x(2), message="bad")
op("PlaceholderWithDefault", x(2), shape=[None])
run(
    "Const",
    lambda: [
        tf.identity(tf.constant(v))
        for v in (
            x(2, 3),
            np.array([[1, -2], [3, 4]], I),
            np.array([True, False]),
            np.array(2**20, L),
            np.array([1.5, 2.5], np.float16),
            np.array([1, 2], np.uint8),
            np.zeros([0, 2], F),
            np.arange(-20, 20, dtype=I),
        )
    ],
)


def checks():
    t = P(x(2))
    with tf.control_dependencies(
        [
            raw.Assert(condition=tf.constant(True), data=[t]),
            raw.NoOp(),
            raw.PrintV2(input=tf.constant("hello"), output_stream="stderr"),
        ]
    ):
        return [
            raw.Print(input=t, data=[t]),
            raw.Assert(condition=tf.constant(True), data=[t]),
            raw.NoOp(),
            raw.PrintV2(input=tf.constant("hello")),
        ]


run("checks", checks)

# -- shapes that are computed ----------------------------------------------------------------------


def rows_flat():
    t = P(x(3, 4, 5), [None, 4, 5])
    n = tf.shape(t)[0]
    return [
        tf.reshape(t, tf.stack([n, -1])),
        tf.reshape(t, tf.stack([n, 20])),
        tf.fill(tf.stack([n, 2]), 1.0),
        tf.range(n),
        tf.cast(n, tf.float32) * 2.0,
        tf.reduce_prod(tf.shape(t)[1:]),
        tf.zeros(tf.concat([tf.shape(t)[:1], [7]], 0)),
        tf.tile(tf.ones([1, 2]), tf.stack([n, 1])),
        n // 2,
        n % 2,
        tf.maximum(n, 2),
        tf.minimum(n, 2),
        tf.broadcast_dynamic_shape(tf.shape(t), [4, 1]),
        n - 5,
        tf.equal(n, n),
        tf.less(n, 10),
        tf.where(tf.equal(n, n), n, 0),
        tf.transpose(t, [0, 2, 1])[:, ::-1, 1:n],
    ]


run("lengths", rows_flat, only="run")

# -- random numbers --------------------------------------------------------------------------------

many = np.array([64, 128], I)
op("RandomUniform", many, label="", consts=[0], random=[0.5, 0.288675, 0, 1], dtype=tf.float32)
op("RandomStandardNormal", many, consts=[0], random=[0, 1, -7, 7], dtype=tf.float32)
op("TruncatedNormal", many, consts=[0], random=[0, 0.8796, -2, 2], dtype=tf.float32)
op(
    "RandomUniformInt",
    many,
    np.array(-3, I),
    np.array(5, I),
    consts=[0, 1, 2],
    random=[0.5, 2.2913, -3, 4],
)
seed = np.array([3, 9], I)
op("StatelessRandomUniform", many, seed, consts=[0, 1], random=[0.5, 0.288675, 0, 1])
op("StatelessRandomNormal", many, seed, consts=[0, 1], random=[0, 1, -7, 7])
op("StatelessTruncatedNormal", many, seed, consts=[0, 1], random=[0, 0.8796, -2, 2])
op(
    "StatelessRandomUniformInt",
    many,
    seed,
    np.array(-3, I),
    np.array(5, I),
    consts=[0, 1, 2, 3],
    random=[0.5, 2.2913, -3, 4],
)


def stateless(name, *more):
    def build():
        key = raw.StatelessRandomGetKeyCounter(seed=tf.constant(seed))
        algorithm = raw.StatelessRandomGetAlg()
        return getattr(raw, name)(
            shape=tf.constant(many),
            key=key.key,
            counter=key.counter,
            alg=algorithm,
            **dict(zip(["minval", "maxval"], more)),
        )

    return build


run("StatelessRandomUniformV2", stateless("StatelessRandomUniformV2"), random=[0.5, 0.288675, 0, 1])
run("StatelessRandomNormalV2", stateless("StatelessRandomNormalV2"), random=[0, 1, -7, 7])
run(
    "StatelessTruncatedNormalV2", stateless("StatelessTruncatedNormalV2"), random=[0, 0.8796, -2, 2]
)
run(
    "StatelessRandomUniformIntV2",
    stateless("StatelessRandomUniformIntV2", -3, 5),
    random=[0.5, 2.2913, -3, 4],
)

# -- variables -------------------------------------------------------------------------------------


def resource(work):
    def build():
        v = v1.get_variable("v", initializer=tf.constant(x(4, 3)), use_resource=True)
        return work(v, v.handle)

    return build


def reference(work):
    def build():
        v = v1.get_variable("v", initializer=tf.constant(x(4, 3)), use_resource=False)
        return work(v, v._variable)

    return build


run("ReadVariableOp", resource(lambda v, h: raw.ReadVariableOp(resource=h, dtype=tf.float32)))
run("AssignVariableOp", resource(lambda v, h: raw.AssignVariableOp(resource=h, value=P(x(4, 3)))))
run(
    "AssignAddVariableOp",
    resource(lambda v, h: raw.AssignAddVariableOp(resource=h, value=P(x(4, 3)))),
)
run(
    "AssignSubVariableOp",
    resource(lambda v, h: raw.AssignSubVariableOp(resource=h, value=P(x(4, 3)))),
)
run(
    "ResourceApplyGradientDescent",
    resource(
        lambda v, h: raw.ResourceApplyGradientDescent(
            var=h, alpha=tf.constant(0.25), delta=P(x(4, 3))
        )
    ),
)
run(
    "ResourceGather",
    resource(
        lambda v, h: raw.ResourceGather(
            resource=h, indices=P(np.array([[3], [0]], I)), dtype=tf.float32
        )
    ),
)
run("VariableShape", resource(lambda v, h: raw.VariableShape(input=h)))
run("VarIsInitializedOp", resource(lambda v, h: raw.VarIsInitializedOp(resource=h)))
run(
    "DisableCopyOnRead",
    resource(
        lambda v, h: [
            raw.DisableCopyOnRead(resource=h),
            raw.ReadVariableOp(resource=h, dtype=tf.float32),
        ]
    ),
)
run("Assign", reference(lambda v, h: v1.assign(v, P(x(4, 3)))))
run("AssignAdd", reference(lambda v, h: v1.assign_add(v, P(x(4, 3)))))
run("AssignSub", reference(lambda v, h: v1.assign_sub(v, P(x(4, 3)))))
run(
    "ApplyGradientDescent",
    reference(
        lambda v, h: raw.ApplyGradientDescent(var=h, alpha=tf.constant(0.25), delta=P(x(4, 3)))
    ),
)
run("IsVariableInitialized", reference(lambda v, h: raw.IsVariableInitialized(ref=h)))
run("VariableV2 used", reference(lambda v, h: tf.matmul(P(x(2, 4)), v) + 1.0))

# -- lists of tensors ------------------------------------------------------------------------------


def lists():
    t = P(x(3, 2))
    stacked = raw.TensorListFromTensor(tensor=t, element_shape=tf.constant([2]))
    empty = raw.TensorListReserve(
        element_shape=tf.constant([2]), num_elements=2, element_dtype=tf.float32
    )
    one = raw.TensorListSetItem(input_handle=empty, index=1, item=t[0])
    changed = raw.TensorListSetItem(input_handle=stacked, index=1, item=t[2])
    pushed = raw.EmptyTensorList(
        element_shape=tf.constant([2]), max_num_elements=-1, element_dtype=tf.float32
    )
    pushed = raw.TensorListPushBack(input_handle=pushed, tensor=t[1])
    pushed = raw.TensorListPushBack(input_handle=pushed, tensor=t[0])

    def stack(handle):
        return raw.TensorListStack(
            input_handle=handle, element_shape=tf.constant([2]), element_dtype=tf.float32
        )

    return [
        stack(stacked),
        stack(empty),
        stack(one),
        stack(changed),
        stack(pushed),
        raw.TensorListGetItem(
            input_handle=stacked, index=2, element_shape=tf.constant([2]), element_dtype=tf.float32
        ),
        raw.TensorListGetItem(
            input_handle=one, index=1, element_shape=tf.constant([2]), element_dtype=tf.float32
        ),
        raw.TensorListLength(input_handle=pushed),
        raw.TensorListLength(input_handle=stacked),
        raw.TensorListElementShape(input_handle=stacked, shape_type=tf.int32),
    ]


run("lists", lists)


def picked():
    t, i, j = P(x(3, 4, 5)), P(np.array(-1, I)), P(np.array(2, I))
    return [t[i], t[:, j], t[i, ..., j], t[j, tf.newaxis, :, i]]


run("StridedSlice at places from data", picked)

"""Training code as users of Keras write it, for ebb and for Keras: nothing but imports differs.

Each case is called with the modules ``keras`` and ``tf`` of one of them and gives named arrays.
The numbers of Keras are in tape.npz, made by make_tape.py.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

Arrays = dict[str, Any]


def numbers(shape: tuple[int, ...], phase: float = 0.0, scale: float = 1.0) -> Any:
    """Numbers that are the same everywhere."""
    count = int(np.prod(shape))
    return (np.sin(np.arange(count) * 1.7 + phase) * scale).astype(np.float32).reshape(shape)


def fill(model: Any, scale: float = 0.5) -> None:
    """Weights that are the same everywhere; variances stay above 0."""
    made = []
    for place, (variable, weight) in enumerate(zip(model.weights, model.get_weights())):
        values = numbers(weight.shape, place * 0.3, scale)
        if "variance" in variable.name or "gamma" in variable.name:
            values = 1.0 + np.abs(values)
        made.append(values.astype(weight.dtype))
    model.set_weights(made)


def told(prefix: str, gradients: Any) -> Arrays:
    """Gradients by number; those that are None by that."""
    return {
        f"{prefix}{i}": np.zeros((0,)) if gradient is None else dense(gradient)
        for i, gradient in enumerate(gradients)
    }


def dense(gradient: Any) -> Any:
    """An array; TensorFlow gives the rows of an embedding that were used."""
    if not hasattr(gradient, "dense_shape"):
        return np.asarray(gradient)
    made = np.zeros(np.asarray(gradient.dense_shape), np.float32)
    np.add.at(made, np.asarray(gradient.indices), np.asarray(gradient.values))
    return made


def mlp(keras: Any, tf: Any) -> Arrays:
    """The guide "Writing a training loop from scratch", with gradients applied by hand."""
    inputs = keras.Input(shape=(6,), name="digits")
    x = keras.layers.Dense(8, activation="relu")(inputs)
    x = keras.layers.Dense(8, activation="tanh")(x)
    model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(3)(x))
    fill(model)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = []
    for step in range(3):
        x_batch, y_batch = numbers((5, 6), step), (np.arange(5) + step) % 3
        with tf.GradientTape() as tape:
            logits = model(x_batch, training=True)
            loss_value = loss_fn(y_batch, logits)
        grads = tape.gradient(loss_value, model.trainable_weights)
        for variable, gradient in zip(model.trainable_weights, grads):
            variable.assign_sub(0.1 * gradient)
        losses.append(float(loss_value))
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    return {"losses": np.array(losses), **told("g", grads), **weights}


def cnn(keras: Any, tf: Any) -> Arrays:
    """Convolutions with batch normalization, as in training and as in predictions."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            keras.layers.Conv2D(4, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.LeakyReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    fill(model)
    x, y = numbers((4, 8, 8, 2)), np.array([[0.0], [1.0], [1.0], [0.0]], np.float32)
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    made: Arrays = {}
    for training in (True, False):
        with tf.GradientTape() as tape:
            loss = bce(y, model(x, training=training))
        made.update(told(f"{training}", tape.gradient(loss, model.trainable_variables)))
        made[f"loss{training}"] = np.asarray(loss)
    made["mean"], made["variance"] = (np.asarray(v) for v in model.non_trainable_variables)
    return made


def lstm(keras: Any, tf: Any) -> Arrays:
    """Recurrent layers behind an embedding with a mask."""
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(10, 4, mask_zero=True),
            keras.layers.LSTM(5, return_sequences=True),
            keras.layers.GRU(3),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    fill(model)
    x = np.array([[1, 2, 3, 4, 0, 0, 0], [5, 6, 7, 8, 9, 1, 2]], np.int32)
    y = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    with tf.GradientTape() as tape:
        loss = keras.losses.CategoricalCrossentropy()(y, model(x, training=True))
    return {"loss": np.asarray(loss), **told("g", tape.gradient(loss, model.trainable_variables))}


def attention(keras: Any, tf: Any) -> Arrays:
    """A block of a transformer; gradients of the input as well."""
    inputs = keras.Input((4, 6))
    x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
    x = keras.layers.LayerNormalization()(x + inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    fill(model)
    x = tf.constant(numbers((3, 4, 6)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean(tf.square(model(x) - 1.0))
    grads = tape.gradient(loss, [x, *model.trainable_variables])
    return {"loss": np.asarray(loss), **told("g", grads)}


def shared(keras: Any, tf: Any) -> Arrays:
    """A tower that two inputs share, and a model that is called twice on one tape."""
    tower = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, activation="tanh")])
    first, second = keras.Input((5,)), keras.Input((5,))
    distance = keras.layers.Subtract()([tower(first), tower(second)])
    model = keras.Model([first, second], keras.layers.Dense(1)(distance))
    fill(model)
    a, b = numbers((3, 5)), numbers((3, 5), 1.0)
    with tf.GradientTape(persistent=True) as tape:
        y = model([a, b])
        again = model([b, a], training=True)
        inner = tower(a)
        loss = tf.reduce_sum(y * y) + tf.reduce_sum(tf.abs(again)) + tf.reduce_sum(inner)
    made = told("g", tape.gradient(loss, model.trainable_variables))
    made.update(told("i", tape.gradient(inner, model.trainable_variables)))
    return made


def gan(keras: Any, tf: Any) -> Arrays:
    """The step of the DCGAN tutorial, two tapes; then losses of Keras's own example."""
    generator = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4 * 4 * 3, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.LeakyReLU(),
            keras.layers.Reshape((4, 4, 3)),
            keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(3, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.LeakyReLU(0.2),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    fill(generator)
    fill(discriminator)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    noise, images = numbers((5, 4)), numbers((5, 8, 8, 1), 0.5)
    with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
        generated_images = generator(noise, training=True)
        real_output = discriminator(images, training=True)
        fake_output = discriminator(generated_images, training=True)
        gen_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
        real_loss = cross_entropy(tf.ones_like(real_output), real_output)
        fake_loss = cross_entropy(tf.zeros_like(fake_output), fake_output)
        disc_loss = real_loss + fake_loss
    of_generator = gen_tape.gradient(gen_loss, generator.trainable_variables)
    of_discriminator = disc_tape.gradient(disc_loss, discriminator.trainable_variables)
    made = {"gen_loss": np.asarray(gen_loss), "disc_loss": np.asarray(disc_loss)}
    made.update(told("g", of_generator))
    made.update(told("d", of_discriminator))
    for name, model in (("gm", generator), ("dm", discriminator)):
        made.update(told(name, model.non_trainable_variables))
    return made


def gradcam(keras: Any, tf: Any) -> Arrays:
    """The Grad-CAM example: gradients of a class with respect to an inner layer's output."""
    inputs = keras.Input((10, 10, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    x = keras.layers.Conv2D(5, 3, activation="relu", name="last_conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    fill(model)
    image = numbers((1, 10, 10, 1))
    grad_model = keras.models.Model(
        model.inputs, [model.get_layer("last_conv").output, model.output]
    )
    with tf.GradientTape() as tape:
        last_conv_layer_output, preds = grad_model(image)
        pred_index = tf.argmax(preds[0])
        class_channel = preds[:, pred_index]
    grads = tape.gradient(class_channel, last_conv_layer_output)
    pooled_grads = tf.reduce_mean(grads, axis=(0, 1, 2))
    last_conv_layer_output = last_conv_layer_output[0]
    heatmap = last_conv_layer_output @ pooled_grads[..., tf.newaxis]
    heatmap = tf.squeeze(heatmap)
    heatmap = tf.maximum(heatmap, 0) / tf.math.reduce_max(heatmap)
    return {"heatmap": heatmap.numpy(), "grads": np.asarray(grads)}


def saliency(keras: Any, tf: Any) -> Arrays:
    """The gradient of the image, by a variable and by a watched tensor."""
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, activation="relu"),
         keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    )  # fmt: skip
    fill(model)
    image = tf.Variable(numbers((1, 6, 6, 1)))
    with tf.GradientTape() as tape:
        pred = model(image, training=False)
        loss = pred[0][2]
    grads = tape.gradient(loss, image)
    image2 = tf.convert_to_tensor(numbers((2, 6, 6, 1), 0.4))
    with tf.GradientTape() as tape:
        tape.watch(image2)
        loss = keras.losses.categorical_crossentropy(tf.one_hot([1, 2], 4), model(image2))
    return {"saliency": np.asarray(grads), "adversary": np.asarray(tape.gradient(loss, image2))}


def multi(keras: Any, tf: Any) -> Arrays:
    """Outputs by name, penalties of weights and of what layers give."""
    inputs = keras.Input((5,))
    x = keras.layers.Dense(
        6, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01),
        bias_regularizer=keras.regularizers.L1(0.02), activity_regularizer="l2",
    )(inputs)  # fmt: skip
    a = keras.layers.Dense(2, name="a")(x)
    b = keras.layers.Dense(3, activation="softmax", name="b")(x)
    model = keras.Model(inputs, {"a": a, "b": b})
    fill(model)
    x = numbers((4, 5))
    with tf.GradientTape() as tape:
        y = model(x, training=True)
        loss = keras.losses.MeanSquaredError()(np.ones((4, 2), np.float32), y["a"])
        loss += 0.5 * keras.losses.SparseCategoricalCrossentropy()(np.array([0, 1, 2, 0]), y["b"])
        penalty = sum(model.losses)
        loss += penalty
    grads = tape.gradient(loss, model.trainable_variables)
    return {"loss": np.asarray(loss), "penalty": np.asarray(penalty), **told("g", grads)}


def vae(keras: Any, tf: Any) -> Arrays:
    """Encoder, sampling with ops of Keras, decoder; the losses of the VAE example."""
    ops = keras.ops
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, activation="relu")(inputs)
    encoder = keras.Model(inputs, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6, activation="sigmoid")])
    fill(encoder)
    fill(decoder)
    data, epsilon = np.abs(numbers((4, 6))), numbers((4, 2), 0.3)
    with tf.GradientTape() as tape:
        z_mean, z_log_var = encoder(data)
        z = z_mean + ops.exp(0.5 * z_log_var) * epsilon
        reconstruction = decoder(z)
        reconstruction_loss = ops.mean(
            ops.sum(ops.square(data - reconstruction), axis=-1)
            + keras.losses.binary_crossentropy(data, reconstruction)
        )
        kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
        total_loss = reconstruction_loss + kl_loss
    weights = encoder.trainable_weights + decoder.trainable_weights
    return {"loss": np.asarray(total_loss), **told("g", tape.gradient(total_loss, weights))}


def actor_critic(keras: Any, tf: Any) -> Arrays:
    """The actor-critic example: a step of the model for each moment, then one gradient."""
    inputs = keras.layers.Input(shape=(4,))
    common = keras.layers.Dense(8, activation="relu")(inputs)
    action = keras.layers.Dense(2, activation="softmax")(common)
    critic = keras.layers.Dense(1)(common)
    model = keras.Model(inputs=inputs, outputs=[action, critic])
    fill(model)
    huber_loss = keras.losses.Huber()
    with tf.GradientTape() as tape:
        actor_losses, critic_losses = [], []
        for step in range(3):
            state = tf.expand_dims(tf.convert_to_tensor(numbers((4,), step)), 0)
            action_probs, critic_value = model(state)
            log_prob = tf.math.log(action_probs[0, step % 2])
            value, ret = critic_value[0, 0], 0.5 * step
            diff = ret - value
            actor_losses.append(-log_prob * diff)
            critic_losses.append(huber_loss(tf.expand_dims(value, 0), tf.expand_dims(ret, 0)))
        loss_value = sum(actor_losses) + sum(critic_losses)
    grads = tape.gradient(loss_value, model.trainable_variables)
    return {"loss": np.asarray(loss_value), **told("g", grads)}


def style(keras: Any, tf: Any) -> Arrays:
    """Style transfer: an image is trained on Gram matrices of inner activations."""
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    y = keras.layers.Conv2D(3, 3, activation="relu")(x)
    extractor = keras.Model(inputs, [x, y])
    extractor.trainable = False
    fill(extractor)

    def gram(tensor: Any) -> Any:
        result = tf.linalg.einsum("bijc,bijd->bcd", tensor, tensor)
        shape = tf.shape(tensor)
        return result / tf.cast(shape[1] * shape[2], tf.float32)

    targets = [gram(output) for output in extractor(numbers((1, 6, 6, 3), 2.0))]
    image = tf.Variable(numbers((1, 6, 6, 3)))
    for _ in range(2):
        with tf.GradientTape() as tape:
            outputs = extractor(image)
            loss = tf.add_n([tf.reduce_mean((gram(o) - t) ** 2) for o, t in zip(outputs, targets)])
        grad = tape.gradient(loss, image)
        image.assign(tf.clip_by_value(image - 0.1 * grad, -1.0, 1.0))
    return {"loss": np.asarray(loss), "image": image.numpy(), "grad": np.asarray(grad)}


def own_layers(keras: Any, tf: Any) -> Arrays:
    """Layers of the user's, with weights of their own, shared, nested, with losses."""
    ops = keras.ops

    class Linear(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(input_shape[-1], self.units), name="w")
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

        def call(self, inputs: Any) -> Any:
            return ops.matmul(inputs, self.w) + self.b

    class Decides(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.scale = Linear(3), self.add_weight(shape=(3,), name="scale")

        def call(self, x: Any) -> Any:
            for _ in range(3):
                if float(np.asarray(ops.sum(x))) > 1.0:
                    x = x * 0.5
            h = self.linear(x) * self.scale
            self.add_loss(0.1 * ops.sum(ops.square(h)))
            return h

    layer = Decides()
    x = numbers((4, 3)) + 1.0
    layer(x)
    fill(layer)
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
        loss = ops.mean(ops.square(y)) + sum(layer.losses)
    grads = tape.gradient(loss, layer.trainable_weights)
    linear = Linear(2)
    linear(x)
    fill(linear)
    with tf.GradientTape() as tape:
        loss2 = tf.reduce_sum(ops.relu(ops.matmul(x, linear.w)) + linear.b)
    made = {"loss": np.asarray(loss), "loss2": np.asarray(loss2), **told("g", grads)}
    made.update(told("l", tape.gradient(loss2, [linear.w, linear.b])))
    return made


CASES: dict[str, Callable[[Any, Any], Arrays]] = {
    case.__name__: case
    for case in (
        mlp, cnn, lstm, attention, shared, gan, gradcam, saliency, multi, vae, actor_critic,
        style, own_layers,
    )
}  # fmt: skip

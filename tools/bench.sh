#!/bin/sh
# The benchmark of bench/README.md. Usage: tools/bench.sh [BUILD]. BENCH_MODELS: folder of the models (default:
# BUILD/bench-models, made when missing); PYTHON: an interpreter with the runtimes to compare with.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
models=${BENCH_MODELS:-$build/bench-models}
python=${PYTHON:-python3}

cmake -S . -B "$build" -DEBB_BENCH=ON >"$build/bench.log" 2>&1 &&
    cmake --build "$build" --target bench_latency bench_lifecycle bench_lifecycle_train bench_train_step bench_shrink \
    bench_session >>"$build/bench.log" 2>&1 || {
    cat "$build/bench.log"
    exit 1
}
if [ ! -f "$models/resnet50.answer.npy" ]; then
    "$python" -c 'import keras, tensorflow' 2>/dev/null || {
        echo "the models are missing: $python needs tensorflow and keras to make them (or set PYTHON, BENCH_MODELS)"
        exit 1
    }
    "$python" bench/prepare.py "$models"
fi
echo "-- start"
"$build/bench/bench_lifecycle" start
for model in mlp mobilenetv2 resnet50 vgg16; do
    [ -f "$models/$model.keras" ] || continue
    echo "-- load and unload $model"
    "$build/bench/bench_lifecycle" load "$models/$model.keras"
done
for model in mobilenetv2 resnet50; do
    echo "-- ${BENCH_CYCLES:-50} cycles of $model"
    "$build/bench/bench_lifecycle" cycles "${BENCH_CYCLES:-50}" "$models/$model.keras"
done
echo "-- latency, one row"
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" bench/peers.py --ebb "$build/bench/bench_latency" --models "$models"
else
    for model in tiny mlp cnn lstm mobilenetv2 resnet50; do
        echo "$model: $("$build/bench/bench_latency" "$models/$model.keras")"
    done
fi
for model in mlp mobilenetv2 resnet50; do
    echo "-- $model with smaller weights"
    "$build/bench/bench_shrink" "$models/$model.keras"
done
echo "-- sessions"
"$build/bench/bench_session" all
echo "-- models trained and dropped"
"$build/bench/bench_lifecycle_train"
echo "-- training, 32 rows"
"$python" -c 'import keras, tensorflow' 2>/dev/null || {
    echo "training is not measured: $python needs tensorflow and keras (set PYTHON)"
    exit 0
}
"$python" bench/prepare_training.py "$models/training"
"$python" bench/train.py --ebb "$build/bench/bench_train_step" --models "$models/training"

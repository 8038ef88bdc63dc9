#!/bin/sh
# Every command of `ebb` as a user calls it: status, text on stdout and stderr, files left behind.
# Usage: sh tests/command_test.sh path/to/ebb     from the root of the repository; needs python3 (no packages).
set -u

ebb=${1:?usage: sh tests/command_test.sh path/to/ebb}
case $ebb in */*) ebb=$(cd "$(dirname "$ebb")" && pwd)/$(basename "$ebb") ;; esac
models=examples/models
mlp=$models/digits_mlp.keras
cnn=$models/digits_cnn.h5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

pass() { passed=$((passed + 1)); }
fault() { # what, detail
    failed=$((failed + 1))
    echo "FAILED $1: $2"
    sed 's/^/    out: /' "$work/out" | head -5
    sed 's/^/    err: /' "$work/err" | head -5
}

# run STATUS NAME ARGUMENT...: runs ebb; the status must be STATUS. Its output lies in $work/out and $work/err.
run() {
    wanted=$1
    name=$2
    shift 2
    "$ebb" "$@" >"$work/out" 2>"$work/err"
    got=$?
    if [ "$got" -eq "$wanted" ]; then pass; else fault "$name" "status $got, expected $wanted: ebb $*"; fi
}
out() { # the last output must hold a line that matches
    if grep -qE -- "$1" "$work/out"; then pass; else fault "$name" "stdout lacks: $1"; fi
}
err() {
    if grep -qE -- "$1" "$work/err"; then pass; else fault "$name" "stderr lacks: $1"; fi
}
no_out() {
    if [ -s "$work/out" ]; then fault "$name" "stdout is not empty"; else pass; fi
}
no_err() {
    if [ -s "$work/err" ]; then fault "$name" "stderr is not empty"; else pass; fi
}
json() { # the last stdout must be one JSON value, and the Python expression over it (d) true
    if python3 -m json.tool <"$work/out" >/dev/null 2>&1; then pass; else fault "$name" "not JSON"; fi
    if python3 -c "import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if ($1) else 1)" "$work/out"; then
        pass
    else
        fault "$name" "not so: $1"
    fi
}
absent() { # no file of that name, nor one beside it that is half written
    set -- "$1"*
    if [ -e "$1" ]; then fault "$name" "left behind: $*"; else pass; fi
}

# near FILE EXPECTED [MEMBER]: the arrays (.npy, or the member of a .npz) have one shape and differ by at most 1e-5.
cat >"$work/near.py" <<'PYTHON'
import ast, io, struct, sys, zipfile
def read(path, member=None):
    data = zipfile.ZipFile(path).read(member + ".npy") if member else open(path, "rb").read()
    length = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10:10 + length].decode())
    count = 1
    for dim in head["shape"]:
        count *= dim
    assert head["descr"] == "<f4" and not head["fortran_order"], head
    return head["shape"], struct.unpack("<%df" % count, data[10 + length:])
a, b = read(sys.argv[1], *sys.argv[3:]), read(sys.argv[2])
worst = max(abs(x - y) for x, y in zip(a[1], b[1]))
sys.exit(0 if a[0] == b[0] and worst <= 1e-5 else "shapes %s %s, worst %g" % (a[0], b[0], worst))
PYTHON
near() {
    if python3 "$work/near.py" "$@" 2>"$work/err"; then pass; else fault "$name" "$1 is not near $2"; fi
}

# -- the front door --------------------------------------------------------------------------------------
run 0 version --version
out '^ebb [0-9]+\.[0-9]+\.[0-9]+$'
run 0 overview --help
out '^  leakcheck '
run 2 nothing
no_out
err 'usage: ebb COMMAND'
run 2 unknown sumary model.keras
no_out
err "^ebb: unknown command 'sumary'; did you mean 'summary'"
run 2 unknown-far qqqqqqqqqqqq
err "unknown command 'qqqqqqqqqqqq'; .*--help"
run 2 help-of-unknown help nonsense
for command in demo summary info check plan predict bench leakcheck profile convert rm layers devices; do
    run 0 "help-$command" "$command" --help
    out "^usage: ebb $command"
    out '^example:'
    no_err
    cp "$work/out" "$work/help"
    run 0 "help-word-$command" help "$command"
    if cmp -s "$work/out" "$work/help"; then pass; else fault "$name" 'help CMD differs from CMD --help'; fi
    run 2 "bad-option-$command" "$command" --nonsense x
    no_out
    err "^ebb: $command: unknown option --nonsense.*options: .*--help"
done
run 2 near-option plan --bach 3 "$mlp"
err 'did you mean --batch'
run 2 short-option plan -b "$mlp"
err 'unknown option --b'
run 2 value-missing plan "$mlp" --batch
err '--batch needs a whole number'
run 2 value-zero plan "$mlp" --batch 0
err "--batch expects a whole number of at least 1, got '0'"
run 2 value-negative plan "$mlp" --batch=-1
run 2 value-size plan "$mlp" --limit 12Q
err "--limit expects a size such as"
run 2 value-time bench "$mlp" --seconds fast
err "--seconds expects a duration"
run 2 flag-value plan "$mlp" --inference-only=yes
err '--inference-only takes no value'
run 2 word-missing summary
err 'usage: ebb summary MODEL'
run 2 word-extra summary "$mlp" "$cnn"
err "'$cnn' is too much"
run 3 dashes plan -- --batch
err '^ebb: --batch: '

# -- files that cannot be read ----------------------------------------------------------------------------
head -c 20000 "$mlp" >"$work/cut.keras"
head -c 20000 "$cnn" >"$work/cut.h5"
: >"$work/empty.keras"
for command in summary info check plan bench leakcheck profile; do
    run 3 "missing-$command" "$command" "$work/none.keras"
    err '^ebb: .*none\.keras: '
    run 3 "cut-keras-$command" "$command" "$work/cut.keras"
    err '^ebb: '
    run 3 "empty-$command" "$command" "$work/empty.keras"
    err '^ebb: '
done
run 3 cut-h5 info "$work/cut.h5"
err '^ebb: '

# -- summary, info, check, plan ------------------------------------------------------------------------------
run 0 summary-mlp summary "$mlp"
out 'Model: "digits_mlp"'
out 'dense \(Dense\)'
out 'Total params: 3,610'
run 0 summary-cnn summary "$cnn"
out 'Non-trainable params: 32'
run 0 summary-json summary "$mlp" --json
json 'any("3,610" in line for line in d["lines"])'

run 0 info-mlp info "$mlp"
out '^format +keras, Keras 3\.'
out '^parameters +3,610, 3,610 of them trainable'
out '^input +image +float32 +\[any, 8, 8, 1\]'
out '^output +digit +float32 +\[any, 10\]'
run 0 info-json info --json --weights "$cnn"
json 'd["format"] == "h5" and d["parameters"] == 5178 and len(d["weights"]) == d["weight_count"] == 9'
json 'd["inputs"][0]["shape"] == [None, 8, 8, 1] and sum(d["classes"][k] for k in d["classes"] if k != "code") == d["live_bytes"]'

run 0 check-both check "$mlp" "$cnn"
out 'digits_mlp\.keras: no problems'
out 'digits_cnn\.h5: no problems'
run 3 check-one-missing check "$work/none.keras" "$mlp"
out 'digits_mlp\.keras: no problems'
run 0 check-json check --json "$mlp"
json 'd[0]["status"] == "EBB_OK" and d[0]["problems"] == []'
mkdir "$work/strange"
python3 - "$mlp" "$work/strange" <<'PYTHON'
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for name in archive.namelist():
    data = archive.read(name)
    if name == "config.json":
        data = data.replace(b'"class_name": "Flatten"', b'"class_name": "Flotten"')
        data = data.replace(b'"softmax"', b'"softmex"')
    open(sys.argv[2] + "/" + name, "wb").write(data)
PYTHON
run 1 check-problems check "$work/strange"
out 'strange: 2 problems'
out 'Flotten'
out 'softmex'
no_err
run 1 check-problems-json check "$work/strange" --json
json 'len(d[0]["problems"]) == 2'
run 3 load-problems info "$work/strange"
err 'Flotten'

run 0 plan-text plan "$cnn" --batch 4 --lanes 2
out '^weights '
out '^total '
out 'batch 4, lanes 2'
run 0 plan-json plan --json "$cnn"
json 'd["fits"] and sum(d["classes"].values()) == d["total"] <= d["peak"]'
run 1 plan-limit plan --limit 200K "$cnn"
out '^total '
err '^ebb: .*204800'
run 1 plan-limit-tiny plan --limit 1K --json "$cnn"
json 'not d["fits"] and d["limit"] == 1024 and d["total"] > 0'
run 0 plan-limit-enough plan --limit 64M "$cnn"
run 3 load-limit info --limit 200K "$cnn"
err 'bytes_max of this model is 204800'

# -- predict ----------------------------------------------------------------------------------------------
x=$models/digits_x.npy
run 0 predict-npy predict "$mlp" --input "$x" --output "$work/mlp.npy"
no_out
no_err
near "$work/mlp.npy" $models/digits_mlp_y.npy
run 0 predict-cnn predict "$cnn" --input "$x" --output="$work/cnn.npy" --stats
near "$work/cnn.npy" $models/digits_cnn_y.npy
run 0 predict-stats predict "$cnn" --input "$x" --output="$work/cnn.npy" --stats
err '^16 rows in .*rows/s\), streamed'
run 0 predict-npz predict "$mlp" --input "$x" --output "$work/mlp.npz"
near "$work/mlp.npz" $models/digits_mlp_y.npy digit
run 0 predict-named predict "$mlp" --input "image=$x" --output "digit=$work/named.npy" --stream --batch 5
near "$work/named.npy" $models/digits_mlp_y.npy
for variant in '--batch 1' '--batch 16' '--threads 2' '--inference-only' '--lanes 3'; do
    # shellcheck disable=SC2086
    run 0 "predict $variant" predict "$cnn" --input "$x" --output "$work/v.npz" $variant
    near "$work/v.npz" $models/digits_cnn_y.npy digit
done
python3 - "$x" "$work" <<'PYTHON'
import sys, zipfile
data = open(sys.argv[1], "rb").read()
other = open("examples/models/digits_y.npy", "rb").read()
def make(name, members):
    with zipfile.ZipFile(sys.argv[2] + "/" + name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member + ".npy", content)
make("by_name.npz", [("label", other), ("image", data)])
make("by_order.npz", [("arr_0", data)])
make("too_many.npz", [("a", data), ("b", data)])
PYTHON
run 0 predict-by-name predict "$mlp" --input "$work/by_name.npz" --output "$work/n.npz"
near "$work/n.npz" $models/digits_mlp_y.npy digit
run 0 predict-by-order predict "$mlp" --input "$work/by_order.npz" --output "$work/o.npy"
near "$work/o.npy" $models/digits_mlp_y.npy
run 2 predict-too-many predict "$mlp" --input "$work/too_many.npz"
err 'takes 1 \(image\), the files hold 2 \(a, b\)'
run 0 predict-text predict "$mlp" --input "$x" --rows 3
out '^digit  float32 \[16, 10\]'
out '^ +2 +4 \(0\.999'
out '13 rows more'
run 0 predict-json predict "$mlp" --input "$x" --json --stats
json 'd["outputs"][0]["shape"] == [16, 10] and abs(sum(d["outputs"][0]["values"][3]) - 1) < 1e-5 and d["stats"]["rows"] == 16'
run 2 predict-no-input predict "$mlp"
err '--input is missing'
run 3 predict-missing predict "$mlp" --input "$work/none.npy"
err 'none\.npy'
run 2 predict-wrong-name predict "$mlp" --input "labl=$x"
err "'labl' is none of the model's \\(image\\)"
run 3 predict-wrong-shape predict "$mlp" --input $models/digits_mlp_y.npy --output "$work/bad.npy"
err '^ebb: '
absent "$work/bad"
head -c 2000 "$x" >"$work/cut.npy"
run 3 predict-cut predict "$mlp" --input "$work/cut.npy" --output "$work/bad.npy"
absent "$work/bad"
run 3 predict-nowhere predict "$mlp" --input "$x" --output "$work/no/such/folder.npz"
err '^ebb: .*folder\.npz'
run 2 predict-stream-npz predict "$mlp" --input "$work/by_order.npz" --output "$work/bad.npy" --stream
err '--stream: needs one \.npy file per input'
absent "$work/bad"
run 3 predict-missing-model predict "$work/none.keras" --input "$x"
run 3 predict-device predict "$mlp" --input "$x" --device TPU:7
err 'TPU:7'
run 3 predict-device-text predict "$mlp" --input "$x" --device CPU:x
err "number of the device is 'x'"
run 0 predict-soft predict "$mlp" --input "$x" --device /GPU:7 --soft-placement

# -- devices --------------------------------------------------------------------------------------------------
run 0 devices-text devices
out '^physical +description +logical$'
out '^CPU:0 +CPU:0 +none '
run 0 devices-json devices --json
json 'd["physical"][0]["name"] == "CPU:0" and d["logical"][0]["limit"] == 0 and d["logical"][0]["live"] > 0'
run 0 devices-divided devices --device-limit 64M,none,1.5G --json
json '[l["limit"] for l in d["logical"]] == [64 << 20, 0, 3 << 29] and d["physical"][0]["logical"] == 3'
run 0 devices-there devices /cpu:0
run 1 devices-absent devices /GPU:63 --json
json 'd == {"device": "GPU:63", "exists": False}'
run 2 devices-nonsense devices XPU
err "unknown attribute 'XPU'"
run 3 devices-limit devices --device-limit 64M,much
err "got 'much'"
run 3 devices-limit-device devices --device-limit GPU:63=64M
err 'no such physical device as GPU:63'
run 0 info-device info "$mlp" --device /CPU:1 --device-limit none,64M --json
json 'd["device"] == "CPU:1"'
run 1 plan-device plan "$cnn" --device CPU:1 --device-limit none,300K --json
err 'CPU:1 is limited to 307200 bytes, 0 in use'
json 'not d["fits"] and d["device"] == "CPU:1" and d["device_limit"] == 307200 and d["total"] > 0'
run 1 plan-device-tiny plan "$cnn" --device CPU:1 --device-limit none,8K --json
err 'CPU:1 is limited to'
json 'not d["fits"] and d["total"] > 0'
run 0 plan-device-enough plan "$cnn" --device CPU:1 --device-limit none,64M
out '^on CPU:1, which is limited to 67,108,864 bytes'

# -- bench, leakcheck, demo -----------------------------------------------------------------------------------
run 0 bench-text bench "$mlp" --runs 50 --warmup 0
out '^latency '
out '50 predictions'
out '^rows/s '
run 0 bench-json bench "$cnn" --seconds 50ms --lanes 2 --batch 4 --json
json 'd["rows"] == 4 and d["lanes"] == 2 and d["min_ns"] <= d["median_ns"] <= d["p99_ns"] <= d["max_ns"] and d["runs"] > 0'
run 0 profile-text profile "$mlp" --runs 3
out '^current [0-9,]+, peak [0-9,]+ bytes at '
out '^predict: 3, mean '
run 0 profile-json profile "$cnn" --input "$models/digits_x.npy" --json
json 'd["peak"] == max(m["bytes"] for m in d["moments"]) and len(d["spans"]) == 12 and d["current"] < d["peak"]'
json 'all(sum(m["owners"]) == m["bytes"] == sum(m["classes"]) for m in d["moments"])'
run 0 profile-files profile "$mlp" --out "$work/p.svg" --out "$work/profile/"
out '^profile written: .*p\.svg$'
name=profile-svg
if grep -q '</svg>' "$work/p.svg" && [ "$(ls "$work/profile" | wc -l)" -eq 4 ]; then pass; else fault "$name" 'files missing'; fi
run 2 profile-ending profile "$mlp" --out "$work/p.png"
err "ends with .svg"
absent "$work/p.png"
run 0 leakcheck-text leakcheck "$mlp" --cycles 30 --beside "$cnn"
out '^ +cycle +live before'
out '^ +30 '
out '0 differently'
out '^verdict clean'
run 0 leakcheck-cnn leakcheck "$cnn" --cycles 25 --threads 2 --inference-only --every 5 --json
json 'd["clean"] and d["cycles"] == 25 and d["leaked_bytes"] == 0 and d["faults"] == [] and d["trend_judged"]'
json 'd["last"]["live_after"] == d["first"]["live_before"] and d["last"]["threads"] == d["threads_before"]'
json 'd["last"]["live_loaded"] - d["last"]["live_before"] == d["plan_total"]'
run 0 leakcheck-few leakcheck "$mlp" --cycles 3
out 'trend is not judged'
run 3 leakcheck-beside-missing leakcheck "$mlp" --cycles 3 --beside "$work/none.h5"
run 0 demo demo --models $models --cycles 20
out '16 of 16 right'
out '^verdict: clean'
lines=$(wc -l <"$work/out")
if [ "$lines" -le 45 ]; then pass; else fault "$name" "$lines lines do not fit on a screen"; fi
run 0 demo-json demo --models $models --cycles 20 --json
json 'd["clean"] and d["live_now"] == d["live_before"] and all(m["plan_total"] == m["live_bytes"] for m in d["models"])'
run 3 demo-nowhere demo --models "$work"
err 'does not hold the models'

# -- fit, evaluate ----------------------------------------------------------------------------------------
# rows.npz: x, y and weights of the 16 digits, 20 times; also one .npy each; too few and wrong targets.
python3 - "$work" <<'PYTHON'
import struct, sys, zipfile
work = sys.argv[1]
def read(path):
    data = open("examples/models/" + path, "rb").read()
    return data[10 + struct.unpack("<H", data[8:10])[0]:]
def npy(descr, shape, data):
    head = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data
x, y = read("digits_x.npy"), read("digits_y.npy")
arrays = {"x": npy("<f4", (320, 8, 8, 1), x * 20), "y": npy("<i4", (320,), y * 20),
          "sample_weight": npy("<f4", (320,), struct.pack("<320f", *([1.0, 0.5] * 160)))}
with zipfile.ZipFile(work + "/rows.npz", "w") as archive:
    for name, data in arrays.items():
        archive.writestr(name + ".npy", data)
        open("%s/%s.npy" % (work, name), "wb").write(data)
open(work + "/few.npy", "wb").write(npy("<i4", (5,), y[:20]))
open(work + "/class.npy", "wb").write(npy("<i4", (320,), struct.pack("<320i", *([10] * 320))))
PYTHON
tx=$work/x.npy
ty=$work/y.npy
adam='{"class_name": "Adam", "config": {"learning_rate": 0.01}}'
fit() { # STATUS NAME OPTION...: fit of the small model on all rows, with settings of its own
    wanted=$1
    name=$2
    shift 2
    run "$wanted" "$name" fit "$mlp" --x "$tx" --y "$ty" --optimizer "$adam" --loss sparse_categorical_crossentropy \
        --metrics accuracy "$@"
}
fit 0 fit --epochs 3 --save "$work/fit.keras" --history "$work/h.json" --seed 7
out '^Epoch 1/3 - 10 steps - .*/step - accuracy: [01]\.[0-9]+ - loss: [0-9.e-]+$'
out '^Epoch 3/3 '
out '^30 steps in .* peak of the ledger [0-9,]+ bytes; saved .*fit\.keras$'
no_err
cp "$work/h.json" "$work/out"
json 'd["epoch"] == [0, 1, 2] and sorted(d["history"]) == ["accuracy", "loss"]'
json 'd["history"]["loss"][2] < d["history"]["loss"][0]'
fit 0 fit-again --epochs 3 --save "$work/again.keras" --seed 7 --quiet
no_out
no_err
if cmp -s "$work/fit.keras" "$work/again.keras"; then pass; else fault "$name" 'equal seeds gave other files'; fi
fit 0 fit-other-seed --epochs 3 --save "$work/other.keras" --seed 8 --quiet
if cmp -s "$work/fit.keras" "$work/other.keras"; then fault "$name" 'the seed changes nothing'; else pass; fi
run 0 fit-on fit "$work/fit.keras" --x "$work/rows.npz" --epochs 5 --initial-epoch 3 --validation-split 0.25 --json \
    --history "$work/h.csv"
json 'd["epochs"] == 2 and d["steps"] == 16 and d["saved"] is None and len(d["history"]["val_accuracy"]) == 2'
cp "$work/h.csv" "$work/out"
out '^epoch,accuracy,loss,val_accuracy,val_loss'
out '^4,[0-9.e-]+,[0-9.e-]+,[0-9.e-]+,[0-9.e-]+'
run 0 fit-files fit "$work/fit.keras" --x "image=$tx" --y "digit=$ty" --val-x "$tx" --val-y "$ty" --no-shuffle \
    --sample-weight "$work/sample_weight.npy" --class-weight '{"0": 2.0}' --batch-size 50 --steps-per-epoch 3 \
    --validation-steps 2 --learning-rate 1e-4
out '3 steps .* - val_accuracy: .* - val_loss: '
fit 0 fit-callback --epochs 9 --callback 'EarlyStopping={"monitor": "loss", "patience": 1, "min_delta": 100}' --json
json 'd["epochs"] == 2'
fit 0 fit-checkpoint --callback "ModelCheckpoint={\"filepath\": \"$work/ck_{epoch:02d}.keras\"}" --epochs 2
if [ -f "$work/ck_01.keras" ] && [ -f "$work/ck_02.keras" ]; then pass; else fault "$name" 'no checkpoints'; fi
run 0 fit-h5 fit "$cnn" --x "$tx" --y "$ty" --loss sparse_categorical_crossentropy --optimizer sgd --save "$work/fit.h5"
run 0 fit-h5-info info "$work/fit.h5"
run 0 fit-limit fit "$work/fit.keras" --x "$tx" --y "$ty" --limit 4M
fit 3 fit-limit-low --limit 1200K --batch-size 4096
err 'bytes'

fit 2 fit-two-targets --y "$work/class.npy" # a second --y: one model output, two files
err '^ebb: --y: '
run 3 fit-few fit "$work/fit.keras" --x "$tx" --y "$work/few.npy" --save "$work/bad.keras"
err '320'
absent "$work/bad"
run 2 fit-class fit "$work/fit.keras" --x "$tx" --y "$work/class.npy" --save "$work/bad.keras"
err 'class'
absent "$work/bad"
run 2 fit-no-x fit "$mlp" --y "$ty"
err '--x is missing'
run 2 fit-no-loss fit "$mlp" --x "$tx" --y "$ty" --optimizer adam
err '--loss: is missing'
fit 2 fit-both --val-x "$tx" --validation-split 0.5
err 'one of them'
fit 2 fit-split-zero --validation-split 0
err '--validation-split expects a number above 0'
fit 3 fit-callback-unknown --callback EarlyStoping
err 'EarlyStoping'
fit 2 fit-save-ending --save "$work/bad.txt"
err '\.weights\.h5'
fit 3 fit-save-nowhere --save "$work/nowhere/bad.keras"
err 'nowhere/bad\.keras: cannot be written'
fit 2 fit-history-ending --history "$work/h.txt"
run 3 fit-missing fit "$work/none.keras" --x "$tx" --y "$ty"
run 3 fit-x-missing fit "$mlp" --x "$work/none.npy" --y "$ty"
err 'none\.npy'

run 0 evaluate evaluate "$work/fit.keras" --x "$tx" --y "$ty"
out '^loss +[0-9.e-]+'
out '^accuracy +1'
no_err
run 0 evaluate-json evaluate "$work/fit.keras" --x "$work/rows.npz" --batch-size 7 --json
json 'list(d) == ["loss", "accuracy"] and d["accuracy"] == 1 and 0 < d["loss"] < 0.1'
run 0 evaluate-loss evaluate "$mlp" --x "$tx" --y "$ty" --loss sparse_categorical_crossentropy --steps 2 --json
json 'list(d) == ["loss"]'
run 2 evaluate-no-x evaluate "$mlp"
err '--x is missing'
run 3 evaluate-loss-unknown evaluate "$mlp" --x "$tx" --y "$ty" --loss nonsense
err 'nonsense'

run 0 plan-train plan --train --batch 16 "$work/fit.keras"
out '^optimizer '
out '^total +[0-9,]+ +[0-9,]+ +[0-9,]+'
run 0 plan-train-json plan --train --batch 16 "$work/fit.keras" --json
json 'd["batch"] == 16 and d["total"] == d["model_total"] + d["training_total"] and d["training"]["optimizer"] > 0'
run 0 plan-largest plan --train --largest-batch --limit 4M "$work/fit.keras" --json
json 'd["fits"] and d["largest_batch"] and d["batch"] > 32 and d["peak"] <= 4 << 20'
largest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["batch"])' "$work/out")
run 0 plan-largest-fits plan --train --batch "$largest" --limit 4M "$work/fit.keras"
run 1 plan-larger plan --train --batch $((largest + 1)) --limit 4M "$work/fit.keras"
err 'bytes'
run 2 plan-largest-alone plan --train --largest-batch "$mlp"
err 'needs --train and --limit'
run 0 leakcheck-train leakcheck --train "$work/fit.keras" --cycles 25 --json
json 'd["clean"] and d["training_plan_total"] > 0 and d["last"]["live_compiled"] == d["last"]["live_loaded"] - d["last"]["live_before"] + d["training_plan_total"]'
run 0 leakcheck-train-text leakcheck --train "$cnn" --cycles 3 --loss mse --optimizer adam --steps 2 --beside "$mlp"
out '^train .* as planned, in every cycle; loss [0-9.]+ after it in every cycle'

# -- convert ----------------------------------------------------------------------------------------------
for from in "$mlp" "$cnn"; do
    y=${from%.*}_y.npy
    for ending in keras h5 hdf5; do
        run 0 "convert $from to $ending" convert "$from" "$work/c.$ending"
        out '^wrote .*c\.'"$ending"': [0-9]+ weights, [0-9,]+ bytes'
        no_err
        run 0 "predict what was converted to $ending" predict "$work/c.$ending" --input "$x" --output "$work/c.npy"
        near "$work/c.npy" "$y"
        run 0 "back from $ending" convert "$work/c.$ending" "$work/back.keras"
        run 0 "predict what came back from $ending" predict "$work/back.keras" --input "$x" --output "$work/c.npy"
        near "$work/c.npy" "$y"
    done
done
run 0 convert-weights convert "$cnn" "$work/c.weights.h5"
run 3 weights-alone info "$work/c.weights.h5"
err 'architecture'
python3 -c 'import sys, zipfile; open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read("config.json"))' \
    "$work/back.keras" "$work/c.json"
run 0 convert-architecture convert --architecture "$work/c.json" "$work/c.weights.h5" "$work/c.keras"
run 0 predict-architecture predict "$work/c.keras" --input "$x" --output "$work/c.npy"
near "$work/c.npy" $models/digits_cnn_y.npy
run 0 convert-deflate convert --deflate --no-optimizer --json "$mlp" "$work/small.keras"
json 'd["to"].endswith("small.keras") and d["weights"] == 4 and 0 < d["bytes"] < 24000 and d["parameters"] > 0'
if python3 -m zipfile -t "$work/small.keras" >/dev/null; then pass; else fault "$name" 'not a sound zip'; fi
run 3 convert-keep convert --keep "$mlp" "$work/small.keras"
err 'a file of this name already'
run 3 convert-ending convert "$mlp" "$work/model.onnx"
err 'let it end in \.keras'
absent "$work/model.onnx"
run 3 convert-nowhere convert "$mlp" "$work/nowhere/x.keras"
err 'No such file'
run 3 convert-missing convert "$work/none.keras" "$work/from_none.keras"
absent "$work/from_none.keras"
run 2 convert-one-word convert "$mlp"
# -- quantize, prune, compare -----------------------------------------------------------------------------
for type in int8 float16 bfloat16; do
    run 0 "quantize to $type" quantize "$mlp" "$work/q.keras" --to $type --min 256 --json
    json 'd["changed"] == 2 and d["kept"] == 2 and d["weights_after"] < d["weights_before"] and d["file_after"] < d["file_before"]'
    run 0 "info of $type" info "$work/q.keras"
    out "^kept small +2 weights: 2 $type\$"
    run 0 "summary of $type" summary "$work/q.keras"
    out "^ Kept small: 2 weights, 0.01 MB as 0.0[01] MB \\($type\\)\$"
    run 0 "compare $type" compare "$mlp" "$work/q.keras" --input "$x" --atol 0.02 --json
    json 'd["agree"] and d["b"]["weights_bytes"] < d["a"]["weights_bytes"] and d["outputs"][0]["cosine"] > 0.999'
    run 0 "plain file of $type" convert "$work/q.keras" "$work/float.keras"
    run 0 "compare plain $type" compare "$work/q.keras" "$work/float.keras" --atol 1e-5
    out '^the models agree'
    run 0 "shrunk file of $type" convert --shrunk "$work/q.keras" "$work/again.keras"
    if cmp -s "$work/q.keras" "$work/again.keras"; then pass; else fault "$name" 'another file'; fi
    run 0 "leakcheck $type" leakcheck "$work/q.keras" --cycles 5
done
run 0 prune prune "$mlp" "$work/p.keras" --sparsity 0.8 --min 256 --verbose
out '^dense/kernel +Dense +12,288 +[0-9,]+ +[0-9.]+ +80\.0 %'
out '^2 weights changed, 2 kept; .* 80\.0 % zeros'
run 0 prune-quantize quantize "$work/p.keras" "$work/pq.keras" --min 256
run 0 prune-info info --weights "$work/pq.keras"
out 'float32 as int8 without zeros'
run 0 prune-groups prune "$mlp" "$work/p.keras" --groups 2:4 --only digit/kernel --min 256 --verbose --json
json 'd["changed"] == 1 and d["sparsity"] == 0.5 and len(d["weights"]) == 4'
run 0 prune-global prune "$mlp" "$work/p.keras" --global --sparsity 0.3 --skip digit --min 256
run 2 prune-all prune "$mlp" "$work/none.keras" --sparsity 1
absent "$work/none.keras"
run 2 prune-groups-wrong prune "$mlp" "$work/none.keras" --groups 2of4
err 'KEEP:OF'
run 2 quantize-type quantize "$mlp" "$work/none.keras" --to int4
err 'int4'
run 3 quantize-only quantize "$mlp" "$work/none.keras" --only Conv2D
err 'Conv2D'
run 3 quantize-keep quantize "$mlp" "$work/p.keras" --keep
err 'a file of this name already'
absent "$work/none.keras"
run 1 compare-differs compare "$mlp" "$work/p.keras" --input "$x" --rtol 1e-6 --atol 1e-6
out '^the models differ'
run 0 compare-same compare "$mlp" "$mlp" --exact
run 3 compare-other compare "$mlp" "$work/none.keras"
run 2 compare-one compare "$mlp"

run 0 convert-savedmodel convert --to savedmodel "$cnn" "$work/served/"
out '^wrote .*served/: [0-9]+ weights, [0-9,]+ bytes'
no_err
run 0 predict-savedmodel predict "$work/served" --input "$x" --output "$work/c.npy"
near "$work/c.npy" $models/digits_cnn_y.npy
run 0 convert-slash convert --json "$mlp" "$work/served/"
json 'd["weights"] == 4 and d["bytes"] > 20000'
run 3 convert-savedmodel-keep convert --keep --to savedmodel "$mlp" "$work/served"
err 'already'
run 2 convert-no-ending convert "$mlp" "$work/plain"
err '--to savedmodel'
run 2 convert-to-what convert --to onnx "$mlp" "$work/plain"
err 'savedmodel'
run 2 convert-savedmodel-deflate convert --deflate --to savedmodel "$mlp" "$work/plain"
err 'deflate'
run 3 convert-savedmodel-file convert --to savedmodel "$mlp" "$work/float.keras"
err 'a SavedModel is a folder'
touch "$work/served/mine"
run 3 convert-savedmodel-foreign convert --to savedmodel "$mlp" "$work/served"
err "mine"
rm "$work/served/mine"
run 0 rm-savedmodel rm "$work/served"
absent "$work/served"
absent "$work/plain"

# -- rm, layers -------------------------------------------------------------------------------------------
cp "$mlp" "$work/gone.keras"
run 0 rm-dry rm --dry-run "$work/gone.keras"
out 'would remove .*gone\.keras: 1 file, 66,589 bytes'
if [ -f "$work/gone.keras" ]; then pass; else fault "$name" 'removed all the same'; fi
run 0 rm-file rm "$work/gone.keras"
out '^removed .*gone\.keras: 1 file, 66,589 bytes'
absent "$work/gone.keras"
run 3 rm-again rm "$work/gone.keras"
err 'no such file'
no_out
ln -s "$PWD/$cnn" "$work/link.h5"
run 3 rm-link rm "$work/link.h5"
if [ -f "$cnn" ] && [ -L "$work/link.h5" ]; then pass; else fault "$name" 'a link was followed or removed'; fi
echo text >"$work/notes.txt"
run 3 rm-other rm "$work/notes.txt"
if [ -f "$work/notes.txt" ]; then pass; else fault "$name" 'removed a file that is no model'; fi
echo mine >"$work/strange/mine.txt"
run 3 rm-folder-foreign rm --dry-run "$work/strange"
run 3 rm-folder-foreign rm "$work/strange"
err 'mine\.txt'
if [ -f "$work/strange/config.json" ]; then pass; else fault "$name" 'part of the folder went'; fi
rm "$work/strange/mine.txt"
run 0 rm-folder-dry rm --dry-run "$work/strange" --json
json 'd[0]["files_removed"] == 3 and "config.json" in d[0]["files"]'
run 0 rm-folder rm "$work/strange"
out ': 3 files, '
out '^  model\.weights\.h5'
absent "$work/strange"

# -- SavedModel folders -----------------------------------------------------------------------------------
python3 -c "import sys, zipfile; zipfile.ZipFile('tests/golden/savedmodel.zip').extractall(sys.argv[1])" "$work/saved"
run 0 saved-check check "$work/saved/keras2"
run 0 saved-info info "$work/saved/keras2" --json
json 'd["format"] == "savedmodel" and d["layers"] == 6'
run 0 saved-summary summary "$work/saved/module"
out '^ Signature: serving_default'
run 0 saved-signature summary --signature other "$work/saved/module"
out '^ Signature: other'
run 3 saved-no-signature summary --signature none "$work/saved/module"
err "its signatures: .*'other'"
run 3 saved-no-model info "$work/saved"
err 'a folder that is not a model'
echo mine >"$work/saved/module/variables/mine.txt"
run 3 rm-saved-foreign rm "$work/saved/module"
err 'variables/mine\.txt'
run 0 rm-saved-force rm --force "$work/saved/module"
out ': 5 files, '
absent "$work/saved/module/"
run 0 rm-saved rm "$work/saved/sharded"
out ': 6 files, '

run 0 layers layers
out '^Conv2D +convolution'
out '^[0-9]+ layers\.'
run 0 layers-one layers Conv2D
out '^padding +choice +valid +valid\|same'
run 0 layers-alias layers Convolution2D
out '^Conv2D, family'
run 1 layers-unknown layers Conv2E
err "no layer 'Conv2E'; did you mean 'Conv2D'"
run 0 layers-json layers --json
json 'len(d) > 50 and {"Dense", "LSTM"} <= {layer["name"] for layer in d}'
run 0 layers-one-json layers Dense --json
json 'd["keys"][0]["key"] == "units" and d["keys"][0]["required"]'
json 'd["keys"][3]["default"] == "glorot_uniform" and d["keys"][2]["default"] is True'
run 0 layers-other-keys layers LSTM
out '^return_sequences +bool +false'
run 0 layers-kind layers --kind optimizer
out '^Adam +adam +[0-9]+'
out '^[0-9]+ optimizers\.'
run 0 layers-kind-many layers --kind losses
out '^[0-9]+ losses\.'
run 0 layers-kind-one layers adam --kind optimizer
out '^Adam, optimizer'
out '^learning_rate +rate +0\.001'
run 0 layers-kind-alias layers mse --kind=loss --json
json 'd["name"] == "MeanSquaredError" and d["symbol"] == "mean_squared_error" and d["kind"] == "loss"'
json 'd["keys"][0]["default"] == "sum_over_batch_size" and "none" in d["keys"][0]["choices"]'
for kind in activation optimizer schedule loss metric callback initializer regularizer constraint; do
    run 0 "layers-kind-$kind" layers --kind "$kind" --json
    json 'len(d) >= 4 and all(len(o["name"]) > 0 for o in d)'
done
run 1 layers-kind-unknown layers Adan --kind optimizer
err "no optimizer 'Adan'; did you mean 'Adam'"
run 1 layers-of-other-kind layers Adam
err "no layer 'Adam', but there is one of kind optimizer"
run 2 layers-no-kind layers --kind optimiser
no_out
err "no kind 'optimiser'; did you mean 'optimizer'"

# -- pipes and full disks ------------------------------------------------------------------------------------
name=pipe
"$ebb" layers 2>"$work/err" | head -1 >"$work/out"
out '^layer '
no_err
if [ -w /dev/full ]; then
    name=full
    "$ebb" layers >/dev/full 2>"$work/err"
    if [ $? -eq 3 ]; then pass; else fault "$name" 'a full disk was not noticed'; fi
    err 'writing the results failed'
fi

# An interrupt in the middle of a stream: nothing half written, and the shell learns of the signal.
name=interrupt
python3 - "$work/large.npy" <<'PYTHON'
import struct, sys
data = open("examples/models/digits_x.npy", "rb").read()
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 8, 8, 1), }" % (16 * 20000)).ljust(117) + "\n"
with open(sys.argv[1], "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
    for _ in range(20000):
        file.write(data[-4096:])
PYTHON
python3 - "$ebb" "$cnn" "$work/large.npy" "$work/stopped.npy" >"$work/out" 2>"$work/err" <<'PYTHON'
import glob, signal, subprocess, sys, time
ebb, model, source, target = sys.argv[1:]
process = subprocess.Popen([ebb, "predict", model, "--input", source, "--output", target, "--batch", "1"])
for _ in range(500):
    if glob.glob(target + "*") or glob.glob(target.replace("stopped", ".stopped") + "*"):
        break
    time.sleep(0.01)
process.send_signal(signal.SIGINT)
sys.exit(0 if process.wait() == -signal.SIGINT else "status %d" % process.returncode)
PYTHON
if [ $? -eq 0 ]; then pass; else fault "$name" 'did not end by the signal'; fi
err 'cancelled after'
left=$(find "$work" -name '*stopped*')
if [ -z "$left" ]; then pass; else fault "$name" "left behind: $left"; fi

# An interrupt in the middle of fit: nothing is saved.
name=fit-interrupt
python3 - "$ebb" "$mlp" "$tx" "$ty" "$work/never.keras" >"$work/out" 2>"$work/err" <<'PYTHON'
import signal, subprocess, sys
ebb, model, x, y, target = sys.argv[1:]
process = subprocess.Popen([ebb, "fit", model, "--x", x, "--y", y, "--epochs", "1000000", "--save", target,
                            "--optimizer", "sgd", "--loss", "sparse_categorical_crossentropy"],
                           stdout=subprocess.PIPE, text=True)
process.stdout.readline()
process.send_signal(signal.SIGINT)
process.stdout.read()
sys.exit(0 if process.wait() == -signal.SIGINT else "status %d" % process.returncode)
PYTHON
if [ $? -eq 0 ]; then pass; else fault "$name" 'did not end by the signal'; fi
err 'stopped after [0-9,]+ steps; nothing is saved'
absent "$work/never"

echo "command_test: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

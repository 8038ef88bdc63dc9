#!/bin/sh
# Runs the tests. all: gcc and clang with -Werror, ASan+UBSan, Python, tidy, demo. quick: gcc. tsan: thread sanitizer.
# examples: those alone. conformance: the folder EBB_SHARED names. fuzz: every target for FUZZ_SECONDS.
# python: the Python package alone. python_asan: it again, with the library under ASan. python_conformance: as conformance.
# reference: the package's documentation.
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc 2>/dev/null || echo 2)
# The conformance data lie beside a developer's checkout; without them those tests say so and do less.
if [ -z "${EBB_SHARED:-}" ] && [ -f ../shared/conformance/index.json ]; then
    EBB_SHARED=$(cd ../shared && pwd)
    export EBB_SHARED
fi

passed=0
failed=0

configure() { # folder, then flags
    folder=$1
    shift
    cmake -S . -B "$folder" -DEBB_TESTS=ON -DEBB_WERROR=ON "$@" >"$folder.log" 2>&1 || {
        cat "$folder.log"
        exit 1
    }
    rm -f "$folder.log"
    cmake --build "$folder" -j "$jobs" >"$folder.log" 2>&1 || {
        grep -E 'error|warning|Error' "$folder.log" | head -60
        echo "build of $folder failed"
        exit 1
    }
    rm -f "$folder.log"
}

run() { # folder, then ctest flags
    folder=$1
    shift
    output=$folder/tests.log
    if ctest --test-dir "$folder" -j "$jobs" --output-on-failure "$@" >"$output" 2>&1; then :; else
        grep -vE '^ *[0-9]+/[0-9]+ Test .*Passed|^ *Start ' "$output" | tail -200
    fi
    all=$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\2 \1/p' "$output")
    set -- $all
    echo "$folder: $((${1:-0} - ${2:-1})) passed, ${2:-1} failed"
    passed=$((passed + ${1:-0} - ${2:-1}))
    failed=$((failed + ${2:-1}))
}

quick() {
    configure build-gcc -DCMAKE_C_COMPILER=gcc
    run build-gcc
}

# A virtual environment with what the tests of the Python package need.
environment() {
    [ -x build-venv/bin/python ] || python3 -m venv build-venv
    if ! cmp -s python/requirements-test.txt build-venv/requirements.txt; then
        build-venv/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements-test.txt
        cp python/requirements-test.txt build-venv/requirements.txt
    fi
}

count_pytest() { # name, log
    all=$(sed -n 's/^\(.* in [0-9.]*s\).*/\1/p' "$2" | tail -1)
    good=$(printf '%s' "$all" | sed -n 's/.*\b\([0-9][0-9]*\) passed.*/\1/p')
    bad=$(printf '%s' "$all" | grep -oE '[0-9]+ (failed|error)' | awk '{ sum += $1 } END { print sum + 0 }')
    skipped=$(printf '%s' "$all" | sed -n 's/.*\b\([0-9][0-9]*\) skipped.*/\1/p')
    [ -n "$good" ] || bad=$((bad + 1))
    [ "$bad" -eq 0 ] || tail -150 "$2"
    echo "$1: ${good:-0} passed, $bad failed, ${skipped:-0} skipped"
    passed=$((passed + ${good:-0}))
    failed=$((failed + bad))
}

judge() { # command: one check, passed or failed
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

python() {
    environment
    here=$PWD
    configure build-gcc -DCMAKE_C_COMPILER=gcc -DEBB_PYTHON=ON "-DPython_EXECUTABLE=$here/build-venv/bin/python"
    PYTHONPATH=$here/build-gcc/python build-venv/bin/python -m pytest -n "$jobs" python/tests >build-gcc/pytest.log 2>&1 || true
    count_pytest python build-gcc/pytest.log
    judge build-venv/bin/ruff check --quiet python examples/python
    judge build-venv/bin/ruff format --quiet --check python examples/python
    judge env MYPYPATH=build-gcc/python build-venv/bin/mypy --no-error-summary -p ebb
    judge sh tests/python_install_test.sh
}

python_asan() {
    environment
    here=$PWD
    configure build-python-asan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DEBB_TESTS=OFF \
        -DEBB_SANITIZE=address,undefined -DEBB_PYTHON=ON "-DPython_EXECUTABLE=$here/build-venv/bin/python"
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH=$here/build-python-asan/python \
        build-venv/bin/python -m pytest -n "$jobs" python/tests >build-python-asan/pytest.log 2>&1 || true
    count_pytest python-asan build-python-asan/pytest.log
}

# The reference of the package, from its docstrings, into build-reference/.
reference() {
    environment
    here=$PWD
    configure build-gcc -DCMAKE_C_COMPILER=gcc -DEBB_PYTHON=ON "-DPython_EXECUTABLE=$here/build-venv/bin/python"
    build-venv/bin/python -m pip install --quiet --disable-pip-version-check pdoc
    judge timeout 600 env "PYTHONPATH=$here/build-gcc/python" build-venv/bin/python -m pdoc --docformat numpy --no-show-source \
        --output-directory build-reference ebb '!ebb._native' '!ebb._generated'
}

python_conformance() {
    conformance
    judge env "PYTHONPATH=$PWD/build-gcc/python" build-venv/bin/python python/tests/run_conformance.py \
        --against build-gcc/conformance.txt
}

all() {
    quick
    configure build-clang -DCMAKE_C_COMPILER=clang -DEBB_ONEDNN=OFF
    run build-clang
    configure build-asan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DEBB_SANITIZE=address,undefined
    run build-asan
    judge python3 tools/tidy.py
    judge sh tests/command_test.sh build-gcc/ebb
    judge sh tests/install_test.sh build-gcc
    python
}

examples() {
    configure build-examples -DEBB_TESTS=OFF -DEBB_EXAMPLES=ON
    run build-examples -L examples
}

tsan() {
    configure build-tsan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DEBB_SANITIZE=thread \
        -DEBB_ONEDNN=OFF
    run build-tsan -R 'handle|region|ledger|lifecycle|threads|files|arrays|limits|json|training_test|training_robust|fit_test|feed|scope|callback|session|function_test|lazy|registry|models_each|leak_monitor|profiler|account|devices|device_placement|shrink_test|^example_|^guide_'
}

conformance() {
    configure build-gcc -DCMAKE_C_COMPILER=gcc
    log=build-gcc/conformance.log
    table=build-gcc/conformance.txt
    : >"$table"
    # What the runner cannot reach through the public API has tests of its own, with rows for the table.
    for name in conformance activation_vector initializer layer_training_conformance loss metric \
        optimizer regularizer schedule; do
        EBB_TABLE=1 "build-gcc/tests/${name}_test" --table >"$log" 2>&1 || {
            grep -vE ' passed +[0-9]+ refused ' "$log"
            failed=$((failed + 1))
        }
        grep -E ' passed +[0-9]+ refused ' "$log" | tee -a "$table"
    done
    passed=$(awk '{ sum += $(NF - 5) } END { print sum + 0 }' "$table")
    awk '{ sum += $(NF - 3) } END { printf "%d refused\n", sum }' "$table"
    failed=$((failed + $(awk '{ sum += $(NF - 1) } END { print sum + 0 }' "$table")))
    [ "$failed" -eq 0 ]
}

fuzz() {
    seconds=${FUZZ_SECONDS:-60}
    configure build-fuzz -DCMAKE_C_COMPILER=clang -DEBB_TESTS=OFF -DEBB_FUZZ=ON \
        -DEBB_ONEDNN=OFF -DEBB_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
    for target in build-fuzz/tests/fuzz/fuzz_*; do
        [ -x "$target" ] && [ -f "$target" ] || continue
        name=$(basename "$target")
        mkdir -p "build-fuzz/corpus/$name"
        if "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=3 -print_final_stats=1 \
            "build-fuzz/corpus/$name" "tests/fuzz/seeds/$name" >"build-fuzz/$name.log" 2>&1; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            tail -40 "build-fuzz/$name.log"
        fi
        echo "$name: $(sed -n 's/stat::number_of_executed_units: *//p' "build-fuzz/$name.log") runs"
    done
}

"${1:-all}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

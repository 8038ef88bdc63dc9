#!/bin/sh
# What `make install` puts down is usable: every header alone in C99 and C++17, programs through pkg-config and
# find_package(ebb), shared and static, and no name but ebb_* in the shared library.
# Usage: sh tests/install_test.sh BUILD_FOLDER     from the root of the repository.
set -u

build=${1:?usage: sh tests/install_test.sh BUILD_FOLDER}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
prefix=/opt/elsewhere
passed=0
failed=0
strict='-Wall -Wextra -pedantic -Werror'

check() { # name, command...
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED $name: $*"
        sed 's/^/    /' "$work/log" | head -10
    fi
}

if ! DESTDIR=$root cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1; then
    cat "$work/log"
    echo "install_test: nothing could be installed from $build"
    exit 1
fi
at=$root$prefix
library=$(find "$at" -name libebb.so)
folder=$(dirname "$library")
PKG_CONFIG_PATH=$folder/pkgconfig
export PKG_CONFIG_PATH

# -- headers ----------------------------------------------------------------------------------------------------

for header in "$at"/include/ebb/*.h; do
    name=ebb/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nint x;\n' "$name" "$name" >"$work/one.c"
    cp "$work/one.c" "$work/one.cpp"
    # shellcheck disable=SC2086
    check "C99 $name" cc -std=c99 $strict -I "$at/include" -c "$work/one.c" -o "$work/one.o"
    # shellcheck disable=SC2086
    check "C++17 $name" c++ -std=c++17 $strict -I "$at/include" -c "$work/one.cpp" -o "$work/one.o"
done

# -- programs ---------------------------------------------------------------------------------------------------

cat >"$work/main.c" <<'END'
#include <ebb/ebb.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_model model;
    ebb_model_info info;
    ebb_receipt receipt;
    ebb_error error;
    int good = argc == 2;

    good = good && ebb_runtime_open(&options, &runtime, &error) == EBB_OK;
    good = good && ebb_model_load(runtime, argv[1], NULL, &model, &error) == EBB_OK;
    good = good && ebb_model_info_read(model, &info) == EBB_OK && strcmp(info.name, "digits_mlp") == 0;
    good = good && ebb_model_unload(model, NULL, &receipt, &error) == EBB_OK && receipt.bytes_kept == 0;
    good = good && ebb_runtime_close(runtime, NULL) == EBB_OK;
    printf("%s %s\n", ebb_version(), ebb_status_name(EBB_OK));
    return good ? 0 : 1;
}
END
cp "$work/main.c" "$work/main.cpp"
model=examples/models/digits_mlp.keras

check 'pkg-config finds ebb' pkg-config --exists ebb
check 'prefix follows the folder' test "$(realpath "$(pkg-config --variable=prefix ebb)")" = "$(realpath "$at")"
# shellcheck disable=SC2046,SC2086
{
    check 'C, shared' cc -std=c99 $strict "$work/main.c" $(pkg-config --cflags --libs ebb) -o "$work/c_shared"
    check 'C++, shared' c++ -std=c++17 $strict "$work/main.cpp" $(pkg-config --cflags --libs ebb) -o "$work/cpp_shared"
    check 'C, static' cc -std=c99 $strict -DEBB_STATIC "$work/main.c" $(pkg-config --cflags ebb) "$folder/libebb.a" \
        $(pkg-config --static --libs-only-l --libs-only-other ebb | sed 's/-lebb//') -o "$work/c_static"
}
check 'C, shared, runs' env LD_LIBRARY_PATH="$folder" "$work/c_shared" "$model"
check 'C++, shared, runs' env LD_LIBRARY_PATH="$folder" "$work/cpp_shared" "$model"
check 'C, static, runs' "$work/c_static" "$model"

mkdir "$work/project"
cp "$work/main.c" "$work/main.cpp" "$work/project"
cat >"$work/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(user C CXX)
find_package(ebb 0.1 REQUIRED)
add_executable(shared main.c)
target_link_libraries(shared ebb::ebb)
add_executable(static main.cpp)
target_link_libraries(static ebb::ebb_static)
END
check 'find_package' cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$at"
check 'CMake builds' cmake --build "$work/project/build"
check 'CMake, shared, runs' "$work/project/build/shared" "$model"
check 'CMake, static, runs' "$work/project/build/static" "$model"

# -- names ------------------------------------------------------------------------------------------------------

foreign=$(nm -D --defined-only "$library" | awk '{print $3}' | sed 's/@.*//' | grep -v '^ebb_' | tr '\n' ' ')
check "only ebb_* in the library, found: $foreign" test -z "$foreign"
check 'the library names its version' sh -c "readelf -d '$library' | grep -q 'SONAME.*libebb.so.0'"
check 'nothing is executable on the stack' sh -c "readelf -lW '$library' | grep GNU_STACK | grep -qv E"

echo "install_test: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

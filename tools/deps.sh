#!/bin/sh
# Installs the Debian packages that are missing: `deps.sh build` for library and command, `deps.sh test` for the tests too.
# As root or through sudo; elsewhere it prints what to install and stops. Does nothing when nothing is missing.
set -eu

build='gcc libc6-dev cmake make pkg-config zlib1g-dev libdnnl-dev libprotobuf-c-dev protobuf-c-compiler libsnappy-dev'
test='g++ clang libclang-rt-dev libcmocka-dev python3 python3-dev python3-venv file'
need=$build
[ "${1:-build}" = test ] && need="$build $test"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian system. Install what these packages hold, then run again: $need" >&2
    for tool in cc cmake; do
        command -v "$tool" >/dev/null 2>&1 || exit 1
    done
    exit 0
fi

missing=
for package in $need; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = 'install ok installed' ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "Missing packages. As root: apt-get install$missing" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

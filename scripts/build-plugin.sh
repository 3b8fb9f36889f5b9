#!/bin/sh
# The board's half of --custom-softmax: compiles plugins/cst_softmax.c to DIR/librkcst_softmax.so, on the board or for it.
#   sh scripts/build-plugin.sh [DIR]        DIR: default the current folder
# CC and CFLAGS are as usual; without CC it is the board's gcc, or on other machines aarch64-linux-gnu-gcc.
set -eu
source=$(dirname "$0")/../plugins/cst_softmax.c
headers=$(dirname "$0")/../yolorknn/convert/plugin
folder=${1:-.}
if [ -z "${CC:-}" ]; then
    if [ "$(uname -m)" = aarch64 ]; then CC=gcc package=gcc; else CC=aarch64-linux-gnu-gcc package=gcc-aarch64-linux-gnu; fi
    command -v "$CC" >/dev/null 2>&1 || { echo "error: there is no $CC: sudo apt install $package libc6-dev" >&2; exit 1; }
fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/build-plugin.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# The plug-in needs librknnrt.so at run time; to link, a library of that name with the one function is enough.
echo 'void rknn_custom_op_get_op_attr(void); void rknn_custom_op_get_op_attr(void) {}' >"$work/runtime.c"
$CC -shared -fPIC -Wl,-soname,librknnrt.so -o "$work/librknnrt.so" "$work/runtime.c"
# shellcheck disable=SC2086  # CFLAGS are words
$CC -std=gnu11 -O2 -Wall -Wextra -Werror ${CFLAGS:-} -I "$headers" -fPIC -shared -fvisibility=hidden \
    -Wl,-soname,librkcst_softmax.so \
    -o "$work/librkcst_softmax.so" "$source" "$work/librknnrt.so" -lm
mv "$work/librkcst_softmax.so" "$folder/librkcst_softmax.so"
echo "made $folder/librkcst_softmax.so"

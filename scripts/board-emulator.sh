#!/bin/sh
# A Rockchip board without the board: an aarch64 Python under qemu, the vendor's real rknn-toolkit-lite2 wheels (2.3.2 and
# the newest), and our stand-in for librknnrt.so. Makes DIR/board-python, which runs tests/board, and DIR/bin/python3, a
# bare Python as a board has it, that makes virtual environments and installs DIR/wheels into them; what is already
# there is left alone.
#   sh scripts/board-emulator.sh [DIR]        DIR: default ~/.cache/yolorknn-board
# Needs Debian 12 or Ubuntu on x86_64; root (or sudo) only to install qemu, the cross compiler and sshd. Exit status 77: these
# cannot be had on this machine.
set -eu
cd "$(dirname "$0")/.."
source=$PWD/tests/board/librknnrt.c
mkdir -p "${1:-$HOME/.cache/yolorknn-board}"
board=$(cd "${1:-$HOME/.cache/yolorknn-board}" && pwd)
root=$board/sysroot

say() { printf '== %s\n' "$*"; }
unavailable() { printf 'no board emulator: %s\n' "$*" >&2; exit 77; }

tools=
command -v qemu-aarch64-static >/dev/null 2>&1 || tools=qemu-user-static
command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 || tools="$tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
# For the tests of `yolorknn deploy`, which start one on a port of their own. Not where installing it would start one too.
[ -x /usr/sbin/sshd ] || [ -d /run/systemd/system ] || tools="$tools openssh-server"

install_tools() {
    command -v apt-get >/dev/null 2>&1 || unavailable "$tools missing, and so is apt-get"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || unavailable "run: sudo apt install $tools"
        sudo=sudo
    fi
    say "installing $tools"
    set -- -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $tools
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@" >/dev/null 2>&1 && return
    $sudo apt-get -qq update || unavailable "apt-get update failed"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@" >/dev/null || unavailable "apt-get cannot install $tools"
}

# An aarch64 root with Python in it. A private apt state leaves the machine's own dpkg alone.
make_sysroot() {
    say "unpacking an aarch64 Python"
    apt=$board/apt.tmp
    rm -rf "$apt" "$root" "$root.tmp"
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/preferences" "$root.tmp"
    : >"$apt/status"
    cat >"$apt/conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::preferencesparts "$apt/preferences";
END
    APT_CONFIG=$apt/conf apt-get -qq update || unavailable "the machine's package sources have no arm64 lists"
    for version in 3.11 3.12 3.10; do # those that rknn-toolkit-lite2 has wheels for
        if APT_CONFIG=$apt/conf apt-get -qq -y --download-only install "python$version-venv" libstdc++6 >/dev/null 2>&1; then break; fi
        version=
    done
    [ -n "$version" ] || unavailable "the package sources have no arm64 python3.10 to 3.12"
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root.tmp"; done
    for folder in bin sbin lib; do # one /usr, as on a board
        mkdir -p "$root.tmp/usr/$folder"
        if [ -d "$root.tmp/$folder" ] && [ ! -L "$root.tmp/$folder" ]; then
            cp -a "$root.tmp/$folder/." "$root.tmp/usr/$folder/"
            rm -rf "${root:?}.tmp/$folder"
        fi
        ln -sfn "usr/$folder" "$root.tmp/$folder"
    done
    # qemu looks here first: a folder that exists here hides the machine's when it is listed.
    for folder in tmp root proc dev sys run home var mnt srv opt; do rm -rf "${root:?}.tmp/$folder"; done
    # What the wheel reads to know the board. Where there is a /.dockerenv it asks for the device node too.
    mkdir -p "$root.tmp/proc/device-tree" "$root.tmp/dev/dri"
    printf 'radxa,rock-5b\0rockchip,rk3588\0' >"$root.tmp/proc/device-tree/compatible"
    : >"$root.tmp/dev/dri/renderD129"
    printf '%s\n' "$version" >"$root.tmp/python-version"
    mv "$root.tmp" "$root"
    rm -rf "$apt"
}

# for_board COMMAND TARGET-OPTION FOLDER PACKAGE...: pip download or install, of aarch64 wheels.
for_board() {
    command=$1 option=$2 target=$3
    shift 3
    pip=python3
    if ! python3 -m pip --version >/dev/null 2>&1; then
        pip=$board/venv/bin/python
        [ -x "$pip" ] || python3 -m venv "$board/venv" || { echo "error: sudo apt install python3-venv" >&2; return 1; }
    fi
    rm -rf "$target" "$target.tmp"
    # pip compares --target with what this machine has, so its complaints matter only when it fails
    "$pip" -m pip "$command" --quiet --disable-pip-version-check "$option" "$target.tmp" \
        --python-version "$version" --implementation cp --only-binary=:all: --platform manylinux2014_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux_2_28_aarch64 "$@" 2>"$board/pip.log" ||
        { cat "$board/pip.log" >&2; return 1; }
    mv "$target.tmp" "$target"
}

# unpack FOLDER PACKAGE...: install what was fetched.
unpack() {
    target=$1
    shift
    for_board install --target "$target" --no-compile --no-index --find-links "$board/wheels" "$@"
}

[ -z "$tools" ] || install_tools
{ [ -f "$root/python-version" ] && [ -d "$root"/usr/lib/python3.*/ensurepip ]; } || make_sysroot
version=$(cat "$root/python-version")
if [ ! -d "$board/wheels" ]; then
    say "fetching aarch64 wheels"
    for_board download --dest "$board/wheels" 'numpy<2' opencv-python-headless==4.11.0.86 'typer>=0.19' 'rich>=13' \
        'pytest>=8' rknn-toolkit-lite2
    for_board download --dest "$board/older" --no-deps rknn-toolkit-lite2==2.3.2
    mv "$board"/older/*.whl "$board/wheels"
    rmdir "$board/older"
fi
[ -d "$board/site" ] || unpack "$board/site" numpy opencv-python-headless typer rich pytest psutil ruamel.yaml
[ -d "$board/lite-2.3.2" ] || unpack "$board/lite-2.3.2" --no-deps rknn-toolkit-lite2==2.3.2
[ -d "$board/lite-newest" ] || unpack "$board/lite-newest" --no-deps rknn-toolkit-lite2

# Compiled aside and renamed: a process that has the old one mapped keeps it.
if [ ! -f "$root/usr/lib/librknnrt.so" ] || [ "$source" -nt "$root/usr/lib/librknnrt.so" ] ||
    ! cmp -s "$source" "$board/librknnrt.c"; then
    say "compiling the stand-in for librknnrt.so"
    aarch64-linux-gnu-gcc -std=gnu11 -O3 -g -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden \
        -Wl,-soname,librknnrt.so -o "$board/librknnrt.tmp" "$source" -lpthread -lm
    mv "$board/librknnrt.tmp" "$root/usr/lib/librknnrt.so"
    cp "$source" "$board/librknnrt.c"
fi

cat >"$board/board-python.tmp" <<END
#!/bin/sh
# python on the emulated board; LITE=2.3.2 or newest (default) chooses the rknn-toolkit-lite2
site=$board/lite-\${LITE:-newest}:$board/site
exec qemu-aarch64-static -L $root -E PYTHONPATH="\$site\${PYTHONPATH:+:\$PYTHONPATH}" -E PYTHONDONTWRITEBYTECODE=1 \\
    -E OPENBLAS_NUM_THREADS=1 $root/usr/bin/python$version "\$@"
END
chmod +x "$board/board-python.tmp"
# Python takes this script for itself (-0), and so do the virtual environments it makes, which link to it: whatever runs
# them ends here, without binfmt_misc.
cat >"$root/usr/bin/python3.tmp" <<END
#!/bin/sh
exec qemu-aarch64-static -0 "\$0" -L $root -E OPENBLAS_NUM_THREADS=1 $root/usr/bin/python$version "\$@"
END
chmod +x "$root/usr/bin/python3.tmp"
mv "$root/usr/bin/python3.tmp" "$root/usr/bin/python3"
mkdir -p "$board/bin"
ln -sfn "$root/usr/bin/python3" "$board/bin/python3"

"$board/board-python.tmp" -c 'import cv2, rich, typer, pytest; from rknnlite.api import RKNNLite'
mv "$board/board-python.tmp" "$board/board-python"
say "ready: $board/board-python"

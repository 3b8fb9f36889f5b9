# Sourced by the other scripts. `venv GROUP...` makes .venv with yolorknn[pc] and the named dependency groups,
# with uv where it is on PATH; what is already there is left alone.

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

find_python() {
    for python in python3.11 python3.12 python3.10 python3; do
        if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            return
        fi
    done
    fail "no Python 3.10 to 3.12 found (rknn-toolkit2 has no wheel for others): install one, or uv, which brings its own"
}

# install ARGUMENT...: what pip install takes, into .venv, with uv where it is on PATH.
install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python "$@"
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

# beside FOLDER ARGUMENT...: packages beside .venv's own, for PYTHONPATH; a folder that is complete is left alone.
beside() {
    folder=$1
    shift
    [ ! -f "$folder/complete" ] || return 0
    rm -rf "$folder"
    install --target "$folder" "$@"
    touch "$folder/complete"
}

# from_npm PACKAGE PATH FILE: a file of an npm package; what is there is left alone.
from_npm() {
    [ ! -e "$3" ] || return 0
    command -v npm >/dev/null && packed=$(cd "${3%/*}" && npm pack --silent "$1") || return 1
    tar -xzf "${3%/*}/$packed" -C "${3%/*}" "package/$2" && mv "${3%/*}/package/$2" "$3" || return 1
    rm -r "${3%/*}/$packed" "${3%/*}/package"
}

# apart FOLDER PACKAGE...: an environment of their own, with .venv's Python; one that is complete is left alone.
apart() {
    folder=$1
    shift
    [ ! -e "$folder/complete" ] || return 0
    rm -rf "$folder/venv"
    .venv/bin/python -m venv --without-pip "$folder/venv" && .venv/bin/python -m pip --quiet --disable-pip-version-check \
        --python "$folder/venv/bin/python" install "$@" && touch "$folder/complete"
}

venv() {
    stamp=".venv/yolorknn-$*"
    if [ -f "$stamp" ] && cmp -s pyproject.toml "$stamp"; then
        say ".venv is up to date"
        return
    fi
    groups=""
    for group in "$@"; do groups="$groups --group $group"; done
    if [ ! -x .venv/bin/python ]; then
        if command -v uv >/dev/null 2>&1; then
            say "making .venv with uv"
            uv venv --quiet --python '>=3.10,<3.13' .venv
        else
            find_python
            say "making .venv with $python"
            "$python" -m venv .venv || fail "$python cannot make a venv: sudo apt install python3-venv"
        fi
    fi
    say "installing yolorknn[pc] (about 3 GB the first time, most of it torch's CUDA libraries)"
    command -v uv >/dev/null 2>&1 || install 'pip>=25.1' # the first to know --group
    install -e '.[pc]' $groups
    .venv/bin/python -c 'import cv2' || fail "OpenCV does not load: sudo apt install libgl1 libglib2.0-0"
    cp pyproject.toml "$stamp"
}

"""What a board does with files that come: it replaces folders of our own making, and no others."""

from __future__ import annotations

MARK = ".yolorknn"
"""A file in each folder on a board that deploy made, and may so replace."""
EARLIER = "ls -d .venv/lib/python3*/site-packages/yolorknn-*+*.dist-info >/dev/null 2>&1"
"""Whether a deploy that made no marks yet was here: only its wheels have such a version."""
RECEIVE = f"""
rm -rf ./.yolorknn-incoming.*
new=$(mktemp -d ./.yolorknn-incoming.XXXXXXXX) || exit 1
trap 'rm -rf "$new"' EXIT
tar -xf - -C "$new" --no-same-owner || exit 1
for made in "$new"/*; do
    here="./${{made##*/}}"
    [ ! -d "$here" ] || [ -L "$here" ] || [ -e "$here/{MARK}" ] || {{ [ ! -e .venv/{MARK} ] && {EARLIER}; }} || {{
        echo "${{made##*/}} is there and not of yolorknn's making: move it away, or give another --folder" >&2
        exit 1
    }}
done
for made in "$new"/*; do rm -rf "./${{made##*/}}" && mv "$made" . || exit 1; done
"""
"""Unpacks an archive from stdin into the current folder, all of it or nothing."""

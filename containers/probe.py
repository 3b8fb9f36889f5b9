"""Ask the page in this container how it is: python -I probe.py /healthz, or /readyz; exit status 0 for well.

With the token of YOLORKNN_SERVE_TOKEN, or of the file beside the site file; the image has no curl.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

PAGE = os.environ.get("YOLORKNN_PROBED", "http://127.0.0.1:8080")
TOKEN_FILE = Path(os.environ.get("YOLORKNN_TOKEN_FILE", "/etc/yolorknn/page.token"))


def main(path: str) -> str:
    """Return why not; empty where all is well."""
    token = os.environ.get("YOLORKNN_SERVE_TOKEN", "")
    if not token and TOKEN_FILE.is_file():
        token = TOKEN_FILE.read_text().partition("\n")[0].strip()
    request = urllib.request.Request(PAGE + path, headers={"Authorization": f"Bearer {token}"} if token else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5):
            return ""
    except urllib.error.HTTPError as exc:
        return f"{path}: {exc.code} {exc.read(500).decode('utf-8', 'replace')}"
    except OSError as exc:
        return f"{path}: {exc}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or None)

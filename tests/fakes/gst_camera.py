"""GStreamer's RTSP server with a moving test picture; run by the system's Python, which has its bindings.

    /usr/bin/python3 gst_camera.py

It prints the URL. A line on stdin ends it.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve until stdin ends."""
    Gst.init(None)
    server: Any = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory: Any = GstRtspServer.RTSPMediaFactory()
    encoder = "x264enc tune=zerolatency key-int-max=15 ! h264parse ! rtph264pay name=pay0 config-interval=1"
    factory.set_launch(f"( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! {encoder} )")
    factory.set_shared(True)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit("no port")
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/live", flush=True)
    loop: Any = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.readline(), loop.quit()), daemon=True).start()
    loop.run()


main()

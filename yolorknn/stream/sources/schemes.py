"""The schemes of URLs that streams are read of."""

from __future__ import annotations

SCHEMES = frozenset({
        "amqp", "async", "cache", "concat", "crypto", "data", "fd", "file", "ftp", "gopher", "gophers", "hls",
        "http", "httpproxy", "https", "icecast", "ipfs", "ipns", "mms", "mmsh", "mmst", "pipe", "prompeg",
        "rist", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtp", "rtsp", "rtsps", "sap", "sctp",
        "sdp", "sftp", "smb", "srt", "srtp", "subfile", "tcp", "tls", "udp", "udplite", "unix", "webrtc",
        "whep", "zmq",
})  # fmt: skip
"""Those that FFmpeg has, with any of its libraries."""
USUAL = ("http", "https", "rtmp", "rtsp", "srt", "udp")
"""What was mostly meant by another one."""


def scheme_of(source: str) -> str:
    """Return the scheme of a URL, without what FFmpeg has behind a +; empty for what is none."""
    scheme, mark, _ = source.partition("://")
    return scheme.lower().partition("+")[0].partition(":")[0] if mark else ""

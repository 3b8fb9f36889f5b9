#!/bin/sh
# What the tests of cameras, sinks and the page use beside Python packages: Debian's GStreamer RTSP server, ffmpeg,
# mosquitto, Chromium, promtool, faketime. As root, on Debian or Ubuntu; where that cannot be, ends with 77, and those tests are
# skipped, each with its reason.
set -eu
packages="gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly ffmpeg gcc libc6-dev mosquitto faketime chromium chromium-driver fonts-dejavu-core
    prometheus"
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, and this is no root on Debian:$missing" >&2
    exit 77
fi
# Services are for machines; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || {
    echo "apt could not install:$missing" >&2
    exit 77
}

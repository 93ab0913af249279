#!/usr/bin/env bash
# Installs what the tests need and PyPI does not have: nginx, haproxy, caddy, Chromium, curl, openssl
# and Prometheus. Does nothing where all of it is there. Starts no service.
set -euo pipefail

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
command -v caddy >/dev/null || missing+=(caddy)
command -v curl >/dev/null || missing+=(curl)
command -v openssl >/dev/null || missing+=(openssl)
command -v promtool >/dev/null || missing+=(prometheus)
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null ||
    missing+=(chromium-headless-shell)
[ ${#missing[@]} -gt 0 ] || exit 0

by_hand() {
    echo "tools/apt-test.sh: $1. The tests need ${missing[*]}: install them (on Debian as root:" >&2
    echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
    echo "), or run the tests without CI set, which skips those that need them." >&2
    exit 1
}

command -v apt-get >/dev/null || by_hand "there is no apt-get here"
[ "$(id -u)" -eq 0 ] || by_hand "only root can install packages"

# Debian starts a service as it is installed, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null

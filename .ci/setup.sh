# Sourced by .ci/app and .ci/test: a virtual environment and the system packages that are missing.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python_packages() { # requirements files: installed once, and again when one of them changes
  local stamp=.venv/installed-$(cat "$@" | sha256sum | cut -c1-16)
  [ -e "$stamp" ] && return
  echo "Setting up .venv (the first time this takes a few minutes) ..."
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv || {
    echo "error: no virtual environment could be made; install python3-venv, then run this again" >&2
    exit 1
  }
  local arguments=()
  for file in "$@"; do arguments+=(-r "$file"); done
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off "${arguments[@]}" |
    sed -u -n -e 's/^ *Downloading \(.*\)/  downloading \1/p' -e 's/^Installing collected.*/  installing .../p'
  touch "$stamp"
}

system_packages() { # pairs FILE-PATTERN=PACKAGE: installed where we may, named where we may not
  local missing=() pair
  for pair in "$@"; do
    compgen -G "${pair%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} = 0 ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing system packages: ${missing[*]} ..."
    if apt-get update -qq >/dev/null &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
      return
    fi
  fi
  echo "Some things need system packages. On Debian or Ubuntu:"
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
}

GL=("/usr/lib/*/libEGL.so.1=libegl1" "/usr/lib/*/dri/swrast_dri.so=libgl1-mesa-dri")

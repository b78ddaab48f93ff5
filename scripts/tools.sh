# Sourced by the other scripts: where the tools are, and how a script speaks.
# shellcheck shell=bash disable=SC2034

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=${LIFEBOAT_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/tools}
PATH=$tools/bin:$PATH

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

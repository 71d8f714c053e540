# Debian packages of ./run and ./check, and how they are installed. Sourced by both, from the top of the tree.
# "a|b" is satisfied by either; the first that the system's archive has is installed (Debian 13's name and 12's).
# shellcheck shell=bash disable=SC2034

BUILD_PACKAGES=(
  g++ cmake ninja-build ccache 'pkgconf|pkg-config'
  libuv1-dev 'libllhttp-dev|node-llhttp' libssl-dev liblmdb-dev libyaml-cpp-dev libfmt-dev libspdlog-dev
  libunbound-dev dns-root-data 'libboost-json1.81-dev|libboost-json-dev' libcurl4-openssl-dev libgmime-3.0-dev
  libidn2-dev libre2-dev libcli11-dev prometheus-cpp-dev
)
RUN_PACKAGES=(openssl curl ca-certificates)  # ./run makes a certificate and shows how to send with curl
TEST_PACKAGES=(
  doctest-dev mandoc git python3 python3-pytest python3-prometheus-client swaks haproxy libnet-ssleay-perl msmtp libphp-phpmailer php-cli php-mysql
  mariadb-server-core mariadb-client wordpress
  knot knot-dnssecutils knot-dnsutils iproute2  # a name server with signed zones
  clang-19 libclang-rt-19-dev  # the fuzz targets
  libfuse3-dev mount e2fsprogs xfsprogs btrfs-progs  # a disk whose power is cut, and file systems on it
)

# The last line of a run that failed.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
say() { printf '\n== %s\n' "$*"; }

# What of the arguments is not installed, one a line.
missing_packages() {
  command -v dpkg-query > /dev/null || { printf '%s\n' "$@"; return; }
  local installed entry name
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
  for entry in "$@"; do
    for name in ${entry//|/ }; do
      if grep -qxF -- "$name" <<< "$installed"; then continue 2; fi
    done
    printf '%s\n' "$entry"
  done
}

# The first of "a|b" that the archive has; the last if it has none, for apt-get to complain about.
choose_package() {
  local name
  for name in ${1//|/ }; do
    if apt-cache show --no-all-versions "$name" > /dev/null 2>&1; then break; fi
  done
  printf '%s\n' "$name"
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    env "$@"
  else
    sudo env "$@"
  fi
}

# Installs what is missing of the arguments; does and asks nothing if nothing is.
need_packages() {
  local missing names=() entry
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get > /dev/null || die "apt-get is missing, so this is no Debian; install these yourself: ${missing[*]}"
  [[ $EUID -eq 0 ]] || command -v sudo > /dev/null ||
    die "these packages are missing, and without sudo only root can install them: ${missing[*]}"
  say "installing ${#missing[@]} missing packages: ${missing[*]}"
  local apt=(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
  # Its failures are left to the next step: another archive's may be out of order without harm.
  as_root "${apt[@]}" update || true
  for entry in "${missing[@]}"; do names+=("$(choose_package "$entry")"); done
  as_root "${apt[@]}" -o Dpkg::Use-Pty=0 install --no-install-recommends "${names[@]}" < /dev/null ||
    die "the packages ${names[*]} could not be installed; is there a network, and is Debian's archive reachable?"
}

# build CMAKE_OPTIONS -- TARGETS: the release preset.
build() {
  local options=()
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  # A tree that was moved is configured anew.
  local cache=build/release/CMakeCache.txt
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$(pwd -P)" "$cache"; then options+=(--fresh); fi
  say "configuring"
  cmake --preset release "${options[@]}" || die "the build could not be configured; the reason stands above"
  say "building"
  cmake --build --preset release ${1:+--target "$@"} || die "the build failed; the reason stands above"
}

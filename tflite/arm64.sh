#!/bin/sh
# Puts an emulated 64-bit ARM machine into a folder: qemu's user mode from Debian 13, an
# arm64 user space with Python 3.11 from Debian 12, and the arm64 wheels of NumPy and
# LiteRT from PyPI, in the versions that PYTHON has.
#
#     sh tflite/arm64.sh FOLDER PYTHON
#
# Needs apt-get and dpkg-deb on x86-64, but not root, and installs nothing outside FOLDER.
# A part that is there is kept, so that a run which was stopped goes on.
set -eu
python=$(command -v "$2")
case $python in /*) ;; *) python=$PWD/$python ;; esac
mkdir -p "$1"
cd "$1"
here=$PWD
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=http://deb.debian.org/debian

# apt-get with lists, state and cache of its own in FOLDER/apt.
apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64,amd64 \
    -o Dir::Etc::sourcelist="$here/apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State="$here/apt" -o Dir::State::status="$here/apt/status" \
    -o Dir::Cache="$here/apt" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
    -o APT::Install-Recommends=0 -o Acquire::Languages=none "$@"
}

if [ ! -e qemu-aarch64 ] || [ ! -d root ]; then
  for needed in apt-get dpkg-deb "$keys"; do
    [ -e "$needed" ] || command -v "$needed" >/dev/null || {
      echo "error: no $needed: this needs Debian, or Ubuntu with the package" \
        "debian-archive-keyring" >&2
      exit 1
    }
  done
  echo "Debian's lists of packages"
  rm -rf apt
  mkdir -p apt/lists/partial apt/archives/partial
  : >apt/status
  for suite in "amd64 trixie" "arm64 bookworm"; do
    echo "deb [arch=${suite% *} signed-by=$keys] $mirror ${suite#* } main"
  done >apt/sources.list
  apt update
fi
if [ ! -e qemu-aarch64 ]; then
  echo "qemu"
  (cd apt && apt download qemu-user:amd64)
  dpkg-deb --fsys-tarfile apt/qemu-user_*.deb | tar -xC apt ./usr/bin/qemu-aarch64
  mv apt/usr/bin/qemu-aarch64 .
fi
if [ ! -d root ]; then
  echo "arm64 user space"
  apt install -y --download-only python3.11-minimal libpython3.11-stdlib libstdc++6
  for package in apt/archives/*.deb; do dpkg-deb -x "$package" apt/root; done
  mv apt/root .
fi
rm -rf apt
if [ ! -d site ]; then
  echo "arm64 wheels"
  pins=$("$python" -c "
from importlib.metadata import version
print(*(f'{name}=={version(name)}' for name in ('numpy', 'ai-edge-litert')))")
  rm -rf site.new
  "$python" -m pip install -q --disable-pip-version-check --target site.new --no-deps \
    --no-compile --only-binary=:all: --implementation cp --python-version 3.11 \
    --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 $pins
  mv site.new site
fi
echo "$here is ready"

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Gets what the project and its tests need from Debian, and nothing from elsewhere:
#
#	fetch.sh packages [--build-only]   installs missing packages (needs root only then)
#	fetch.sh kernel [DIR]              the guest kernel and the modules that guests load:
#	                                   DIR/vmlinuz, DIR/modules/*.ko
#	fetch.sh qemu10 [DIR]              QEMU 10.0 from bookworm-backports: DIR/qemu-system-x86_64
#	fetch.sh agent [DIR]               the guest agent: DIR/qemu-ga
#	fetch.sh libvirt [DIR]             libvirt: DIR/usr
#	fetch.sh promtool [DIR]            what checks rules for Prometheus: DIR/promtool
#
# Without arguments: all. All but the packages are unpacked into DIR (build/fetched/… by default),
# never installed, so that no service of theirs is started; apt's lists for them are private too.
# What is there already is left alone, so a second run needs no network.
set -euo pipefail

fetched=$(cd "$(dirname "$0")/.." && pwd)/build/fetched
release=bookworm

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 check
	libjson-c-dev librbd-dev librados-dev libxxhash-dev libisal-dev libvirt-dev libxml2-dev
	libinih-dev libcurl4-gnutls-dev libgnutls28-dev libmicrohttpd-dev libsystemd-dev
	qemu-system-x86 qemu-utils busybox-static cpio)
test_packages=(clang libclang-rt-14-dev clang-format clang-tidy cppcheck shellcheck
	universal-ctags mandoc zsh qemu-block-extra seabios ipxe-qemu
	ceph-mon ceph-osd ceph-mgr ceph-common socat strace procps iproute2
	curl chromium systemd python3-yaml python3-jsonschema)
qemu10_packages=("qemu-system-x86/$release-backports" "qemu-system-common/$release-backports"
	"qemu-system-data/$release-backports" "qemu-utils/$release-backports"
	"qemu-block-extra/$release-backports" "qemu-system-modules-opengl/$release-backports"
	"qemu-system-modules-spice/$release-backports" "seabios/$release-backports" ipxe-qemu)
# Disks on RBD need nothing more: QEMU itself opens them (qemu-block-extra).
libvirt_packages=(libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libvirt0 libyajl2
	libpcap0.8 libssh-4)

fail() {
	echo "fetch.sh: $*" >&2
	exit 1
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

packages() {
	local package missing=() wanted=("${build_packages[@]}")
	[ "$1" = --build-only ] || wanted+=("${test_packages[@]}")
	for package in "${wanted[@]}"; do
		installed "$package" || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	echo "installing ${missing[*]}"
	[ "$(id -u)" = 0 ] || fail "these packages are missing; as root: apt-get install ${missing[*]}"
	apt-get -qq update || true # one broken source of many: the next line decides
	DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
		"${missing[@]}" </dev/null >/dev/null ||
		fail "apt-get could not install ${missing[*]}; are the Debian 12 sources reachable?"
}

# What this machine calls the archive of a suite, else Debian's own address.
mirror() {
	local site
	site=$(apt-get -o Debug::NoLocking=1 update --print-uris |
		sed -n "s|^'\\(.*\\)/dists/$1/InRelease'.*|\\1|p" | sed -n 1p)
	echo "${site:-$2}"
}

# apt with its own sources and lists in $1; the machine's are neither used nor changed.
private_apt() {
	local state=$1 tool=$2
	shift 2
	"$tool" -qq -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=- \
		-o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" \
		-o APT::Sandbox::User=root "$@"
}

# Two archives: this machine's mirror, which may not have all suites, and Debian's.
private_lists() {
	local state=$1 debian=http://deb.debian.org/debian
	local security=$debian-security
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	sources "$(mirror $release $debian)" "$(mirror $release-security $security)" \
		>"$state/sources.list"
	private_apt "$state" apt-get update --error-on=any >/dev/null 2>&1 && return
	sources $debian $security >"$state/sources.list"
	private_apt "$state" apt-get update --error-on=any ||
		fail "the package lists of $release, its security updates and its backports cannot be read"
}

sources() {
	local key=/usr/share/keyrings/debian-archive-keyring.gpg
	echo "deb [signed-by=$key] $1 $release main"
	echo "deb [signed-by=$key] $1 $release-backports main"
	echo "deb [signed-by=$key] $2 $release-security main"
}

# unpack STATE DIR PACKAGE…: downloads them and unpacks them all into DIR
unpack() {
	local state=$1 dir=$2 file
	shift 2
	mkdir -p "$state/files" "$dir"
	(cd "$state/files" && private_apt "$state" apt-get download "$@") ||
		fail "these packages cannot be downloaded: $*"
	for file in "$state"/files/*.deb; do
		dpkg-deb -x "$file" "$dir"
	done
}

# begin DIR: an empty folder beside DIR for what is not complete yet; sets new and state
begin() {
	mkdir -p "$(dirname "$1")"
	new=$(mktemp -d "$1.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	state=$new/state
	private_lists "$state"
}

# finish DIR: DIR appears whole or not at all
finish() {
	rm -rf "$state" "$1"
	chmod 755 "$new"
	mv "$new" "$1"
	trap - EXIT
}

kernel_package() {
	local package
	package=$(private_apt "$state" apt-cache depends --important linux-image-cloud-amd64 |
		sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
	[ "$package" ] || fail "no kernel is named by linux-image-cloud-amd64"
	echo "$package"
}

# Modules fit only the kernel of their own package, so they come along. ext4 is built in.
kernel() {
	local dir package
	dir=$(realpath -m "$1")
	[ ! -e "$dir/modules/net_failover.ko" ] || return 0
	echo "fetching the guest kernel"
	begin "$dir"
	package=$(kernel_package)
	unpack "$state" "$new/package" "$package"
	mv "$new"/package/boot/vmlinuz-* "$new/vmlinuz"
	mkdir "$new/modules"
	find "$new/package" \( -name 'virtio*.ko' -o -name '*failover.ko' \) -exec mv -t "$new/modules" {} +
	rm -rf "$new/package"
	finish "$dir"
}

# The wrapper keeps QEMU 10.0 away from the modules and the firmware of the installed QEMU. For a
# module that it lacks it would still look there, and abort: libvirt asks for all of them.
qemu10() {
	local dir
	dir=$(realpath -m "$1")
	[ ! -e "$dir/usr/lib/x86_64-linux-gnu/qemu/ui-opengl.so" ] || return 0
	echo "fetching QEMU 10.0"
	begin "$dir"
	unpack "$state" "$new" "${qemu10_packages[@]}"
	cat >"$new/qemu-system-x86_64" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/usr
QEMU_MODULE_DIR=$here/lib/x86_64-linux-gnu/qemu
export QEMU_MODULE_DIR
exec "$here/bin/qemu-system-x86_64" -L "$here/share/qemu" -L "$here/share/seabios" \
	-L "$here/lib/ipxe/qemu" "$@"
WRAPPER
	chmod 755 "$new/qemu-system-x86_64"
	"$new/qemu-system-x86_64" --version >/dev/null ||
		fail "QEMU 10.0 does not run here: fetch.sh packages installs the libraries it needs"
	finish "$dir"
}

agent() {
	local dir
	dir=$(realpath -m "$1")
	[ ! -e "$dir/qemu-ga" ] || return 0
	echo "fetching the guest agent"
	begin "$dir"
	unpack "$state" "$new/package" qemu-guest-agent
	mv "$new/package/usr/sbin/qemu-ga" "$new/qemu-ga"
	rm -rf "$new/package"
	finish "$dir"
}

# lib/libvirt.sh lays DIR/usr over /usr in mount namespaces of its own.
libvirt() {
	local dir
	dir=$(realpath -m "$1")
	[ ! -e "$dir/usr/sbin/libvirtd" ] || return 0
	echo "fetching libvirt"
	begin "$dir"
	unpack "$state" "$new" "${libvirt_packages[@]}"
	LD_LIBRARY_PATH=$new/usr/lib/x86_64-linux-gnu "$new/usr/sbin/libvirtd" --version >/dev/null ||
		fail "libvirt does not run here: fetch.sh packages installs the libraries it needs"
	finish "$dir"
}

promtool() {
	local dir
	dir=$(realpath -m "$1")
	[ ! -e "$dir/promtool" ] || return 0
	echo "fetching promtool"
	begin "$dir"
	unpack "$state" "$new/package" prometheus
	mv "$new/package/usr/bin/promtool" "$new/promtool"
	rm -rf "$new/package"
	finish "$dir"
}

case ${1:-all} in
packages) packages "${2:-}" ;;
kernel) kernel "${2:-$fetched/kernel}" ;;
qemu10) qemu10 "${2:-$fetched/qemu10}" ;;
agent) agent "${2:-$fetched/agent}" ;;
libvirt) libvirt "${2:-$fetched/libvirt}" ;;
promtool) promtool "${2:-$fetched/promtool}" ;;
all)
	packages --for-tests
	kernel "$fetched/kernel"
	qemu10 "$fetched/qemu10"
	agent "$fetched/agent"
	libvirt "$fetched/libvirt"
	promtool "$fetched/promtool"
	;;
*) fail "$1? The header of this file says how to call it" ;;
esac

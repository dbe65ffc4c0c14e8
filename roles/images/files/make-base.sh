#!/bin/sh
# Makes the root filesystem of the base image: make-base.sh SUITE ARCHIVE
#
# Debian's smallest variant with this machine's own package sources, trimmed of documentation.
# Used by the role "images" on the registry's host, and by `ocplay lab` for its hosts.
set -eu
suite=$1
archive=$2

work=$(mktemp -d "${TMPDIR:-/var/tmp}/ocplay-base.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
root=$work/root

# The first mirror that this machine itself uses; debootstrap's own choice where none is found.
mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null \
    | sed -n -e 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' \
             -e 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([a-z+]*:[^[:space:]]*\).*/\2/p' | head -n 1)

debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" $mirror >&2

# This machine's Debian sources and its way to reach them.
for list in sources.list sources.list.d/debian.sources; do
    if [ -s "/etc/apt/$list" ]; then
        [ "$list" = sources.list ] || : > "$root/etc/apt/sources.list"
        cp "/etc/apt/$list" "$root/etc/apt/$list"
    fi
done
apt-config dump | grep -E '^Acquire::(http|https|Check)' > "$root/etc/apt/apt.conf.d/91machine" || true

cat > "$root/etc/apt/apt.conf.d/90ocplay" <<'APT'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Lock::Timeout "120";
APT
cat > "$root/etc/dpkg/dpkg.cfg.d/90ocplay" <<'DPKG'
force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
DPKG

rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/*-old \
    "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/usr/share/info/* "$root"/usr/share/lintian/* \
    "$root"/var/log/*.log "$root"/var/log/apt/*
# Some packages want the empty folder (Java's alternatives among them).
find "$root/usr/share/man" \( -type f -o -type l \) -delete
mkdir -p "$root/usr/share/man/man1"

mkdir -p "$(dirname "$archive")"
tar -C "$root" --numeric-owner -cf "$archive.part" .
mv "$archive.part" "$archive"

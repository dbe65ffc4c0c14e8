#!/bin/sh
# Makes a repository of small packages for pacman below the folder $1, and installs one of them by hand.
set -eu
mkdir -p "$1/tree" "$1/repo"; cd "$1/tree"
for name in mod-pac-hello mod-pac-gone; do
    printf 'pkgname = %s\npkgbase = %s\npkgver = 1-1\npkgdesc = x\nurl = x\nbuilddate = 1\npackager = x\nsize = 0\narch = any\n' $name $name > .PKGINFO
    bsdtar -czf .MTREE --format=mtree --options='!all,type,mode' .PKGINFO
    bsdtar -cf - .PKGINFO .MTREE | zstd -q > "../repo/$name-1-1-any.pkg.tar.zst"
done
repo-add -q ../repo/mod.db.tar.gz ../repo/*.pkg.tar.zst > /dev/null
printf '[options]\nArchitecture = auto\nSigLevel = Never\n[mod]\nServer = file://%s\n' "$1/repo" > /etc/pacman.conf
mkdir -p /var/lib/pacman
pacman -Sy --noconfirm mod-pac-gone > /dev/null
touch ../ready

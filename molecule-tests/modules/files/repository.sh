#!/bin/sh
# Makes a repository of small packages below the folder $1, and installs some of them by hand.
set -eu
mkdir -p "$1/packages" "$1/tree"
package() {
    # name, version, dependencies, a settings file or nothing
    tree=$1/tree/$2-$3
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/$2"
    echo "$3" > "$tree/usr/share/$2/version"
    {
        echo "Package: $2"; echo "Version: $3"; echo "Architecture: all"
        echo "Maintainer: nobody <nobody@example.com>"; echo "Description: a package to try apt on"
        [ -z "$4" ] || echo "Depends: $4"
    } > "$tree/DEBIAN/control"
    if [ -n "${5-}" ]; then
        mkdir -p "$tree/etc"; echo x > "$tree/etc/$5"; echo "/etc/$5" > "$tree/DEBIAN/conffiles"
    fi
    dpkg-deb --root-owner-group -b "$tree" "$1/packages/$2_$3_all.deb" > /dev/null
}
package "$1" mod-needed 1.0 ''
package "$1" mod-hello 1.0 mod-needed
package "$1" mod-hello 2.0 mod-needed
package "$1" mod-other 1.9 ''
package "$1" mod-other 2.1 ''
package "$1" mod-late 1.0 ''
package "$1" mod-late 2.0 ''
package "$1" mod-never 1.0 ''
package "$1" mod-file 1.0 ''
package "$1" mod-orphan 1.0 ''
package "$1" mod-gone 1.0 '' mod-gone.conf
package "$1" mod-web 1.0 ''
package "$1" mod-held 1.0 ''
package "$1" mod-generic 1.0 ''
mv "$1/packages/mod-web_1.0_all.deb" /srv/modules/www/
(cd "$1/packages" && dpkg-scanpackages -m . > Packages 2>/dev/null)
(cd "$1/packages" && dpkg -i mod-late_1.0_all.deb mod-gone_1.0_all.deb mod-orphan_1.0_all.deb mod-held_1.0_all.deb)
apt-mark auto mod-orphan
echo "deb [trusted=yes] file:$1/packages ./" > /etc/apt/sources.list.d/mod.list
apt-get -q update

#!/bin/sh
# Makes a repository of small packages for rpm below the folder $1, and installs some of them by hand.
set -eu
mkdir -p "$1/packages" /etc/rpm; cd "$1"
# Debian's rpm would keep its list in the home of the user.
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
package() {
    # name, version, what it needs
    {
        echo "Name: $1"; echo "Version: $2"; echo "Release: 1"; echo "Summary: a package to try on"
        echo "License: none"; echo "BuildArch: noarch"; [ -z "${3-}" ] || echo "Requires: $3"
        echo "%description"; echo "x"; echo "%files"
    } > "$1.spec"
    rpmbuild -bb --quiet --define "_topdir $PWD/build" --define "_rpmdir $PWD/packages" --define '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' "$1.spec" > /dev/null
}
package mod-rpm-needed 1
package mod-rpm-hello 1 mod-rpm-needed
package mod-rpm-late 1
package mod-rpm-late 2
package mod-rpm-gone 1
package mod-rpm-old 1
package mod-rpm-old 2
package mod-rpm-file 1
package mod-rpm-zypp 1 mod-rpm-needed
package mod-rpm-zypp-gone 1
rpm -i packages/mod-rpm-late-1-1.noarch.rpm packages/mod-rpm-old-1-1.noarch.rpm packages/mod-rpm-gone-1-1.noarch.rpm packages/mod-rpm-zypp-gone-1-1.noarch.rpm
mv packages/mod-rpm-file-1-1.noarch.rpm .
createrepo_c -q packages

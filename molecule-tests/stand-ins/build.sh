#!/bin/sh
# Builds the packages of the stand-ins into a folder that apt reads as a repository: build.sh FOLDER
#
# The packages carry the names of the real ones, so that whoever installs them need not know the difference.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out.part" && mkdir -p "$out.part"

package() { # NAME DEPENDS: the folder $work/NAME becomes a package
    mkdir -p "$work/$1/DEBIAN"
    printf 'Package: %s\nVersion: 3.0-2668\nArchitecture: all\nMaintainer: ocplay <nobody@example.org>\nDepends: %s\nDescription: stand-in for %s\n Answers in its place where the real one cannot be had.\n' \
        "$1" "$2" "$1" > "$work/$1/DEBIAN/control"
    # The same content makes the same package, so that images are not built for nothing.
    find "$work/$1" -exec touch -h -d @1446336000 {} +
    SOURCE_DATE_EPOCH=1446336000 dpkg-deb --root-owner-group --uniform-compression -Zgzip -b "$work/$1" "$out.part/$1_3.0-2668_all.deb" >/dev/null
}

program() { # PACKAGE DAEMON PATH: a program that is the stand-in of that name
    mkdir -p "$work/$1/$(dirname "$3")"
    printf '#!/usr/bin/python3\nimport sys\nsys.path.insert(0, "/usr/lib/contrail-stand-ins")\nfrom stand_in import main\nmain("%s")\n' "$2" > "$work/$1$3"
    chmod 0755 "$work/$1$3"
}

lib=$work/python-contrail/usr/lib/contrail-stand-ins
mkdir -p "$lib"
cp "$here/stand_in.py" "$here/daemons.json" "$lib/"
package python-contrail "python3, python-is-python3"

for name in api schema svc-monitor device-manager discovery; do
    program contrail-config "contrail-$name" "/usr/bin/contrail-$name"
done
mkdir -p "$work/contrail-config/usr/share/contrail-utils"
for name in control config_node database_node analytics_node vrouter linklocal encap mx; do
    cp "$here/provision.py" "$work/contrail-config/usr/share/contrail-utils/provision_$name.py"
done
package contrail-config python-contrail

for name in collector query-engine analytics-api alarm-gen snmp-collector topology; do
    program contrail-analytics "contrail-$name" "/usr/bin/contrail-$name"
done
package contrail-analytics python-contrail

program contrail-control contrail-control /usr/bin/contrail-control
package contrail-control python-contrail

# named itself is the real one.
program contrail-dns contrail-dns /usr/bin/contrail-dns
ln -s ../sbin/named "$work/contrail-dns/usr/bin/contrail-named"
ln -s ../sbin/rndc "$work/contrail-dns/usr/bin/contrail-rndc"
package contrail-dns "python-contrail, bind9"

program contrail-vrouter-agent contrail-vrouter-agent /usr/bin/contrail-vrouter-agent
mkdir -p "$work/contrail-vrouter-agent/var/lib/contrail"
package contrail-vrouter-agent python-contrail

mkdir -p "$work/ifmap-server/usr/lib/ifmap-server" "$work/ifmap-server/etc/ifmap-server" "$work/ifmap-server/usr/bin"
program ifmap-server ifmap-server /usr/lib/ifmap-server/server
printf '#!/bin/sh\nexec /usr/lib/ifmap-server/server "$@"\n' > "$work/ifmap-server/usr/bin/ifmap-server"
chmod 0755 "$work/ifmap-server/usr/bin/ifmap-server"
package ifmap-server python-contrail

mkdir -p "$work/cassandra/etc/cassandra" "$work/cassandra/usr/bin"
program cassandra cassandra /usr/sbin/cassandra
cp "$here/nodetool" "$work/cassandra/usr/bin/nodetool"
chmod 0755 "$work/cassandra/usr/bin/nodetool"
package cassandra python-contrail

program kafka kafka /opt/kafka_2.11-0.8.2.1/bin/kafka-server-start.sh
mkdir -p "$work/kafka/opt/kafka_2.11-0.8.2.1/config"
package kafka python-contrail

web=$work/contrail-web-core/usr/src/contrail/contrail-web-core
mkdir -p "$web" "$work/contrail-web-core/DEBIAN"
for name in job:jobServerStart server:webServerStart; do
    printf "process.env.STAND_IN = 'webui-%s';\nrequire('./webui.js');\n" "${name%%:*}" > "$web/${name#*:}.js"
done
cp "$here/webui.js" "$web/"
cat > "$work/contrail-web-core/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
mkdir -p /var/lib/contrail-webui/keys
cd /var/lib/contrail-webui/keys
[ -e cs-key.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -keyout cs-key.pem -out cs-cert.pem -days 3650 -subj /CN=webui 2>/dev/null
POSTINST
chmod 0755 "$work/contrail-web-core/DEBIAN/postinst"
package contrail-web-core "python-contrail, nodejs, openssl"
mkdir -p "$work/contrail-web-controller/usr/src/contrail/contrail-web-controller"
package contrail-web-controller contrail-web-core

for name in nova-cert nova-consoleauth glance-registry; do
    program "$name" "$name" "/usr/bin/$name"
    mkdir -p "$work/$name/etc/${name%%-*}"
    package "$name" python-contrail
done

cd "$out.part"
for file in *.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done > Packages
# Renamed into place only when complete, and only when something differs.
if [ -e "$out/Packages" ] && cmp -s Packages "$out/Packages"; then
    rm -rf "$out.part"
else
    rm -rf "$out" && mv "$out.part" "$out"
fi

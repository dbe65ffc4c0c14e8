#!/bin/sh
# Lists every file of the host with its size, mode, owner, time and target into $1/listing.$2; not what other programs
# write all the time, nor the caches that tools keep when they are asked something.
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log \
    -o -path /var/lib/docker -o -path /var/lib/containerd -o -path /var/lib/mysql -o -path /var/lib/rabbitmq -o -path /var/lib/postgresql \
    -o -path /var/cache/ocplay -o -path /root/.cache -o -path /home/deploy -o -path /root/.npm -o -path /root/.config -o -path /root/.local -o -path /var/cache/apt \
    -o -path /var/cache/dnf -o -path /var/lib/zypp -o -path /var/lib/dnf -o -path /var/cache/zypp -o -path /var/cache/debconf -o -path /var/lib/rpm \
    -o -name 'listing.*' -o -name 'S.gpg-agent*' \) -prune \
    -o -printf '%p %y %m %u:%g %s %T@ %l\n' | grep -v -e "^$1 d " -e '^/root d ' -e '^/var/lib d ' -e '^/var/cache d ' -e '^/var/tmp d ' | sort > "$1/listing.$2"

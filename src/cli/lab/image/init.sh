#!/bin/busybox sh
# The first process of a virtual machine: finds its disk and goes on from there. A second, small disk holds what is
# the machine's own; it is mounted where a container of the lab has the same files.
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t devtmpfs dev /dev
while read -r module; do $bb insmod "/$module.ko"; done < /order
tries=0
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo 'no disk'; $bb poweroff -f; }
    $bb usleep 100000
done
$bb mount -t ext4 -o rw,noatime /dev/vda /root
$bb mkdir -p /root/etc/ocplay-lab
$bb mount -t ext4 -o ro /dev/vdb /root/etc/ocplay-lab
# Once: what a play changes later stays changed.
if [ ! -e /root/etc/.ocplay-lab ]; then
    own=/root/etc/ocplay-lab
    $bb cp $own/hostname $own/hosts $own/resolv.conf /root/etc/
    $bb mkdir -p /root/etc/systemd/network
    $bb cp $own/network /root/etc/systemd/network/10-lab.network
    : > /root/etc/.ocplay-lab
fi
$bb umount /proc
exec $bb switch_root /root /sbin/init

#!/bin/sh
# A stand-in for the program that makes the vRouter's interfaces, where there is no vRouter: vhost0 is a bridge with the
# interface in it. With /run/vif-breaks it takes the interface down when it has it: a host that cannot be reached again.
set -eu
word=$1 name=$2
shift 2
mac= kind=
while [ $# -gt 0 ]; do
    case $1 in
    --mac) mac=$2; shift ;;
    --type) kind=$2; shift ;;
    --vrf | --xconnect) shift ;;
    --vhost-phys) ;;
    *) echo "vif: $1 is not known" >&2; exit 2 ;;
    esac
    shift
done
case $word in
--create) ip link add "$name" type bridge && ip link set "$name" address "$mac" ;;
--add)
    case $kind in
    physical) ip link set "$name" master vhost0 ;;
    vhost)
        ip link set "$name" up
        [ ! -e /run/vif-breaks ] || for port in /sys/class/net/vhost0/brif/*; do ip link set "$(basename "$port")" down; done
        ;;
    *) echo "vif: what is a $kind?" >&2; exit 2 ;;
    esac
    ;;
--delete)
    case $name in
    vhost0) for port in /sys/class/net/vhost0/brif/*; do [ -e "$port" ] && ip link set "$(basename "$port")" nomaster; done ;;
    esac
    ;;
*) echo "vif: $word is not known" >&2; exit 2 ;;
esac

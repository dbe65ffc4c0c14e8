#!/bin/sh
# Hands a network interface to the vRouter and its addresses to vhost0, and back: ocplay-vhost0 record|take|restore|boot
#
# Every step is safe to repeat. "record" writes down what there is; "take" moves it and leaves a word in the marker;
# "restore" puts back what was recorded. Settings come from /etc/ocplay/vhost0.env. What is printed goes to the log.
set -u
. /etc/ocplay/vhost0.env # PHYSICAL, MODULE, STATE, VIF, LINK_TYPE
say() { echo "$(date -u +%FT%TZ) $*"; }
has() { ip link show dev "$1" >/dev/null 2>&1; }
die() { say "failed: $*"; echo "failed: $*" > "$STATE/marker"; exit 1; }

record() {
    mkdir -p "$STATE"
    # What was recorded before the first switch is the truth; afterwards there is nothing on the interface any more.
    if [ -s "$STATE/addresses" ]; then say "already recorded"; return; fi
    ip -o -4 address show dev "$PHYSICAL" | awk '{print $4}' > "$STATE/addresses"
    ip -o -6 address show dev "$PHYSICAL" scope global | awk '{print $4}' > "$STATE/addresses6"
    # Routes of the interface that the kernel does not make by itself; those that name no gateway first.
    { ip -4 route show dev "$PHYSICAL" | grep -v 'proto kernel' | grep -v '^default'
      ip -4 route show dev "$PHYSICAL" | grep '^default'; } > "$STATE/routes"
    cat "/sys/class/net/$PHYSICAL/address" > "$STATE/mac"
    cat "/sys/class/net/$PHYSICAL/mtu" > "$STATE/mtu"
    [ -s "$STATE/addresses" ] || die "$PHYSICAL has no address"
    say "recorded: $(tr '\n' ' ' < "$STATE/addresses")"
}

put() { # DEVICE: addresses and routes that were recorded are on it
    ip link set dev "$1" mtu "$(cat "$STATE/mtu")" up
    while read -r address; do ip address replace "$address" dev "$1" || return 1; done < "$STATE/addresses"
    while read -r address; do ip -6 address replace "$address" dev "$1"; done < "$STATE/addresses6"
}
routes() { # DEVICE
    while read -r route; do
        # shellcheck disable=SC2086 # a route is several words
        ip -4 route replace $route dev "$1" || return 1
    done < "$STATE/routes"
}
announce() { # DEVICE: neighbours learn at once where the addresses are
    while read -r address; do
        command -v arping >/dev/null && arping -q -c 2 -A -I "$1" "${address%/*}"
    done < "$STATE/addresses"
    return 0
}

take() {
    record
    if has vhost0 && ip -o -4 address show dev vhost0 | grep -q .; then
        say "vhost0 has its addresses already"; echo done > "$STATE/marker"; return
    fi
    rm -f "$STATE/marker"
    if [ -n "$MODULE" ]; then
        # Its tables want memory in one piece.
        sync; echo 2 > /proc/sys/vm/drop_caches 2>/dev/null
        modprobe "$MODULE" || die "module $MODULE cannot be loaded"
    fi
    mac=$(cat "$STATE/mac")
    has vhost0 || $VIF --create vhost0 --mac "$mac" || die "vhost0 cannot be created"
    $VIF --add "$PHYSICAL" --mac "$mac" --vrf 0 --vhost-phys --type physical || die "$PHYSICAL cannot be added"
    $VIF --add vhost0 --mac "$mac" --vrf 0 --type vhost --xconnect "$PHYSICAL" || die "vhost0 cannot be added"
    # On vhost0 before they are gone from the interface: at no moment the host has none.
    put vhost0 || die "addresses cannot be put on vhost0"
    ip -4 address flush dev "$PHYSICAL"
    routes vhost0 || die "routes cannot be put on vhost0"
    announce vhost0
    say "vhost0 carries $(tr '\n' ' ' < "$STATE/addresses")"
    echo done > "$STATE/marker"
}

restore() {
    [ -s "$STATE/addresses" ] || { say "nothing was recorded"; return; }
    if has vhost0; then
        ip -4 address flush dev vhost0
        $VIF --delete vhost0 2>/dev/null
        $VIF --delete "$PHYSICAL" 2>/dev/null
        ip link delete vhost0 2>/dev/null
    fi
    put "$PHYSICAL" && routes "$PHYSICAL" && announce "$PHYSICAL"
    [ -z "$MODULE" ] || modprobe -r "$MODULE" 2>/dev/null
    echo restored > "$STATE/marker"
    say "$PHYSICAL carries $(tr '\n' ' ' < "$STATE/addresses") again"
    rm -f "$STATE/addresses"
}

boot() { # the interface has its addresses from the host's own configuration by now
    rm -f "$STATE/addresses"
    take
}

case ${1:-} in
record | take | restore | boot) "$1" ;;
*) echo "usage: ocplay-vhost0 record|take|restore|boot" >&2; exit 2 ;;
esac

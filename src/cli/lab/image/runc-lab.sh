#!/bin/sh
# Takes capabilities out of bundles before runc sees them.
# CAP_SYS_TIME: hosts of a lab share the machine's clock, and none of them may set it.
# CAP_SYS_RESOURCE (bit 24): some build machines lack it, and runc refuses a privileged container when its own bounding
# set lacks a capability that the bundle asks for.
real=${OCPLAY_RUNC:-/usr/sbin/runc.real}
drop=SYS_TIME
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
[ $(( (0x$bounding >> 24) & 1 )) -ne 0 ] || drop="$drop SYS_RESOURCE"
wanted=
bundle=.
creates=
for word in "$@"; do
    case $wanted in
        bundle) bundle=$word ;;
        process) spec=$word ;;
    esac
    wanted=
    case $word in
        create | run) creates=yes ;;
        --bundle | -b) wanted=bundle ;;
        --bundle=*) bundle=${word#*=} ;;
        --process | -p) wanted=process ;;
        --process=*) spec=${word#*=} ;;
    esac
done
[ -n "$creates" ] && spec=$bundle/config.json
if [ -n "$spec" ] && [ -f "$spec" ]; then
    for name in $drop; do
        sed -i "s/\"CAP_$name\",//g; s/,\"CAP_$name\"//g; s/\"CAP_$name\"//g" "$spec"
    done
fi
exec "$real" "$@"

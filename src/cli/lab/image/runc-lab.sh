#!/bin/sh
# runc refuses a privileged container when its own bounding set lacks a capability that the bundle asks for.
# Some build machines lack CAP_SYS_RESOURCE (bit 24): take it out of the bundle there, change nothing elsewhere.
real=${OCPLAY_RUNC:-/usr/sbin/runc.real}
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
if [ $(( (0x$bounding >> 24) & 1 )) -eq 0 ]; then
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
        sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g; s/"CAP_SYS_RESOURCE"//g' "$spec"
    fi
fi
exec "$real" "$@"

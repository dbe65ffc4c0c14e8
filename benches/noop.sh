#!/bin/bash
# CPU time of fifty tasks that do nothing, beside one OpenSSH call that does
# the same work. Counted are the client, the server and all their children.
#
#   benches/noop.sh [PATH OF OCPLAY]     (default target/release/ocplay)
#
# Needs root (a control group does the counting) and openssh-server. The
# server listens on loopback, with settings and keys of its own.
set -euo pipefail
ocplay=$(realpath "${1:-target/release/ocplay}")
tasks=50
rounds=5
work=$(mktemp -d)

# One control group for everything; its clock counts nanoseconds.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/ocplay-bench
    mkdir -p "$group"
    usage() { awk '/^usage_usec/ { print $2 * 1000 }' "$group/cpu.stat"; }
else
    group=/sys/fs/cgroup/cpuacct/ocplay-bench
    mkdir -p "$group"
    usage() { cat "$group/cpuacct.usage"; }
fi
echo $$ >"$group/cgroup.procs"
root_group=$(dirname "$group")
sshd_pid=
finish() {
    [ -z "$sshd_pid" ] || kill "$sshd_pid" 2>/dev/null || true
    echo $$ >"$root_group/cgroup.procs"
    sleep 0.5
    rmdir "$group" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/client"
port=$((20000 + RANDOM % 20000))
cp "$work/client.pub" "$work/authorized_keys"
mkdir -p /run/sshd
cat >"$work/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/authorized_keys
PidFile none
PermitRootLogin yes
StrictModes no
UsePAM no
CONFIG
/usr/sbin/sshd -D -e -f "$work/sshd_config" 2>"$work/log" &
sshd_pid=$!
sleep 0.5
echo "[127.0.0.1]:$port $(cat "$work/host.pub")" >"$work/known_hosts"

export HOME=$work/home XDG_STATE_HOME=$work/state
mkdir -p "$HOME" "$XDG_STATE_HOME"
cat >"$work/hosts.ini" <<INI
h1 ansible_host=127.0.0.1 ansible_port=$port ansible_user=root ansible_ssh_private_key_file=$work/client ansible_ssh_known_hosts_file=$work/known_hosts
INI
{
    echo '- hosts: all'
    echo '  gather_facts: false'
    echo '  tasks:'
    for _ in $(seq $tasks); do echo '    - command: /bin/true'; done
} >"$work/noop.yml"
words=
for _ in $(seq $tasks); do words="$words/bin/true;"; done

run_ocplay() { "$ocplay" run "$work/noop.yml" -i "$work/hosts.ini" >"$work/out"; }
run_ssh() {
    ssh -F none -o KexAlgorithms=curve25519-sha256 -o UserKnownHostsFile="$work/known_hosts" \
        -o IdentityAgent=none -i "$work/client" -p "$port" root@127.0.0.1 sh -c "'$words'"
}
median() { sort -n | sed -n "$((rounds / 2 + 1))p"; }
measure() {
    for _ in $(seq $rounds); do
        before=$(usage)
        "$1"
        # The server's child ends a moment after the client.
        sleep 0.3
        echo $(($(usage) - before))
    done | median
}

run_ocplay # the helper is sent once, this is not counted
grep -q "ok=$tasks" "$work/out"
run_ssh
idle_before=$(usage)
sleep 0.3
idle=$(($(usage) - idle_before))
ssh_cost=$(measure run_ssh)
ocplay_cost=$(measure run_ocplay)
awk -v a="$ocplay_cost" -v b="$ssh_cost" -v i="$idle" -v n="$tasks" 'BEGIN {
    a -= i; b -= i
    printf "%d x command: /bin/true, total CPU (client + sshd and its children), median of '"$rounds"'\n", n
    printf "  ocplay    %7.1f ms\n  one ssh   %7.1f ms\n  ratio     %7.2f\n", a / 1e6, b / 1e6, a / b
}'

#!/bin/bash
# Every limit of docs/performance.md, measured: raw OpenSSH, ansible-core with
# pipelining, mitogen, pyinfra and ocplay beside each other in one run. Counted
# is the processor time of everything: the controller, sshd and all children.
# After each run the effect on disk is checked.
#
#   OCPLAY=target/release/ocplay benches/limits.sh [--peers FOLDER] [--rows noop,facts,…] [--quick]
#
#   --peers FOLDER   makes a virtual environment with the three Python programs
#                    there, unless one is there already
#   --rows           only these rows
#   --quick          without the rows' slow peers (hours of a site become minutes)
#
# ANSIBLE, PYINFRA: the programs ansible-playbook and pyinfra, where they are not
# in the folder of --peers; MITOGEN: the folder of mitogen's strategy plug-ins.
# What is not there is left out, and the table says so.
#
# Needs root (control groups do the counting, the servers live in a network of
# their own), openssh-server, iproute2 and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
OCPLAY=$(realpath "${OCPLAY:-target/release/ocplay}")
[ -x "$OCPLAY" ] || { echo "build first: cargo build --release -p ocplay" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "root is needed: control groups do the counting" >&2; exit 1; }
peers=
words=()
while [ $# -gt 0 ]; do
    case $1 in
        --peers) peers=$2; shift ;;
        *) words+=("$1") ;;
    esac
    shift
done
if [ -n "$peers" ]; then
    if [ ! -x "$peers/bin/pyinfra" ]; then
        python3 -m venv "$peers"
        "$peers/bin/pip" install --quiet 'ansible-core==2.19.*' mitogen pyinfra
    fi
    peers=$(realpath "$peers")
    : "${ANSIBLE:=$peers/bin/ansible-playbook}" "${PYINFRA:=$peers/bin/pyinfra}"
    : "${MITOGEN:=$("$peers/bin/python" -c 'import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__))')/plugins/strategy}"
fi
export OCPLAY ANSIBLE="${ANSIBLE:-}" PYINFRA="${PYINFRA:-}" MITOGEN="${MITOGEN:-}"
# A network with nothing in it but loopback: its counter tells what was sent.
exec unshare --net sh -c 'ip link set lo up && exec python3 benches/limits/main.py "$@"' limits "${words[@]}"

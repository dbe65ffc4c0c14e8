#!/bin/bash
# Whether a task costs a host more where there are many hosts: the same number
# of tasks on 10 and on 1,000 hosts, no host contacted. Prints CPU microseconds
# per task and host, and the ratio (limit 1.2).
#
#   OCPLAY=target/release/ocplay benches/hosts.sh
set -eu
cd "$(dirname "$0")/.."
ocplay=$(realpath "${OCPLAY:-target/release/ocplay}")
[ -x "$ocplay" ] || { echo "build first: cargo build --release -p ocplay" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One round of five tasks, as often as it is asked for.
playbook() {
    printf -- '- hosts: all\n  gather_facts: false\n  vars: {a: 1, b: "{{ a + 1 }}", c: "{{ b }} {{ inventory_hostname }}"}\n  tasks:\n'
    for _ in $(seq "$1"); do
        printf '    - set_fact: {x: "{{ c }}", y: [1, 2, 3]}\n    - debug: {msg: "{{ x }} {{ y | length }}"}\n'
        printf '    - set_fact: {z: "{{ x }}-{{ y }}"}\n    - assert: {that: [z is defined, a == 1]}\n    - debug: {msg: "{{ z }}"}\n'
    done
}
cpu() { # CPU milliseconds of a run, the least of three
    for _ in 1 2 3; do
        bash -c 'TIMEFORMAT="%U %S"; time "$@" >/dev/null' - "$ocplay" run "$work/$1.yml" -i "$work/$2" 2>&1 |
            awk '{print int(($1 + $2) * 1000 + 0.5)}'
    done | sort -n | head -n 1
}
playbook 200 >"$work/many.yml"
playbook 2 >"$work/few.yml"
printf -- '- hosts: all\n  gather_facts: false\n  tasks: []\n' >"$work/none.yml"
echo 'h[0001:0010]' >"$work/10"
echo 'h[0001:1000]' >"$work/1000"
for hosts in 10 1000; do
    tasks=$([ $hosts = 10 ] && echo many || echo few)
    used=$(cpu $tasks $hosts)
    idle=$(cpu none $hosts)
    # 10,000 tasks of hosts either way.
    cost=$(((used - idle) / 10))
    echo "$hosts hosts: $cost us per task and host ($used ms, of which $idle ms before the first task)"
    eval "cost$hosts=$cost"
done
# shellcheck disable=SC2154 # set by eval
awk -v few="$cost10" -v many="$cost1000" 'BEGIN { printf "ratio %.2f\n", many / few }'

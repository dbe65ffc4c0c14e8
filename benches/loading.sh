#!/bin/bash
# What loading costs: an inventory of 10,000 hosts in 100 groups listed beside
# ansible-core, and a playbook of 1,000 files of tasks checked. Prints CPU
# seconds of the whole process, memory, and the ratio.
#
#   ANSIBLE_INVENTORY_BIN=/path/to/ansible-inventory OCPLAY=target/release/ocplay benches/loading.sh
set -eu
cd "$(dirname "$0")/.."
ocplay=$(realpath "${OCPLAY:-target/release/ocplay}")
ansible=${ANSIBLE_INVENTORY_BIN:-$(command -v ansible-inventory || true)}
[ -x "$ocplay" ] || { echo "build first: cargo build --release -p ocplay" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tasks" "$work/home"
export HOME=$work/home

python3 - "$work" <<'PY'
import sys
work = sys.argv[1]
with open(f"{work}/hosts.ini", "w") as out:
    for group in range(100):
        out.write(f"[g{group}]\n")
        for number in range(group * 100, group * 100 + 100):
            out.write(f"host{number:05d} ansible_host=10.0.{number // 250}.{number % 250} rack={number % 40} role=r{number % 7}\n")
        out.write(f"[g{group}:vars]\nzone=z{group % 5}\n")
for number in range(1000):
    with open(f"{work}/tasks/t{number}.yml", "w") as out:
        for task in range(8):
            out.write(f"- name: task {number} {task}\n  ansible.builtin.debug:\n    msg: \"{{{{ x{task} | default('a') }}}}\"\n  when: y{task} is defined\n")
with open(f"{work}/site.yml", "w") as out:
    out.write("- hosts: localhost\n  gather_facts: false\n  tasks:\n")
    out.writelines(f"    - import_tasks: tasks/t{number}.yml\n" for number in range(1000))
PY

# CPU seconds and the largest memory in MiB of a command.
measure() {
    python3 - "$@" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss / 1024:.1f}")
PY
}

read -r ours memory < <(measure "$ocplay" inventory -i "$work/hosts.ini" --list)
printf 'inventory --list, 10,000 hosts   ocplay %8s s %6s MiB' "$ours" "$memory"
if [ -x "$ansible" ]; then
    read -r theirs their_memory < <(measure "$ansible" -i "$work/hosts.ini" --list)
    printf '   ansible %8s s %6s MiB   ratio %6s' "$theirs" "$their_memory" "$(awk "BEGIN { printf \"%.1f\", $theirs / $ours }")"
fi
printf '\n'
read -r ours memory < <(measure "$ocplay" run "$work/site.yml" --syntax-check)
printf 'checking 1,000 files of tasks    ocplay %8s s %6s MiB\n' "$ours" "$memory"

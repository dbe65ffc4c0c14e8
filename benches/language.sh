#!/bin/bash
# The language beside ansible-core: a large template, and variables of many
# hosts. Prints CPU seconds of the whole process and the ratio; of several runs
# of each the one that was disturbed least.
#
#   ANSIBLE=/path/to/ansible-playbook OCPLAY=target/release/ocplay benches/language.sh
set -eu
cd "$(dirname "$0")/.."
ocplay=$(realpath "${OCPLAY:-target/release/ocplay}")
ansible=${ANSIBLE:-$(command -v ansible-playbook || true)}
[ -x "$ocplay" ] || { echo "build first: cargo build --release -p ocplay" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home" "$work/template" "$work/vars/group_vars" "$work/vars/host_vars"

# A template that prints 1 MB over a list of 5,000 items.
python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
items = [
    {"name": f"item{i}", "ip": f"10.{i // 65536}.{i // 256 % 256}.{i % 256}", "port": 1024 + i % 60000,
     "tags": [f"t{i % 7}", f"t{i % 11}"], "enabled": i % 3 != 0, "meta": {"owner": f"user{i % 50}"}}
    for i in range(5000)
]
with open(f"{work}/template/items.json", "w") as file:
    json.dump({"items_list": items}, file)
with open(f"{work}/template/big.j2", "w") as file:
    file.write("""# {{ items_list | length }} items
{% for item in items_list %}
[{{ item.name }}]
address = {{ item.ip }}:{{ item.port }}
{% if item.enabled %}
enabled = yes
{% else %}
enabled = no
{% endif %}
owner = {{ item.meta.owner | upper }} ({{ item.meta.owner | default('nobody') }})
tags = {{ item.tags | join(',') }}
weight = {{ '%05d' % (item.port * 2 + loop.index) }}
path = /srv/{{ item.name | replace('item', 'node') }}/{{ item.ip | regex_replace('\\\\.', '_') }}
note = {{ item.name ~ '-' ~ loop.index0 ~ ('-last' if loop.last else '') }}
{% endfor %}
""")
with open(f"{work}/template/play.yml", "w") as file:
    file.write("""- hosts: localhost
  gather_facts: false
  connection: local
  vars_files: [items.json]
  tasks:
    - template: {src: big.j2, dest: "%s/template/out.txt"}
""" % work)

# Three levels of variables for 500 hosts, and every host's printed.
with open(f"{work}/vars/hosts.ini", "w") as file:
    file.write("[web]\n" + "".join(f"h{i:03}\n" for i in range(500)))
with open(f"{work}/vars/group_vars/all.yml", "w") as file:
    file.write("".join(f"all_{i}: value {i}\n" for i in range(40)) + "base: /srv\n")
with open(f"{work}/vars/group_vars/web.yml", "w") as file:
    file.write("".join(f"web_{i}: '{{{{ base }}}}/{i}'\n" for i in range(20)) + "all_3: overridden\n")
import os
for i in range(500):
    with open(f"{work}/vars/host_vars/h{i:03}.yml", "w") as file:
        file.write(f"own: {i}\nall_4: host {i}\nlist: [a, b, {i}]\ndeep: {{x: {{y: '{{{{ own }}}}'}}}}\n")
with open(f"{work}/vars/all.j2", "w") as file:
    file.write("""{% for host in groups['all'] | sort %}
{{ host }}: {{ hostvars[host] | dict2items | selectattr('key', 'match', '^(all_|web_|own|deep)') | map(attribute='value') | join(' ') }}
{% endfor %}
""")
with open(f"{work}/vars/play.yml", "w") as file:
    file.write("""- hosts: h000
  gather_facts: false
  connection: local
  tasks:
    - template: {src: all.j2, dest: "%s/vars/out.txt"}
""" % work)
PY

# CPU seconds (user and system, children included) of a command: the least of
# so many runs.
cpu() {
    python3 - "$@" <<'PY'
import os, resource, subprocess, sys
def used():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
least = None
for _ in range(int(sys.argv[1])):
    if os.path.exists("out.txt"):
        os.unlink("out.txt")
    before = used()
    run = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode:
        sys.stderr.buffer.write(run.stdout)
        sys.exit(1)
    spent = used() - before
    least = spent if least is None else min(least, spent)
print(f"{least:.3f}")
PY
}

export HOME="$work/home" ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false
compare() {
    local what=$1 folder=$2 inventory=$3 ours theirs
    cd "$work/$folder"
    cpu 1 "$ocplay" run -i "$inventory" play.yml >/dev/null # the agent is in its cache now
    ours=$(cpu 7 "$ocplay" run -i "$inventory" play.yml)
    mv out.txt ours.txt
    if [ -z "$ansible" ]; then
        printf '%-34s ocplay %8s s\n' "$what" "$ours"
        return
    fi
    theirs=$(cpu 3 "$ansible" -i "$inventory" -e "ansible_python_interpreter={{ ansible_playbook_python }}" play.yml)
    cmp -s ours.txt out.txt && same='same text' || same='TEXT DIFFERS'
    python3 -c "print(f'{\"$what\":34} ocplay {$ours:8.3f} s   ansible {$theirs:8.3f} s   ratio {$theirs / $ours:6.1f}   $(stat -c %s ours.txt) bytes, $same')"
}
compare 'template over 5,000 items' template localhost,
compare 'hostvars of 500 hosts' vars hosts.ini

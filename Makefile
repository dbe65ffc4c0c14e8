# Every target is one line; see README.md. OCPLAY may name a binary that is there already.
OCPLAY ?= target/release/ocplay

.PHONY: lab lab-full test test-lab test-vm faults fuzz bench bench-limits bench-language clean oracle

# From a fresh Debian 12 machine with Rust to a running site: hosts, playbook, proof.
lab: ; bin/lab

# The same with everything on it: OpenStack for real, OpenContrail by stand-ins for what cannot be had.
lab-full: ; bin/lab lab-full

# Everything that must hold before a change lands.
test: ; bin/gate

# Scenarios on hosts of labs of their own; SCENARIOS names some. Needs root, like the lab.
test-lab: ; $(OCPLAY) test $(or $(SCENARIOS),docker common)

# What takes long to go wrong: networks that are away, hosts that hang.
faults: ; cargo test -p ocplay --test end_to_end -- --ignored

# Scenarios that need a kernel of their own, in emulated machines: half an hour where nothing else runs.
test-vm: ; $(OCPLAY) test --jobs 1 kernel-module vhost0

# Fuzzes everything that reads what others wrote; SECONDS for each target.
fuzz: ; bin/fuzz $(SECONDS)

# Takes the lab and everything built from the tree away; the lab's cache stays.
clean: ; -$(OCPLAY) lab down -i lab.ini; $(OCPLAY) lab down -i lab-full.ini; cargo clean

# The language beside ansible-core: a large template, variables of many hosts.
bench-language: ; benches/language.sh; benches/loading.sh; benches/hosts.sh

# Cost of a run that does nothing, beside OpenSSH's client; prints the ratio.
bench: ; benches/noop.sh

# Every limit of docs/performance.md, all peers beside each other.
bench-limits: ; benches/limits.sh --peers target/peers

# Compares the recorded cases of the language, inventories, listings and vault
# files with a real ansible-core, and fails on drift; ANSIBLE_PYTHON names a
# Python that has it.
oracle: ; bin/oracle && bin/oracle-cli

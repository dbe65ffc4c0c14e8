# Every target is one line; see README.md. OCPLAY may name a binary that is there already.
OCPLAY ?= target/release/ocplay

.PHONY: lab test check clean

# From a fresh Debian 12 machine with Rust to a running site: hosts, playbook, proof.
lab: ; bin/lab

# Takes the lab and everything built from the tree away; the lab's cache stays.
clean: ; -$(OCPLAY) lab down -i lab.ini; cargo clean

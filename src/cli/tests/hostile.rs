//! A host that lies cannot hurt the controller: what it answers is data, and
//! bounded.

use std::time::{Duration, Instant};

use ocplay_protocol::frame::encode;
use ocplay_protocol::{Diff, FromAgent, Hello, MARKER, Outcome, PROTOCOL_VERSION};
use serde_json::json;

use crate::common::{Host, Project};

/// What the host says instead of an agent: at once, and when it is asked for
/// something.
fn answering(host: &Host, at_once: &[u8], then: &[u8]) {
    host.write("/opt/at-once", at_once, 0o644);
    host.write("/opt/then", then, 0o644);
    host.write(
        "/opt/liar",
        b"#!/bin/sh\ncat /opt/at-once\nhead -c 5 >/dev/null\ncat /opt/then\nexec cat >/dev/null\n",
        0o755,
    );
    let key = host.read("/home/other/.ssh/authorized_keys");
    if !key.starts_with("command=") {
        let key = format!("command=\"/opt/liar\" {key}");
        host.write("/home/other/.ssh/authorized_keys", key.as_bytes(), 0o644);
    }
}

/// A proper greeting.
fn greeting() -> Vec<u8> {
    let hello = FromAgent::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        pid: 1,
        uid: 0,
        user: "other".into(),
        home: "/home/other".into(),
        arch: "x86_64".into(),
        session: String::new(),
    });
    [MARKER, &encode(&hello).unwrap()].concat()
}

fn done(result: &str) -> Vec<u8> {
    let outcome = Outcome {
        changed: true,
        result: result.to_owned(),
        ..Outcome::default()
    };
    encode(&FromAgent::Done { task: 1, outcome }).unwrap()
}

#[test]
fn what_a_host_answers_is_never_evaluated() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    let proof = project.path().join("proof");
    let trap = format!("{{{{ lookup('pipe', 'touch {}') }}}}", proof.display());
    let result = json!({
        "stdout": trap, "rc": 0,
        "nested": {trap.as_str(): [trap]},
        "ansible_facts": {
            "trap": trap,
            "ansible_connection": "local",
            "ansible_host": "127.9.9.9",
            "ansible_ssh_common_args": format!("-o ProxyCommand='touch {}'", proof.display()),
            "ansible_become_exe": format!("touch {};", proof.display()),
        },
    });
    answering(&host, &greeting(), &done(&result.to_string()));
    project.write("show.j2", "{{ it.stdout }} {{ trap }}\n");
    let ran = project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - command: id
      register: it
    - debug: {msg: 'came {{ it.stdout }} {{ trap }} {{ it.nested }}'}
    - set_fact: {again: '{{ it.stdout }}', list: ['{{ trap }}']}
    - debug: {msg: 'again {{ again }} {{ list }} {{ hostvars.h1.trap }}'}
    - debug: {var: it.stdout}
    - debug: {msg: 'host {{ ansible_host }} {{ ansible_connection }}'}
    - assert: {that: ['it.stdout is defined', trap == again]}
    - template: {src: show.j2, dest: '{{ playbook_dir }}/shown'}
      delegate_to: localhost
    - debug: {msg: 'held {{ lookup(\"template\", \"show.j2\") }}'}
",
            &["-v"],
        )
        .code(0)
        .says(&[
            "came {{ lookup(",
            "again {{ lookup(",
            "held {{ lookup(",
            "host 127.0.0.1 ssh",
            "'ansible_connection'",
            "'ansible_ssh_common_args'",
            "would say how to reach it",
        ]);
    assert!(!proof.exists(), "{}", ran.all());
    let shown = std::fs::read_to_string(project.path().join("shown")).unwrap();
    assert!(shown.starts_with("{{ lookup("), "{shown}");
}

#[test]
fn garbage_is_an_error_and_ends() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    let greeting = greeting();
    let giant = [greeting.as_slice(), &[0xff; 64]].concat();
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let hello = |length: u32| [MARKER, &length.to_be_bytes()].concat();
    let cases: [(&str, &[u8], &[u8], &str); 10] = [
        ("nothing", b"", b"", ""),
        (
            "noise",
            &b"noise\n".repeat(100_000),
            b"",
            "prints without end",
        ),
        (
            "no greeting",
            &[MARKER, &[0, 0, 0, 2, 0xff, 0xff]].concat(),
            b"",
            "",
        ),
        (
            "a giant greeting",
            &hello(60 << 20),
            b"",
            "no helper of ocplay",
        ),
        ("a greeting cut short", &hello(100), b"x", ""),
        ("a frame that nobody asked for", &giant, b"", ""),
        ("a giant frame", &greeting, &[0xff; 64], "over the limit"),
        ("a frame of nonsense", &greeting, &[0, 0, 0, 3, 9, 9, 9], ""),
        ("no JSON", &greeting, &done("{\"a\": "), "could not be read"),
        ("deep JSON", &greeting, &done(&nested), "could not be read"),
    ];
    for (name, at_once, then, says) in cases {
        answering(&host, at_once, then);
        let begun = Instant::now();
        let ran = project
            .play(
                "- hosts: all\n  gather_facts: false\n  tasks: [{command: id}]\n",
                &["--timeout", "2"],
            )
            .says(&[says]);
        assert!(matches!(ran.code, 2 | 4), "{name}: {}", ran.all());
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{name} took {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn a_fetched_file_goes_where_the_task_says() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    let evil = project.path().join("evil");
    let file = FromAgent::File {
        task: 1,
        data: b"content".to_vec(),
        last: true,
    };
    let result = json!({
        "dest": evil, "file": evil, "src": "../../../../evil",
        "checksum": "040f06fd774092478d450774f5ba30c5da78acc8",
    });
    let then = [encode(&file).unwrap(), done(&result.to_string())].concat();
    answering(&host, &greeting(), &then);
    project
        .play(
            "- hosts: all\n  gather_facts: false\n  tasks: [{fetch: {src: ../../etc/../x, dest: got}}]\n",
            &[],
        )
        .code(0);
    let got = project.path().join("got/h1/etc/x");
    assert_eq!(std::fs::read_to_string(got).unwrap(), "content");
    assert!(!evil.exists());
    // A file that nobody asked for is not kept.
    project
        .play(
            "- hosts: all\n  gather_facts: false\n  tasks: [{command: id}]\n",
            &[],
        )
        .code(0);
    assert!(!evil.exists());
}

#[test]
fn the_screen_is_not_taken_over() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    let title = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let result = json!({"msg": title, "stdout": title, "stderr": title, "rc": 0});
    let outcome = |failed| Outcome {
        skipped: false,
        failed,
        changed: true,
        result: result.to_string(),
        diff: vec![Diff::text(title, "a\n", format!("{title}\n"))],
    };
    project.write(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks: [{command: id}]\n",
    );
    for failed in [false, true] {
        let outcome = outcome(failed);
        let last = encode(&FromAgent::Done { task: 1, outcome }).unwrap();
        answering(&host, &greeting(), &last);
        for callback in ["default", "yaml", "json", "oneline"] {
            let mut command =
                project.command(&["run", "site.yml", "-i", "hosts.ini", "-v", "--diff"]);
            let output = command
                .env("ANSIBLE_STDOUT_CALLBACK", callback)
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains("owned"), "{callback}: {said}");
            let control = |char: char| char.is_control() && !"\n\t".contains(char);
            assert!(!said.contains(control), "{callback}: {said:?}");
        }
    }
}

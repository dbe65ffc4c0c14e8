//! `--step`.

use std::io::Write as _;
use std::process::Stdio;

use crate::common::Project;

/// Runs three tasks with these answers on standard input.
fn answered(answers: &str) -> String {
    let project = Project::new();
    project.write(
        "site.yml",
        "
- hosts: localhost
  gather_facts: false
  tasks:
    - {name: One, debug: {msg: said one}}
    - {name: Two, debug: {msg: said two}}
    - {name: Three, debug: {msg: said three}}
",
    );
    let mut child = project
        .command(&["run", "site.yml", "--step"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_task_is_asked_for() {
    let out = answered("n\ny\n");
    assert!(
        out.contains("Perform task: TASK: One (N)o/(y)es/(c)ontinue: "),
        "{out}"
    );
    assert!(!out.contains("said one"), "{out}");
    assert!(out.contains("said two"), "{out}");
    // The answers are at their end, which is a no.
    assert!(!out.contains("said three"), "{out}");
}

#[test]
fn continue_answers_for_all_that_follow() {
    let out = answered("c\n");
    for word in ["said one", "said two", "said three"] {
        assert!(out.contains(word), "{out}");
    }
    assert_eq!(out.matches("Perform task").count(), 1, "{out}");
}

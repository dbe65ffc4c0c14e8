//! Secrets are nowhere to be found.

use std::path::Path;

use crate::common::{Host, Project};

#[test]
fn no_log_and_passwords_reach_no_file_and_no_screen() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.write("pass", "correct horse\n");
    let ran = project
        .play(
            "
- hosts: all
  gather_facts: false
  become: true
  vars: {secret: hunter22}
  tasks:
    - copy: {content: '{{ secret }}', dest: /root/secret, mode: '0600'}
      no_log: true
    - command: echo {{ item }}
      loop: ['{{ secret }}']
      no_log: true
    - command: /bin/sh -c 'echo {{ secret }}; exit 1'
      no_log: true
      ignore_errors: true
",
            &["-vvv", "--diff", "--become-password-file", "pass"],
        )
        .code(0)
        .says(&["censored"]);
    assert!(
        !ran.all().contains("hunter22") && !ran.all().contains("correct horse"),
        "{}",
        ran.all()
    );
    search(&project.path().join("home"));
    search(&host.file("/home/tester"));
    search(&host.file("/tmp"));
}

fn search(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !text.contains("hunter22") && !text.contains("correct horse"),
                "{}",
                path.display()
            );
        }
    }
}

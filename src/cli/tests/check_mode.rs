//! `--check` and `--diff`.

use crate::common::{Host, Project};

#[test]
fn check_says_what_would_change_and_changes_nothing() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let playbook = "
- hosts: all
  tasks:
    - copy: {content: \"new\\n\", dest: /opt/file}
    - file: {path: /opt/dir, state: directory}
    - command: touch /opt/touched
      register: ran
    - debug: msg='skipped {{ ran is skipped }}'
    - command: touch /opt/really
      check_mode: false
";
    let checked = project.play(playbook, &["--check", "--diff"]).code(0);
    let checked = checked.says(&["+new", "skipped True"]);
    assert!(
        checked.recap("h1").contains("changed=3"),
        "{}",
        checked.all()
    );
    assert!(!host.file("/opt/file").exists() && !host.file("/opt/dir").exists());
    assert!(!host.file("/opt/touched").exists() && host.file("/opt/really").exists());
    project.play(playbook, &[]).code(0);
    assert_eq!(host.read("/opt/file"), "new\n");
}

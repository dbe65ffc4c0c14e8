//! `ansible.cfg` and its environment variables.

use crate::common::Project;

#[test]
fn the_file_is_found_and_its_settings_are_shown() {
    let project = Project::new();
    project.write(
        "ansible.cfg",
        "[defaults]\nforks = 7\ninventory = inv/hosts\n",
    );
    project.write("inv/hosts", "[web]\nw1\n");
    let dump = project
        .ocplay(&["config", "dump", "--only-changed"])
        .code(0)
        .says(&["DEFAULT_FORKS(", "ansible.cfg) = 7"]);
    assert!(!dump.out.contains("DEFAULT_TIMEOUT"), "{}", dump.out);
    let list = project.ocplay(&["inventory", "--list"]).code(0);
    assert!(list.out.contains("w1"), "{}", list.out);
    let output = project
        .command(&["config", "dump", "--only-changed"])
        .env("ANSIBLE_FORKS", "9")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("DEFAULT_FORKS(env: ANSIBLE_FORKS) = 9"),
        "{text}"
    );
}

#[test]
fn a_setting_with_a_wrong_value_is_named() {
    let project = Project::new();
    project.write("ansible.cfg", "[inventory]\nunparsed_is_failed = perhaps\n");
    project
        .ocplay(&["inventory", "--list", "-i", "a,"])
        .code(1)
        .says(&["has an invalid value: 'perhaps' is not a boolean"]);
}

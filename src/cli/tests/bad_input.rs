//! Mistakes that are found before a host is contacted: one clear message
//! each, exit code 1, and nothing else happens.

use crate::common::Project;

fn project() -> Project {
    let project = Project::new();
    // Nobody answers there: reaching for it would show.
    project.write("hosts.ini", "h1 ansible_host=127.0.0.1 ansible_port=1\n");
    project
}

#[test]
fn a_broken_inventory_line() {
    let project = project();
    project.write("hosts.ini", "[web]\nh1 ansible_host\n");
    project.play("- hosts: all\n", &[]).code(1).says(&[
        "hosts.ini:2:4",
        "Expected key=value host variable assignment, got: ansible_host",
        "^^^^",
    ]);
}

#[test]
fn an_argument_of_ansibles_own() {
    project()
        .play(
            "- hosts: all\n  tasks:\n    - set_fact: {_ansible_x: 1}\n",
            &[],
        )
        .code(1)
        .says(&["site.yml:3:18", "is reserved for internal use only."]);
}

#[test]
fn a_bad_yaml_file() {
    let ran = project()
        .play(
            "- hosts: all\n  tasks:\n    - debug: msg={{ x }}: y\n     - x\n",
            &[],
        )
        .code(4);
    ran.says(&["site.yml:", "no valid YAML"]);
    project()
        .play(
            "- hosts: all\n  tasks:\n    - debug:\n        msg: {{ x }}\n",
            &[],
        )
        .code(4)
        .says(&["site.yml:4:14", "must be quoted"]);
}

#[test]
fn a_wrong_type() {
    project()
        .play(
            "- hosts: all\n  tasks:\n    - copy: {content: x, dest: /x, backup: perhaps}\n",
            &[],
        )
        .code(1)
        .says(&["site.yml:3:44", "'perhaps' is not a boolean"]);
}

#[test]
fn an_unknown_host_in_limit() {
    project()
        .play("- hosts: all\n", &["--limit", "h2"])
        .code(1)
        .says(&[
            "Could not match supplied host pattern, ignoring: h2",
            "did you mean 'h1'",
            "no hosts to target",
        ]);
}

#[test]
fn everything_wrong_is_reported_together() {
    let ran = project()
        .play(
            "
- hosts: all
  roles: [nope]
  tasks: []
- hosts: all
  handlers: []
  tasks:
    - comand: ls
    - copy: {content: x, dst: /x}
    - template: {src: gone.j2, dest: /x}
    - include_tasks: gone.yml
    - command: ls
      when: a ==
      notify: nobody
",
            &[],
        )
        .code(1);
    // A role that is missing keeps its play from being looked at further.
    let ran = ran.says(&["there is no role 'nope'"]);
    assert!(!ran.out.contains("PLAY"), "{}", ran.out);
    let project = project();
    let ran = project
        .play(
            "
- hosts: all
  tasks:
    - comand: ls
    - copy: {content: x, dst: /x}
    - template: {src: gone.j2, dest: /x}
    - include_tasks: gone.yml
    - command: ls
      when: a ==
      notify: nobody
",
            &[],
        )
        .code(1)
        .says(&[
            "there is no module 'comand'",
            "did you mean 'command'?",
            "'dst' is not an argument of copy",
            "did you mean 'dest'?",
            "there is no file 'gone.j2'",
            "there is no file 'gone.yml'",
            "The requested handler 'nobody' was not found",
            "errors",
        ]);
    assert!(!ran.out.contains("PLAY"), "{}", ran.out);
}

#[test]
fn a_missing_playbook_and_inventory() {
    let project = project();
    project.write("site.yml", "- hosts: all\n");
    project
        .ocplay(&["run", "sit.yml", "-i", "hosts.ini"])
        .code(1)
        .says(&["sit.yml could not be found", "did you mean 'site.yml'?"]);
    project
        .ocplay(&["run", "site.yml", "-i", "nope.ini"])
        .code(1)
        .says(&["nope.ini cannot be read", "-i"]);
}

#[test]
fn a_wrong_option_is_2() {
    project()
        .ocplay(&["run", "--no-such-option"])
        .code(2)
        .says(&["--no-such-option"]);
}

#[test]
fn bad_extra_vars() {
    project()
        .play("- hosts: all\n", &["-e", "{a: "])
        .code(4)
        .says(&["--extra-vars"]);
    project()
        .play("- hosts: all\n", &["-e", "@gone.yml"])
        .code(1)
        .says(&["gone.yml"]);
}

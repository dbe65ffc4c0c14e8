//! The order of things in a play, and what may decide about it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::Project;

/// Hosts that are this machine.
fn project(hosts: &str) -> Project {
    let project = Project::new();
    project.write(
        "hosts.ini",
        &format!("{hosts}\n[all:vars]\nansible_connection=local\n"),
    );
    project
}

#[test]
fn only_what_content_says_is_a_condition() {
    let playbook = "
- hosts: all
  gather_facts: false
  vars:
    mine: ['1 == 1', true]
    hostile: [!unsafe '1 == 1', true]
  tasks:
    - debug: {msg: marked}
      when: !unsafe 1 == 1
      register: marked
      ignore_errors: true
    - command: echo 1 == 1
      register: said
    - assert: {that: '{{ said.stdout }}'}
      register: answered
      ignore_errors: true
    - assert: {that: '{{ hostile }}'}
      register: listed
      ignore_errors: true
    - assert:
        that:
          - item is failed
          - \"'untrusted template or expression' in item.msg\"
      loop: '{{ [marked, answered, listed] }}'
      loop_control: {label: ''}
    - set_fact: {kept: '{{ mine }}'}
    - assert: {that: '{{ kept }}'}
";
    project("h1").play(playbook, &[]).code(0);
}

#[test]
fn a_role_is_passed_over_by_hosts_that_went_through_it() {
    let project = project("h1\nh2");
    project.write("roles/base/tasks/main.yml", "- debug: {msg: base}\n");
    for name in ["a", "b", "c"] {
        let text = format!("- debug: {{msg: {name}}}\n");
        project.write(&format!("roles/{name}/tasks/main.yml"), &text);
        project.write(
            &format!("roles/{name}/meta/main.yml"),
            "dependencies: [base]\n",
        );
    }
    let playbook = "
- hosts: all
  gather_facts: false
  roles:
    - {role: base, when: inventory_hostname == 'h2'}
    - a
    - b
  tasks:
    - include_role: {name: c}
";
    let ran = project.play(playbook, &[]).code(0);
    for (name, times) in [("base", 3), ("a", 2), ("b", 2), ("c", 2)] {
        let found = ran.out.matches(&format!("\"msg\": \"{name}\"")).count();
        assert_eq!(found, times, "{name}: {}", ran.out);
    }
    // An include leads out of its role.
    assert!(ran.out.contains("TASK [include_role : c]"), "{}", ran.out);
    let listed = project.play(playbook, &["--list-tasks"]).code(0);
    assert_eq!(
        listed.out.matches("      debug").count(),
        5,
        "{}",
        listed.out
    );
}

#[test]
fn free_hosts_do_not_wait_and_pinned_ones_keep_their_place() {
    // Where it waits, the first host ends only after the other's second task.
    let playbook = "
- hosts: all
  gather_facts: false
  strategy: STRATEGY
  vars:
    mark: '{{ playbook_dir }}/mark'
    wait: 'for i in $(seq 600); do test -e {{ mark }} && exit 0; sleep 0.1; done; exit 1'
  tasks:
    - {name: first, shell: \"{{ wait if waits and inventory_hostname == 'h1' else 'true' }}\"}
    - {name: second, shell: 'touch {{ mark }}'}
";
    let order = |strategy: &str, more: &[&str]| {
        let ran = project("h1\nh2").play(&playbook.replace("STRATEGY", strategy), more);
        let lines = ran.code(0).out;
        let mut task = "";
        let mut seen = Vec::new();
        for line in lines.lines() {
            if let Some(rest) = line.strip_prefix("TASK [") {
                task = rest.split(']').next().unwrap();
            } else if let Some(rest) = line.strip_prefix("changed: [") {
                seen.push(format!("{task} {}", rest.split(']').next().unwrap()));
            }
        }
        seen.join(", ")
    };
    assert_eq!(
        order("free", &["-e", "{\"waits\": true}"]),
        "first h2, second h2, first h1, second h1"
    );
    assert_eq!(
        order("host_pinned", &["-f", "1", "-e", "{\"waits\": false}"]),
        "first h1, second h1, first h2, second h2"
    );
    let linear = order("linear", &["-e", "{\"waits\": false}"]);
    let (first, second) = (linear.rfind("first"), linear.find("second"));
    assert!(first < second, "{linear}");
}

#[test]
fn a_failure_for_all_is_rescued_by_all() {
    let playbook = "
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - block:
        - fail: {msg: one is enough}
          when: inventory_hostname == 'h2'
        - debug: {msg: not reached}
      rescue:
        - debug: {msg: 'rescued {{ inventory_hostname }}'}
    - debug: {msg: 'after {{ inventory_hostname }}'}
    - fail:
      when: inventory_hostname == 'h1'
    - debug: {msg: never}
";
    let ran = project("h1\nh2").play(playbook, &[]).code(2).says(&[
        "rescued h1",
        "rescued h2",
        "after h1",
        "after h2",
    ]);
    assert!(!ran.out.contains("not reached"), "{}", ran.out);
    assert!(!ran.out.contains("never"), "{}", ran.out);
    assert!(ran.recap("h2").contains("rescued=1"), "{}", ran.out);
}

#[test]
fn each_playbook_has_its_recap() {
    let project = project("h1");
    let play = "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}]\n";
    project.write("one.yml", play);
    project.write("two.yml", play);
    let ran = project.ocplay(&["run", "one.yml", "two.yml", "-i", "hosts.ini", "-vv"]);
    let ran = ran
        .code(0)
        .says(&["1 plays in one.yml", "1 plays in two.yml"]);
    let recaps: Vec<&str> = ran
        .out
        .lines()
        .filter(|line| line.contains(" : ok="))
        .collect();
    assert_eq!(recaps.len(), 2, "{}", ran.out);
    // The second counts on.
    assert!(recaps[1].contains("changed=2"), "{}", ran.out);
}

#[test]
fn a_module_may_be_named_by_a_template() {
    let playbook = "
- hosts: all
  gather_facts: false
  vars: {what: debug}
  tasks:
    - action: '{{ what }} msg=named'
    - action: {module: '{{ what }}', msg: again}
    - action: '{{ what }}g msg=no'
      ignore_errors: true
";
    project("h1").play(playbook, &[]).code(0).says(&[
        "\"msg\": \"named\"",
        "\"msg\": \"again\"",
        "debugg",
        "did you mean 'debug'?",
    ]);
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let playbook = "
- hosts: all
  gather_facts: false
  vars_prompt:
    - {name: word, prompt: Say it, default: quiet}
  tasks:
    - pause: {prompt: Go on, seconds: 1}
    - debug: {msg: 'heard {{ word }}'}
";
    let project = project("h1");
    let ran = project.play(playbook, &[]).code(0);
    ran.says(&["heard quiet"]);
    let ran = project.play(playbook, &["-e", "word=loud"]).code(0);
    ran.says(&["heard loud"]);
}

#[test]
fn the_debugger_mends_a_task() {
    let playbook = "
- hosts: all
  gather_facts: false
  debugger: on_failed
  tasks:
    - command: '{{ program }}'
      vars: {program: 'false'}
    - debug: {msg: reached}
";
    let project = project("h1");
    project.write("site.yml", playbook);
    // It speaks only to a terminal, which `script` provides.
    let run = format!("{} run site.yml -i hosts.ini", env!("CARGO_BIN_EXE_ocplay"));
    let mut child = Command::new("script")
        .args(["-qec", run.as_str(), "/dev/null"])
        .current_dir(project.path())
        .env("HOME", project.path().join("home"))
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let words = "p task\ntask_vars['program'] = 'true'\nupdate_task\nredo\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(words.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    assert!(out.contains("\"msg\": \"reached\""), "{out}");
}

#[test]
fn errors_are_cleared_where_an_always_says_so() {
    let playbook = "
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - fail:
      always:
        - meta: clear_host_errors
    - debug: {msg: went on}
";
    project("h1").play(playbook, &[]).says(&["went on"]);
}

#[test]
fn an_inventory_is_read_again_and_keeps_what_came_in() {
    let project = project("h1\nh2");
    let playbook = "
- hosts: all
  gather_facts: false
  tasks:
    - add_host: {name: late, groups: more}
      register: added
    - add_host: {name: late, groups: more}
      register: again
    - copy:
        dest: hosts.ini
        content: \"h2\\nh3\\n[all:vars]\\nansible_connection=local\\n\"
      run_once: true
    - meta: refresh_inventory
- hosts: all
  gather_facts: false
  tasks:
    - assert:
        that:
          - groups.all | sort == ['h2', 'h3', 'late']
          - groups.more == ['late']
          - added is changed
          - again is not changed
          - ansible_inventory_sources | length == 1
      run_once: true
      delegate_to: localhost
";
    project.play(playbook, &[]).code(0);
}

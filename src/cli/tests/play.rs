//! The main road: plays that work.

use crate::common::{Host, Project};

#[test]
fn a_play_changes_the_host_once() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project.write(
        "templates/conf.j2",
        "name={{ inventory_hostname }}\n{% for n in numbers %}\n{{ n }}\n{% endfor %}\n",
    );
    project.write("files/tree/a.txt", "a\n");
    project.write("files/tree/sub/b.txt", "b\n");
    let playbook = "
- hosts: all
  vars: {numbers: [1, 2]}
  tasks:
    - name: Configuration is there
      template: {src: conf.j2, dest: /etc/ocplay-test.conf, mode: '0640'}
      notify: Reload
    - copy: {src: tree, dest: /opt/}
    - file: {path: /opt/dir, state: directory, mode: '0700'}
    - command: cat /etc/ocplay-test.conf
      register: shown
      changed_when: false
    - assert:
        that: shown.stdout_lines == ['name=h1', '1', '2']
  handlers:
    - name: Reload
      command: touch /opt/reloaded
";
    let first = project.play(playbook, &[]).code(0);
    assert!(first.recap("h1").contains("changed=4"), "{}", first.all());
    assert_eq!(host.read("/etc/ocplay-test.conf"), "name=h1\n1\n2\n");
    assert_eq!(host.read("/opt/tree/sub/b.txt"), "b\n");
    assert_eq!(host.read("/opt/reloaded"), "");
    let second = project.play(playbook, &[]).code(0);
    assert!(second.recap("h1").contains("changed=0"), "{}", second.all());
}

#[test]
fn become_uses_sudo_and_other_users() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.write("pass", "correct horse\n");
    project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - command: id -un
      register: login
    - command: id -un
      become: true
      register: root
    - command: id -un
      become: true
      become_user: other
      register: other
    - debug: msg='{{ login.stdout }} {{ root.stdout }} {{ other.stdout }}'
",
            &["--become-password-file", "pass"],
        )
        .code(0)
        .says(&["tester root other"]);
}

#[test]
fn hosts_go_together_and_a_failed_one_stops_nobody() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let hosts: String = (1..=5)
        .map(|n| format!("{}\n", host.line(&format!("h{n}"), "root")))
        .collect();
    project.write("hosts.ini", &hosts);
    let ran = project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - command: /bin/false
      when: inventory_hostname == 'h3'
    - block:
        - command: /bin/false
          when: inventory_hostname == 'h4'
      rescue:
        - debug: msg='rescued {{ inventory_hostname }}'
    - command: 'true'
",
            &[],
        )
        .code(2)
        .says(&["rescued h4"]);
    assert!(ran.recap("h1").contains("ok=1 changed=1"), "{}", ran.all());
    assert!(ran.recap("h3").contains("failed=1"), "{}", ran.all());
    assert!(
        ran.recap("h4").contains("failed=0") && ran.recap("h4").contains("rescued=1"),
        "{}",
        ran.all()
    );
}

#[test]
fn roles_with_defaults_dependencies_and_includes() {
    let project = Project::new();
    project.write("roles/base/defaults/main.yml", "word: base\n");
    project.write(
        "roles/base/tasks/main.yml",
        "- debug: msg='base says {{ word }}'\n",
    );
    project.write("roles/web/meta/main.yml", "dependencies: [base]\n");
    project.write("roles/web/defaults/main/a.yml", "port: 80\n");
    project.write(
        "roles/web/tasks/main.yml",
        "- include_tasks: part.yml\n  loop: [x, y]\n  vars: {given: '{{ item }}'}\n",
    );
    project.write(
        "roles/web/tasks/part.yml",
        "- debug: msg='part {{ given }} {{ port }} {{ role_name }}'\n",
    );
    project.write(
        "roles/late/tasks/main.yml",
        "- debug: msg='late {{ what }}'\n  changed_when: true\n  notify: done\n",
    );
    project.write(
        "roles/late/handlers/main.yml",
        "- name: done\n  debug: msg='handled {{ what }}'\n",
    );
    let ran = project
        .play_local(
            "
- hosts: localhost
  gather_facts: false
  roles: [{role: web, word: given}]
  tasks:
    - include_role: {name: late}
      vars: {what: now}
",
        )
        .code(0);
    ran.says(&[
        "base says given",
        "part x 80 web",
        "part y 80 web",
        "late now",
        "handled now",
    ]);
}

#[test]
fn serial_batches_run_one_after_the_other() {
    let project = Project::new();
    project.write("hosts.ini", "h[1:4] ansible_connection=local\n");
    let ran = project
        .play(
            "
- hosts: all
  gather_facts: false
  serial: [1, '50%']
  tasks:
    - debug: msg='{{ ansible_play_batch | join(\",\") }}'
      run_once: true
",
            &[],
        )
        .code(0);
    let ran = ran.says(&["\"msg\": \"h1\"", "\"msg\": \"h2,h3\"", "\"msg\": \"h4\""]);
    assert_eq!(ran.out.matches("TASK [debug]").count(), 3);
}

#[test]
fn tags_start_at_task_and_limits() {
    let project = Project::new();
    project.write(
        "hosts.ini",
        "h1 ansible_connection=local\nh2 ansible_connection=local\n",
    );
    let playbook = "
- hosts: all
  gather_facts: false
  tasks:
    - {name: one, debug: {msg: one}, tags: a}
    - {name: two, debug: {msg: two}, tags: [b, never]}
    - {name: three, debug: {msg: three}}
";
    let shown = |more: &[&str]| {
        let ran = project.play(playbook, more).code(0);
        ["one", "two", "three"]
            .into_iter()
            .filter(|name| ran.out.contains(&format!("TASK [{name}]")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown(&[]), "one three");
    assert_eq!(shown(&["--tags", "b"]), "two");
    assert_eq!(shown(&["--skip-tags", "a"]), "three");
    assert_eq!(shown(&["--start-at-task", "three"]), "three");
    let limited = project.play(playbook, &["-l", "h2"]).code(0);
    assert!(!limited.out.contains("[h1]"), "{}", limited.out);
}

#[test]
fn set_fact_in_a_loop_adds_up() {
    let project = Project::new();
    let playbook = "
- hosts: localhost
  gather_facts: false
  tasks:
    - set_fact: {all: '{{ all | default([]) + [item] }}'}
      loop: [a, b, c]
    - debug: msg='{{ all | join }}'
";
    project
        .play_local(playbook)
        .code(0)
        .says(&["\"msg\": \"abc\""]);
}

impl Project {
    fn play_local(&self, playbook: &str) -> crate::common::Ran {
        self.write("hosts.ini", "localhost ansible_connection=local\n");
        self.play(playbook, &[])
    }
}

#[test]
fn a_job_outlives_its_task() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let playbook = "
- hosts: all
  gather_facts: false
  tasks:
    - shell: sleep 1; echo done
      async: 20
      poll: 0
      register: job
    - assert:
        that: job.started and not job.finished and job is changed
    - async_status: {jid: '{{ job.ansible_job_id }}'}
      register: state
      until: state is finished
      retries: 20
      delay: 1
    - assert:
        that: state.stdout == 'done'
    - async_status: {jid: '{{ job.ansible_job_id }}', mode: cleanup}
    - command: sleep 30
      async: 1
      poll: 1
      register: late
      ignore_errors: true
    - assert:
        that: late is failed
    - command: echo waited
      async: 20
      register: waited
    - assert:
        that: waited.stdout == 'waited' and waited.finished
";
    project.play(playbook, &[]).code(0);
}

#[test]
fn an_item_of_a_loop_sees_how_the_one_before_ended() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project
        .play(
            "- hosts: all
  gather_facts: false
  tasks:
    - command: test {{ item }} = b
      loop: [a, b, c]
      register: it
      failed_when: false
      when: it is not defined or it.rc != 0
    - debug: {msg: \"ran {{ it.results | rejectattr('skipped', 'defined') | map(attribute='item') | join(',') }}.\"}
",
            &[],
        )
        .code(0)
        .says(&["ran a,b."]);
}

/// Items are on their way together, and take effect one after the other.
#[test]
fn a_loop_is_done_in_its_order() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let order: Vec<String> = (0..100).map(|item: i32| item.to_string()).collect();
    project.write("names/a.j2", "{{ item }}");
    project
        .play(
            "- hosts: all
  gather_facts: false
  tasks:
    - {shell: 'echo {{ item }} >> /opt/order', loop: '{{ range(100) | list }}', when: item != 50}
    - {lineinfile: {path: /opt/lines, line: '{{ item }}', create: true}, loop: '{{ range(100) | list }}', register: it}
    - {template: {src: names/a.j2, dest: '/opt/{{ item % 2 }}'}, loop: '{{ range(7) | list }}'}
    - {command: 'test {{ item }} -lt 97', loop: '{{ range(100) | list }}', register: last, ignore_errors: true}
    - debug: {msg: \"{{ it.results | map(attribute='item') | join(',') }}; {{ last.results | selectattr('failed') | map(attribute='item') | join(',') }}.\"}
",
            &[],
        )
        .code(0)
        .says(&[&format!("{}; 97,98,99.", order.join(","))]);
    let most: Vec<&str> = order
        .iter()
        .map(String::as_str)
        .filter(|item| *item != "50")
        .collect();
    assert_eq!(host.read("/opt/order"), most.join("\n") + "\n");
    assert_eq!(host.read("/opt/lines"), order.join("\n") + "\n");
    assert_eq!(host.read("/opt/0") + &host.read("/opt/1"), "65");
}

#[test]
fn a_flag_given_twice_is_no_mistake() {
    let project = Project::new();
    project.write("hosts.ini", "localhost ansible_connection=local\n");
    project
        .play(
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {msg: 'a{{ a }} b{{ b }} {{ ansible_forks }}'}\n",
            &["--diff", "--diff", "-f", "3", "-f", "4", "-e", "a=1", "-e", "b=2"],
        )
        .code(0)
        .says(&["a1 b2 4"]);
}

#[test]
fn modules_are_found_where_the_command_line_says() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    project.write("hosts.ini", "localhost ansible_connection=local\n");
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks: [{own: {}}]\n";
    for (folder, word) in [("mine", "first"), ("other", "second")] {
        let text = format!("#!/bin/sh\necho '{{\"changed\": false, \"msg\": \"the {word}\"}}'\n");
        let file = project.write(&format!("{folder}/own"), &text);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    project
        .play(play, &[])
        .code(1)
        .says(&["there is no module 'own'"]);
    project
        .play(play, &["-v", "-M", "mine:other"])
        .code(0)
        .says(&["the first"]);
    project
        .play(play, &["-v", "--module-path", "other"])
        .code(0)
        .says(&["the second"]);
}

/// Regression: items that went together shared the time of the first.
#[test]
fn the_time_of_an_item_begins_with_its_work() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project
        .play(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - {command: sleep 0.7, loop: [1, 2, 3, 4, 5], timeout: 2}\n",
            &[],
        )
        .code(0);
}

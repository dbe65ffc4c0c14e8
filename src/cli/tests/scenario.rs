//! `ocplay test`: scenarios in molecule's form, on hosts that exist.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Host, Project};

/// A scenario whose host is the sandbox.
fn scenario(project: &Project, host: &Host, name: &str, more: &str) {
    let key = host.client_key();
    project.write(
        &format!("molecule/{name}/molecule.yml"),
        &format!(
            "driver:
  name: default
  options:
    managed: false
    ansible_connection_options:
      ansible_host: 127.0.0.1
      ansible_port: {}
      ansible_user: root
      ansible_ssh_private_key_file: {}
platforms:
  - name: instance
    groups: [web]
{more}",
            host.port,
            key.display()
        ),
    );
}

fn project(host: &Host) -> Project {
    Project::with_host(host, "root")
}

/// Rows of the summary, blanks collapsed and times left out.
fn rows(out: &str) -> Vec<String> {
    let summary = out.rsplit_once("SCENARIO ").map_or("", |(_, end)| end);
    summary
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("  "))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {}", words[0], words[1])
        })
        .collect()
}

const CONVERGE: &str = "
- hosts: web
  gather_facts: false
  tasks:
    - copy: {content: \"{{ word }} {{ molecule_yml.platforms[0].name }}\\n\", dest: /etc/scenario}
    - command: 'false'
      tags: [molecule-notest]
    - command: touch /opt/again
      tags: [molecule-idempotence-notest]
";

#[test]
fn a_whole_life() {
    let host = Host::start();
    let project = project(&host);
    scenario(
        &project,
        &host,
        "default",
        "provisioner:
  env: {FROM_ENV: '${WORD:-hello}'}
  inventory:
    group_vars:
      web: {word: \"{{ lookup('env', 'FROM_ENV') }}\"}
  options: {D: true}
scenario:
  test_sequence: [syntax, create, prepare, converge, idempotence, side_effect, verify, verify more.yml, cleanup, destroy]
",
    );
    project.write("molecule/default/converge.yml", CONVERGE);
    project.write("molecule/default/prepare.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: /opt/prepared, state: touch}\n");
    project.write("molecule/default/verify.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: cat /etc/scenario\n      register: shown\n      failed_when: shown.stdout != 'hello instance'\n");
    project.write("molecule/default/more.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - stat: {path: /opt/prepared}\n      register: prepared\n      failed_when: not prepared.stat.exists\n");
    project.write("molecule/default/cleanup.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: /opt/prepared, state: absent}\n");
    let ran = project.ocplay(&["test"]).code(0).says(&["passed"]);
    assert_eq!(
        rows(&ran.out),
        [
            "syntax ok",
            "create -",
            "prepare ok",
            "converge ok",
            "idempotence ok",
            "side_effect -",
            "verify ok",
            "verify ok",
            "cleanup ok",
            "destroy -"
        ],
        "{}",
        ran.all()
    );
    assert!(ran.out.contains("+hello instance"), "{}", ran.out);
    assert!(!host.file("/opt/prepared").exists());
    assert!(host.file("/opt/again").exists());
    // Nothing of the scenario stays.
    let left = std::fs::read_dir(project.path().join("home/.local/state/ocplay/test"));
    assert!(left.is_ok_and(|mut entries| entries.next().is_none()));
}

#[test]
fn what_is_not_idempotent_is_named_with_place_and_difference() {
    let host = Host::start();
    let project = project(&host);
    scenario(&project, &host, "default", "");
    project.write(
        "molecule/default/converge.yml",
        "- hosts: all
  gather_facts: false
  tasks:
    - name: Settled
      copy: {content: x, dest: /etc/settled}
    - name: It counts
      command: date +%N
      register: now
      changed_when: false
    - name: Restless
      copy: {content: \"time {{ now.stdout }}\\n\", dest: /etc/restless}
      notify: Told
  handlers:
    - name: Told
      command: 'true'
",
    );
    project.ocplay(&["test"]).code(2).says(&[
        "not idempotent: 2 tasks change something each time",
        "molecule/default/converge.yml:10",
        "Restless",
        "on instance",
        "-time ",
        "+time ",
        "handler Told",
        "1 of 1 failed: default",
    ]);
    // Step by step it says the same, and what was not done yet.
    project
        .ocplay(&["test", "idempotence"])
        .code(1)
        .says(&["was not converged yet"]);
    project.ocplay(&["test", "converge"]).code(0);
    let ran = project.ocplay(&["test", "idempotence"]).code(2);
    assert!(!ran.err.contains("Settled"), "{}", ran.err);
}

#[test]
fn hosts_of_create_are_removed_when_a_step_fails() {
    let host = Host::start();
    let project = project(&host);
    let key = host.client_key();
    project.write(
        "molecule-tests/made/molecule.yml",
        "driver: {name: delegated}\nplatforms:\n  - name: made1\n    flavour: small\n",
    );
    let made = project.path().join("made");
    let made = made.display();
    project.write(
        "molecule-tests/made/create.yml",
        &format!(
            "- hosts: localhost
  gather_facts: false
  tasks:
    - file: {{path: {made}, state: touch}}
    - copy:
        dest: \"{{{{ molecule_instance_config }}}}\"
        content: |
          - instance: \"{{{{ molecule_yml.platforms[0].name }}}}\"
            address: 127.0.0.1
            port: {}
            user: root
            identity_file: {}
",
            host.port,
            key.display()
        ),
    );
    project.write(
        "molecule-tests/made/destroy.yml",
        &format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - file: {{path: {made}, state: absent}}\n"),
    );
    project.write(
        "molecule-tests/made/converge.yml",
        "- hosts: made1\n  gather_facts: false\n  tasks:\n    - command: test -e /etc/there\n      changed_when: false\n",
    );
    let ran = project.ocplay(&["test", "made"]).code(2);
    let rows_seen = rows(&ran.out);
    assert!(
        rows_seen.ends_with(
            &[
                "create ok",
                "prepare -",
                "converge failed",
                "cleanup -",
                "destroy ok"
            ]
            .map(str::to_owned)
        ),
        "{}",
        ran.all()
    );
    assert!(!project.path().join("made").exists());
    // They stay when that is asked for, and later steps find them.
    project
        .ocplay(&["test", "made", "--destroy", "never"])
        .code(2);
    assert!(project.path().join("made").exists());
    project
        .ocplay(&["test", "list"])
        .code(0)
        .says(&["made      made1  default  yes      no"]);
    std::fs::write(host.file("/etc/there"), "").unwrap();
    project.ocplay(&["test", "converge", "made"]).code(0);
    project.ocplay(&["test", "idempotence", "made"]).code(0);
    project
        .ocplay(&["test", "list"])
        .code(0)
        .says(&["made      made1  default  yes      yes"]);
    project.ocplay(&["test", "destroy", "made"]).code(0);
    assert!(!project.path().join("made").exists());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let project = Project::new();
    project.write("molecule/a/molecule.yml", "platfroms: []\ndriver: {name: lab, optoins: {}}\nplatforms:\n  - name: x\n    imgae: debian\nscenario:\n  test_sequence: [create, convegre]\nprovisioner:\n  playbooks: {converg: x.yml}\n  inventory: {links: {hosts: nowhere}}\n");
    project.ocplay(&["test", "a"]).code(1).says(&[
        "molecule.yml knows no key 'platfroms'",
        "molecule/a/molecule.yml:1:1",
        "did you mean 'platforms'?",
        "did you mean 'options'?",
        "a platform knows no key 'imgae'",
        "molecule/a/molecule.yml:5:5",
        "there is no step 'convegre'",
        "did you mean 'converge'?",
        "there is no playbook 'converg'",
        "nowhere does not exist",
    ]);
    project.write(
        "molecule/b/molecule.yml",
        "driver: {name: docker}\nplatforms: [{name: x, image: debian}]\n",
    );
    project
        .ocplay(&["test", "b"])
        .code(1)
        .says(&["there is no driver 'docker'", "--driver-name lab"]);
    project
        .ocplay(&["test", "list", "b", "--driver-name", "lab"])
        .code(0)
        .says(&["'image' has no effect here"]);
    project
        .ocplay(&["test", "c"])
        .code(1)
        .says(&["there is no scenario 'c'", "there are: a, b"]);
    project.ocplay(&["test"]).code(1).says(&["which scenario?"]);
    project.write("molecule/b/molecule.yml", "verifier: {name: testinfra}\n");
    project
        .ocplay(&["test", "b"])
        .code(1)
        .says(&["the verifier 'testinfra' cannot be run by ocplay"]);
}

#[test]
fn several_scenarios_and_a_role_by_its_names() {
    let host = Host::start();
    let project = project(&host);
    let good = "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: \"{{ molecule_scenario_directory | basename }}\", dest: /etc/one}\n";
    for name in ["one", "two"] {
        scenario(&project, &host, name, "");
        project.write(&format!("molecule/{name}/converge.yml"), good);
    }
    project.write("molecule/two/verify.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: cat /etc/one\n      changed_when: false\n      failed_when: true\n");
    // The hosts are the same: one scenario waits for the other.
    project
        .ocplay(&["test", "--all", "--jobs", "2"])
        .code(2)
        .says(&[
            "1 of 2 failed: two",
            "two  verify       failed",
            "what two said",
            "/etc/one",
            "one  idempotence  ok",
        ]);
    project
        .ocplay(&["test", "--all", "--exclude", "two"])
        .code(0);
    // From within a role.
    let role = project.path().join("ansible-role-web");
    std::fs::create_dir_all(&role).unwrap();
    std::fs::rename(project.path().join("molecule"), role.join("molecule")).unwrap();
    project.write(
        "ansible-role-web/tasks/main.yml",
        "- copy: {content: role, dest: /etc/role}\n",
    );
    project.write(
        "ansible-role-web/meta/main.yml",
        "galaxy_info: {author: somebody, role_name: web}\ndependencies: []\n",
    );
    project.write(
        "ansible-role-web/molecule/one/converge.yml",
        "- hosts: all\n  gather_facts: false\n  roles: [somebody.web, web, ansible-role-web]\n",
    );
    let output = project
        .command(&["test", "one"])
        .current_dir(&role)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(host.read("/etc/role"), "role");
}

#[test]
fn ctrl_c_ends_a_test_and_removes_what_it_made() {
    let project = Project::new();
    let made = project.path().join("made");
    let made = made.display();
    let play = |state: &str| {
        format!(
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - file: {{path: {made}, state: {state}}}\n"
        )
    };
    project.write(
        "molecule/slow/molecule.yml",
        "driver: {name: default}\nplatforms: [{name: here}]\n",
    );
    project.write("molecule/slow/create.yml", &play("touch"));
    project.write("molecule/slow/destroy.yml", &play("absent"));
    project.write(
        "molecule/slow/converge.yml",
        "- hosts: here\n  connection: local\n  gather_facts: false\n  tasks:\n    - shell: touch started; sleep 20\n      args: {chdir: \"{{ molecule_ephemeral_directory }}/..\"}\n    - fail: {msg: went on}\n",
    );
    let child = project
        .command(&["test", "slow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let state = project.path().join("home/.local/state/ocplay/test");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !state.join("started").exists() {
        assert!(Instant::now() < deadline, "converge did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    // A second command does not work on the same hosts.
    project
        .ocplay(&["test", "slow"])
        .code(1)
        .says(&["another command is at work on 'slow'"]);
    project.ocplay(&["test", "syntax", "slow"]).code(0);
    let group = format!("-{}", child.id());
    let interrupt = || Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(interrupt().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    // The second one ends what runs on the hosts as well.
    assert!(interrupt().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(99), "{text}");
    assert!(text.contains("destroy      ok"), "{text}");
    assert!(!text.contains("went on"), "{text}");
    assert!(!project.path().join("made").exists());
}

//! What goes wrong on the way and on the host: one clear message, the right
//! exit code, nothing half-written.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Host, Project};

#[test]
fn an_undefined_variable_shows_its_place() {
    let project = Project::new();
    project.write("hosts.ini", "h1 ansible_connection=local\n");
    project
        .play("- hosts: all\n  gather_facts: false\n  vars: {a: '{{ b }}'}\n  tasks:\n    - debug: msg='{{ a }}'\n", &[])
        .code(2)
        .says(&["'b' is undefined", "site.yml:3:", "FAILED!"]);
}

#[test]
fn a_refused_connection() {
    let project = Project::new();
    let port = Project::closed_port();
    project.write(
        "hosts.ini",
        &format!("h1 ansible_host=127.0.0.1 ansible_port={port}\n"),
    );
    let ran = project
        .play("- hosts: all\n  tasks: [{command: ls}]\n", &[])
        .code(4)
        .says(&["UNREACHABLE!", "refused", "is sshd running"]);
    assert!(ran.recap("h1").contains("unreachable=1"), "{}", ran.all());
}

#[test]
fn an_unknown_and_a_changed_host_key() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let playbook = "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}]\n";
    project.write("home/.ssh/known_hosts", "");
    project.play(playbook, &[]).code(4).says(&[
        "host key of [127.0.0.1]",
        "is not known",
        "ssh-keyscan",
    ]);
    project
        .play(playbook, &["--host-key-checking", "accept-new"])
        .code(0);
    // Learnt: strict is content now.
    project.play(playbook, &[]).code(0);
    let other = Host::start();
    let key = other.known_hosts_line();
    let key = key.split_once(' ').unwrap().1;
    project.write(
        "home/.ssh/known_hosts",
        &format!("[127.0.0.1]:{} {key}", host.port),
    );
    project
        .play(playbook, &[])
        .code(4)
        .says(&["HAS CHANGED", "line 1", "ssh-keygen -R"]);
    project
        .play(playbook, &["--host-key-checking", "accept-new"])
        .code(4)
        .says(&["HAS CHANGED"]);
    project
        .play(playbook, &["--host-key-checking", "off"])
        .code(0);
    let mut command = project.command(&["run", "site.yml", "-i", "hosts.ini"]);
    let output = command
        .env("ANSIBLE_HOST_KEY_CHECKING", "False")
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn a_wrong_and_a_missing_sudo_password() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    let playbook =
        "- hosts: all\n  gather_facts: false\n  become: true\n  tasks: [{command: 'true'}]\n";
    project.write("wrong", "battery staple\n");
    project
        .play(playbook, &["--become-password-file", "wrong"])
        .code(2)
        .says(&["sudo password was not accepted", "-K"]);
    project
        .play(playbook, &[])
        .code(2)
        .says(&["asks for a password to become root", "-K"]);
}

#[test]
fn a_refused_login_says_what_was_tried() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.write(
        "hosts.ini",
        &format!(
            "h1 ansible_host=127.0.0.1 ansible_port={} ansible_user=tester\n",
            host.port
        ),
    );
    let playbook = "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}]\n";
    project.play(playbook, &[]).code(4).says(&[
        "tester@127.0.0.1 was refused",
        "Tried: nothing",
        "publickey",
    ]);
    project.write("pass", "correct horse\n");
    project
        .play(playbook, &["--connection-password-file", "pass"])
        .code(0);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project.write("small.txt", "old\n");
    project.write("big.bin", &"x".repeat(2_000_000));
    let copy = |name: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks: [{{copy: {{src: {name}, dest: /small/file}}}}]\n"
        )
    };
    project.play(&copy("small.txt"), &[]).code(0);
    project
        .play(&copy("big.bin"), &[])
        .code(2)
        .says(&["/small", "No space left on device"]);
    assert_eq!(host.read("/small/file"), "old\n");
    let left: Vec<_> = std::fs::read_dir(host.file("/small")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// Starts a run, and waits until a process of it is there on the host.
fn begun(host: &Host, project: &Project, task: &str, process: &str) -> Child {
    project.write(
        "site.yml",
        &format!("- hosts: all\n  gather_facts: false\n  tasks:\n    - {task}\n    - command: touch /opt/after\n"),
    );
    let child = project
        .command(&["run", "site.yml", "-i", "hosts.ini"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while host.processes(process).is_empty() {
        assert!(Instant::now() < deadline, "the task did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

#[test]
fn a_task_goes_on_while_the_connection_is_cut_and_is_done_once() {
    let host = Host::start();
    for user in ["root", "tester"] {
        let project = Project::with_host(&host, user);
        let file = format!("/tmp/{user}-done");
        let task =
            format!("shell: echo begun >> {file}; sleep 4.25; echo ended >> {file}; echo said");
        let child = begun(
            &host,
            &project,
            &format!("{{{task}, register: it}}\n    - debug: {{msg: 'it {{{{ it.stdout }}}} so'}}")
                .replace("{shell: ", "{shell: '")
                .replace("said,", "said',"),
            "sleep 4.25",
        );
        host.cut_connections();
        std::thread::sleep(Duration::from_millis(300));
        // Twice: the agent that waits for the outcome loses its connection, too.
        host.cut_connections();
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        if user == "root" {
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        assert!(out.contains("it said so"), "{output:?}");
        assert_eq!(host.read(&file), "begun\nended\n", "{out}");
    }
    gone(&host, "agent-");
}

/// Nothing of this name runs on the host any more, or it ends now.
fn gone(host: &Host, process: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !host.processes(process).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(host.processes(process), Vec::<u32>::new(), "{process}");
}

#[test]
fn an_agent_that_was_killed_is_missed() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let child = begun(&host, &project, "command: sleep 21", "sleep 21");
    for pid in host.processes("agent-") {
        let done = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        assert!(done.unwrap().success());
    }
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{out}");
    assert!(out.contains("lost while the task ran"), "{out}");
    assert!(out.contains("The helper that ran it is gone"), "{out}");
    assert!(!host.file("/opt/after").exists());
}

#[test]
fn a_restart_of_sshd_does_not_disturb() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let child = begun(&host, &project, "command: sleep 1.75", "sleep 1.75");
    host.configure("# nothing new");
    host.cut_connections();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(host.file("/opt/after").exists());
}

#[test]
fn a_second_interrupt_leaves_nothing_running() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let child = begun(&host, &project, "command: sleep 22", "sleep 22");
    for _ in 0..2 {
        let done = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
        std::thread::sleep(Duration::from_millis(300));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(99), "{output:?}");
    gone(&host, "sleep 22");
    gone(&host, "agent-");
    assert!(!host.file("/opt/after").exists());
}

impl Project {
    fn closed_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }
}

/// Requests of a loop are on their way together: when the connection breaks,
/// what had not begun is begun again, once and in its order.
#[test]
fn a_loop_that_is_cut_is_done_once_and_in_order() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project.write(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - shell: 'echo {{ item }} >> /opt/order; test {{ item }} = 20 && sleep 3.125; echo {{ item }}'\n      loop: '{{ range(60) | list }}'\n      register: it\n    - debug: {msg: \"said {{ it.results | map(attribute='stdout') | join(',') }}.\"}\n",
    );
    let child = project
        .command(&["run", "site.yml", "-i", "hosts.ini"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while host.processes("sleep 3.125").is_empty() {
        assert!(Instant::now() < deadline, "the loop did not get there");
        std::thread::sleep(Duration::from_millis(20));
    }
    host.cut_connections();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let order: Vec<String> = (0..60).map(|item: i32| item.to_string()).collect();
    assert_eq!(host.read("/opt/order"), order.join("\n") + "\n", "{out}");
    assert!(out.contains(&format!("said {}.", order.join(","))), "{out}");
}

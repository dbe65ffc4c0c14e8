//! The way to the host breaks, and comes back.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Host, Project};

/// A host in a network of its own; the controller is put into it, too.
fn ran_inside(host: &Host, project: &Project, task: &str) -> Child {
    project.write(
        "site.yml",
        &format!("- hosts: all\n  gather_facts: false\n  tasks:\n    - {task}\n    - command: touch /opt/after\n"),
    );
    let inner = project.command(&["run", "site.yml", "-i", "hosts.ini"]);
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", host.network().display()))
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(project.path())
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn begun(host: &Host, process: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while host.processes(process).is_empty() {
        assert!(Instant::now() < deadline, "the task did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "takes half a minute: make faults"]
fn twenty_seconds_without_a_network_are_waited_out() {
    let host = Host::start_apart();
    let project = Project::with_host(&host, "root");
    let task = "shell: echo begun >> /opt/it; sleep 3.5; echo ended >> /opt/it";
    let child = ran_inside(&host, &project, task);
    begun(&host, "sleep 3.5");
    host.network_is(false);
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(host.read("/opt/it"), "begun\nended\n");
    assert!(!host.file("/opt/after").exists());
    host.network_is(true);
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out.contains("ok=2"), "{out}");
    assert_eq!(host.read("/opt/it"), "begun\nended\n");
    assert!(host.file("/opt/after").exists());
}

#[test]
fn a_host_that_dies_in_a_task_is_unreachable() {
    let host = Host::start_apart();
    let project = Project::with_host(&host, "root");
    let child = ran_inside(&host, &project, "command: sleep 61");
    begun(&host, "sleep 61");
    let died = Instant::now();
    host.kill();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(out.contains("lost while the task ran"), "{out}");
    assert!(out.contains("It did not come back"), "{out}");
    assert!(
        died.elapsed() < Duration::from_secs(60),
        "{:?}",
        died.elapsed()
    );
}

/// As when the power goes: nobody says goodbye for the host.
#[test]
#[ignore = "takes two minutes: make faults"]
fn a_host_that_falls_silent_for_good_is_unreachable() {
    let host = Host::start_apart();
    let project = Project::with_host(&host, "root");
    let child = ran_inside(&host, &project, "command: sleep 301");
    begun(&host, "sleep 301");
    let died = Instant::now();
    host.network_is(false);
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(out.contains("lost while the task ran"), "{out}");
    assert!(out.contains("It did not come back"), "{out}");
    assert!(
        died.elapsed() < Duration::from_secs(150),
        "{:?}",
        died.elapsed()
    );
}

#[test]
#[ignore = "takes three minutes: make faults"]
fn a_helper_that_was_stopped_is_given_up() {
    let host = Host::start_apart();
    let project = Project::with_host(&host, "root");
    let child = ran_inside(&host, &project, "command: sleep 302");
    begun(&host, "sleep 302");
    let stopped = Instant::now();
    let helpers = host.processes("agent-");
    let signal = |name: &str| {
        for pid in &helpers {
            let done = Command::new("kill").args([name, &pid.to_string()]).status();
            assert!(done.unwrap().success());
        }
    };
    signal("-STOP");
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(out.contains("has not answered for 2 minutes"), "{out}");
    assert!(out.contains("The helper that ran it is gone"), "{out}");
    assert!(
        stopped.elapsed() < Duration::from_secs(200),
        "{:?}",
        stopped.elapsed()
    );
    signal("-KILL");
}

/// What Debian calls the library that shows programs another time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[test]
fn a_clock_that_jumps_ends_no_wait() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: there is no {FAKETIME} (libfaketime)");
        return;
    }
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    let clock = project.write("clock", "+0s\n");
    project.write(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sleep 2.25\n      timeout: 60\n    - {command: sleep 1, async: 50, poll: 1}\n    - wait_for: {timeout: 1}\n    - wait_for_connection: {timeout: 20}\n",
    );
    let child = project
        .command(&["run", "site.yml", "-i", "hosts.ini"])
        .env("LD_PRELOAD", FAKETIME)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    begun(&host, "sleep 2.25");
    // A day ahead, then two back.
    for jump in ["+1d\n", "-1d\n", "+30d\n"] {
        std::fs::write(&clock, jump).unwrap();
        std::thread::sleep(Duration::from_millis(500));
    }
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out.contains("ok=4"), "{out}");
}

//! Many hosts of which some hang: nobody waits for them who need not.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Host, Project};

const WORK: &str = "
- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - command: 'true'
    - command: 'true'
    - command: touch /tmp/{{ inventory_hostname }}
";

/// A port that takes no connections and refuses none: its queue is full.
struct BlackHole {
    port: u16,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
        }
        Self {
            port: address.port(),
            _listener: listener,
            _waiting: waiting,
        }
    }
}

/// Lets a user in, but no further.
fn hangs(host: &Host, user: &str) {
    let file = format!("/home/{user}/.ssh/authorized_keys");
    let key = format!("command=\"exec sleep 3600\" {}", host.read(&file));
    host.write(&file, key.as_bytes(), 0o644);
}

/// Starts the work and gives the seconds after which the last of the good
/// hosts was done; the others are not waited for.
fn last_done(host: &Host, project: &Project, good: usize) -> f64 {
    let names: Vec<String> = (0..good).map(|number| format!("good{number}")).collect();
    for name in &names {
        drop(std::fs::remove_file(host.file(&format!("/tmp/{name}"))));
    }
    project.write("site.yml", WORK);
    let begun = Instant::now();
    let wall = std::time::SystemTime::now();
    let mut child = project
        .command(&["run", "site.yml", "-i", "hosts.ini"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let times = loop {
        let times: Vec<f64> = names
            .iter()
            .filter_map(|name| std::fs::metadata(host.file(&format!("/tmp/{name}"))).ok())
            .map(|meta| meta.mtime() as f64 + meta.mtime_nsec() as f64 / 1e9)
            .collect();
        if times.len() == good {
            break times;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{} of {good} hosts are done",
            times.len()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    // Nothing is to be learnt from the rest of it.
    drop(child.kill());
    child.wait().unwrap();
    let wall = wall.duration_since(std::time::UNIX_EPOCH).unwrap();
    times.into_iter().fold(0.0, f64::max) - wall.as_secs_f64()
}

#[test]
#[ignore = "logs in to some hundred hosts: make faults"]
fn hosts_that_hang_delay_no_other() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    let line = |name: &str, user: &str| format!("{}\n", host.line(name, user));
    let good: String = (0..160)
        .map(|number| line(&format!("good{number}"), "other"))
        .collect();
    project.write("hosts.ini", &good);
    // The agent is there from now on.
    last_done(&host, &project, 160);
    let alone = last_done(&host, &project, 160);
    // Twenty hang after the login.
    hangs(&host, "tester");
    let mut bad: String = (0..20)
        .map(|number| line(&format!("hung{number}"), "tester"))
        .collect();
    // Twenty never answer, and five take the connection and say nothing.
    let hole = BlackHole::new();
    bad.extend((0..20).map(|number| {
        format!(
            "hole{number} ansible_host=127.0.0.1 ansible_port={}\n",
            hole.port
        )
    }));
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    bad.extend(
        (0..5).map(|number| format!("mute{number} ansible_host=127.0.0.1 ansible_port={port}\n")),
    );
    // The bad ones come first, and there is room for all.
    project.write("hosts.ini", &format!("{bad}{good}"));
    let together = last_done(&host, &project, 160);
    assert!(
        together < alone * 1.1 + 1.0,
        "{together:.2} s with hosts that hang, {alone:.2} s without"
    );
}

#[test]
fn each_that_hangs_is_named_in_time() {
    let host = Host::start();
    let project = Project::with_host(&host, "other");
    hangs(&host, "tester");
    let hole = BlackHole::new();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    project.write(
        "hosts.ini",
        &format!(
            "{}\n{}\nhole ansible_host=127.0.0.1 ansible_port={}\nmute ansible_host=127.0.0.1 ansible_port={}\n",
            host.line("good", "other"),
            host.line("hung", "tester"),
            hole.port,
            mute.local_addr().unwrap().port(),
        ),
    );
    let begun = Instant::now();
    let ran = project
        .play(
            "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}, {command: 'true'}]\n",
            &["--timeout", "2"],
        )
        .code(4)
        .says(&["no answer from the host's shell within 6 s"]);
    assert!(
        begun.elapsed() < Duration::from_secs(45),
        "{:?}",
        begun.elapsed()
    );
    assert!(ran.recap("good").contains("ok=2"), "{}", ran.all());
    for name in ["hung", "hole", "mute"] {
        assert!(ran.recap(name).contains("unreachable=1"), "{}", ran.all());
    }
}

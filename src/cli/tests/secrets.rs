//! Secrets are nowhere to be found.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Host, PASSWORD, Project};

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

/// What must not be found: a password of ssh and sudo, a value of a vault, the
/// argument of a task with `no_log`, the password of the vault.
const SECRETS: [&str; 4] = [
    PASSWORD,
    "from-the-vault-77",
    "said-once-88",
    "opens-the-vault-99",
];

/// A test says the password itself: as it starts a host, or in its arguments.
fn spoken(line: &str) -> bool {
    [
        "unshare",
        "mount --make-rprivate",
        "ansible_become_password=",
    ]
    .iter()
    .any(|words| line.contains(words))
}

/// Looks at the command lines of all processes, those of hosts as well, until
/// it is told to stop; gives those that hold a secret.
fn watch_processes(over: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if SECRETS.iter().any(|secret| line.contains(secret)) && !spoken(&line) {
                found.push(line);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    found
}

#[test]
fn secrets_are_in_no_process_list_log_diff_or_file() {
    let host = Host::start();
    let project = Project::new();
    project.write("home/.ssh/known_hosts", &host.known_hosts_line());
    project.write(
        "hosts.ini",
        &format!(
            "h1 ansible_host=127.0.0.1 ansible_port={} ansible_user=tester\n",
            host.port
        ),
    );
    project.write("pass/login", &format!("{PASSWORD}\n"));
    project.write("pass/vault", "opens-the-vault-99\n");
    project.write("plain/vault.yml", "kept: from-the-vault-77\n");
    let sealed = project.path().join("sealed.yml");
    project
        .ocplay(&[
            "vault",
            "encrypt",
            "plain/vault.yml",
            "--output",
            sealed.to_str().unwrap(),
            "--vault-password-file",
            "pass/vault",
        ])
        .code(0);
    std::fs::remove_file(project.path().join("plain/vault.yml")).unwrap();
    project.write("ansible.cfg", "[defaults]\nlog_path = run.log\n");
    project.write("templates/conf.j2", "key={{ kept }}\n");
    project.write("tmp/.keep", "");
    project.write(
        "site.yml",
        "
- hosts: all
  become: true
  vars: {said: said-once-88}
  vars_files: [sealed.yml]
  tasks:
    - template: {src: conf.j2, dest: /root/conf, mode: '0600'}
      no_log: true
    - copy: {content: '{{ said }}', dest: /root/said, mode: '0600'}
      no_log: true
    - lineinfile: {path: /root/conf, line: 'other={{ said }}'}
      no_log: true
    - shell: 'cat >/dev/null; sleep 0.3'
      args: {stdin: '{{ said }} {{ kept }}'}
      no_log: true
    - command: 'true'
      environment: {TOKEN: '{{ said }}'}
      no_log: true
    - user: {name: other, password: '{{ said | password_hash(\"sha512\", \"saltsalt\") }}'}
      no_log: true
    - command: /bin/sh -c 'cat /root/said >&2; exit 3'
      no_log: true
      ignore_errors: true
    - copy: {src: /root/said, dest: /root/copy, remote_src: true, mode: '0600'}
      no_log: true
    - {become: false, command: sleep 0.3}
",
    );
    let over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || watch_processes(&over))
    };
    let output = project
        .command(&[
            "run",
            "site.yml",
            "-i",
            "hosts.ini",
            "-vvvv",
            "--diff",
            "--connection-password-file",
            "pass/login",
            "--become-password-file",
            "pass/login",
            "--vault-password-file",
            "pass/vault",
        ])
        .env("TMPDIR", project.path().join("tmp"))
        .output()
        .unwrap();
    over.store(true, Ordering::Relaxed);
    assert_eq!(watcher.join().unwrap(), Vec::<String>::new());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        host.read("/root/conf"),
        "key=from-the-vault-77\nother=said-once-88\n"
    );
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    // The journal and the log were written, and hold none of it.
    assert!(project.path().join("run.log").exists());
    assert!(
        project
            .path()
            .join("home/.local/state/ocplay/runs")
            .exists()
    );
    std::fs::remove_dir_all(project.path().join("pass")).unwrap();
    std::fs::remove_file(project.path().join("site.yml")).unwrap();
    nowhere_in(project.path());
    for name in ["conf", "said", "copy"] {
        std::fs::remove_file(host.file(&format!("/root/{name}"))).unwrap();
    }
    // All that has changed there, and what is in memory only.
    nowhere_in(&host.changed());
    nowhere_in(&host.file("/tmp"));
    nowhere_in(&host.file("/run"));
}

/// No file of a folder holds a secret. Only what is not old is looked at.
fn nowhere_in(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let new = meta.modified().is_ok_and(|time| {
            time.elapsed()
                .is_ok_and(|age| age < Duration::from_secs(600))
        });
        if meta.is_dir() {
            nowhere_in(&path);
        } else if meta.is_file()
            && new
            && let Ok(bytes) = std::fs::read(&path)
        {
            let text = String::from_utf8_lossy(&bytes);
            for secret in SECRETS {
                assert!(!text.contains(secret), "{} holds {secret}", path.display());
            }
        }
    }
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

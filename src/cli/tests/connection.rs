//! How the agent gets to a host, and what it leaves there.

use std::os::unix::fs::PermissionsExt;

use crate::common::{Host, Project};

const TRUE: &str = "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}]\n";

#[test]
fn the_agent_is_sent_once_and_kept_private() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.play(TRUE, &[]).code(0);
    let folder = host.file("/home/tester/.cache/ocplay");
    let agents: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(agents.len(), 1, "{agents:?}");
    let meta = std::fs::metadata(&agents[0]).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o700);
    let first = meta.modified().unwrap();
    project.play(TRUE, &[]).code(0);
    assert_eq!(
        std::fs::metadata(&agents[0]).unwrap().modified().unwrap(),
        first
    );
}

#[test]
fn a_tampered_agent_is_replaced() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.play(TRUE, &[]).code(0);
    let folder = host.file("/home/tester/.cache/ocplay");
    let agent = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    // A new file in its place: the old one may still be on its way out.
    std::fs::remove_file(&agent).unwrap();
    std::fs::write(&agent, "#!/bin/sh\necho evil\n").unwrap();
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o700)).unwrap();
    project.play(TRUE, &[]).code(0);
    assert!(std::fs::metadata(&agent).unwrap().len() > 100_000);
}

#[test]
fn nothing_runs_on_the_host_afterwards() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.play(TRUE, &[]).code(0);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(host.processes("agent-"), Vec::<u32>::new());
}

#[test]
fn one_connection_serves_a_whole_run() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - shell: echo $SSH_CONNECTION
      register: first
    - shell: echo $SSH_CONNECTION
      register: second
    - assert: {that: first.stdout == second.stdout and first.stdout | length > 5}
",
            &[],
        )
        .code(0);
}

#[test]
fn options_as_for_ssh() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    project.write("hosts.ini", "h1 ansible_host=127.0.0.1\n");
    let args = format!(
        "-o StrictHostKeyChecking=no -p {} -l tester -i {}",
        host.port,
        host.client_key().display()
    );
    project.play(TRUE, &["--ssh-common-args", &args]).code(0);
    project
        .play(TRUE, &["--ssh-common-args", "-o ProxyFrobnicate=1"])
        .code(4)
        .says(&["'-o ProxyFrobnicate=1' is not understood"]);
}

#[test]
fn delegation_and_run_once() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project.write(
        "hosts.ini",
        &format!("{}\n{}\n", host.line("h1", "root"), host.line("h2", "root")),
    );
    project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - command: echo {{ inventory_hostname }}
      delegate_to: localhost
      register: there
    - debug: msg='for {{ there.stdout }}'
    - command: echo once
      run_once: true
      register: once
    - debug: msg='{{ inventory_hostname }} knows {{ once.stdout }}'
",
            &[],
        )
        .code(0)
        .says(&["changed: [h1 -> localhost]", "for h2", "h2 knows once"]);
}

/// The agent is static: a root with nothing but busybox is enough. The chroot
/// stands for such a host; its shell, gzip, head and sha256sum are busybox's.
#[test]
fn a_host_without_libc() {
    let host = Host::start();
    let project = Project::with_host(&host, "root");
    project.write("files/enter", "#!/bin/sh\nwhile [ \"$1\" != sh ]; do shift; done\nexec chroot /bb /usr/bin/env -i HOME=/root PATH=/bin \"$@\"\n");
    let ran = project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - shell: |
        mkdir -p /bb/bin /bb/usr/bin /bb/root /bb/etc /bb/tmp /bb/proc /bb/dev
        cp /bin/busybox /bb/bin/
        chroot /bb /bin/busybox --install -s /bin
        ln -sf /bin/env /bb/usr/bin/env
        mount -t proc proc /bb/proc
        mount --rbind /dev /bb/dev
    - copy: {src: enter, dest: /usr/local/bin/enter, mode: '0755'}
    - become: true
      become_user: inside
      vars: {ansible_become_exe: /usr/local/bin/enter}
      block:
        - setup: {gather_subset: min}
        - copy: {content: \"made inside\\n\", dest: /etc/made}
        - command: cat /etc/made
          register: made
        - stat: {path: /lib64}
          register: lib
        - debug: msg='{{ made.stdout }}, libc {{ lib.stat.exists }}'
",
            &[],
        )
        .code(0)
        .says(&["made inside, libc False"]);
    drop(ran);
    assert_eq!(host.read("/bb/etc/made"), "made inside\n");
}

/// The agent came with the umask of the script that brings it, 077: what
/// commands made was their user's alone, and so were files without a mode.
#[test]
fn new_files_get_the_umask_of_the_login() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    let play = "
- hosts: all
  gather_facts: false
  tasks:
    - command: sh -c umask
      register: own
    - copy: {content: x, dest: ~/plain}
    - stat: {path: ~/plain}
      register: plain
    - assert:
        that:
          - own.stdout == '0022'
          - plain.stat.mode == '0644'
";
    // The agent is sent first, then it is there.
    project.play(play, &[]).code(0);
    project.play(play, &[]).code(0);
    let folder = host.file("/home/tester/.cache/ocplay");
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

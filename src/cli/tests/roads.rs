//! Ways to a host: OpenSSH's configuration, jumps, proxies, certificates,
//! other kinds of connection, and other programs to become somebody.

use std::path::Path;
use std::process::Command;

use crate::common::{Host, PASSWORD, Project, keygen};

const WHO: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - command: id -un
      register: me
      changed_when: false
    - debug: {msg: 'I am {{ me.stdout }}.'}
";

/// An inventory with one bare name, and a configuration of ssh.
fn project(config: &str, known_hosts: &str) -> Project {
    let project = Project::new();
    project.write("hosts.ini", "box\n");
    project.write("home/.ssh/config", config);
    project.write("home/.ssh/known_hosts", known_hosts);
    project
}

fn entry(name: &str, host: &Host, more: &str) -> String {
    format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User tester\n  IdentityFile {}\n  {more}\n",
        host.port,
        host.client_key().display()
    )
}

#[test]
fn a_name_of_the_ssh_configuration_is_enough() {
    let host = Host::start();
    let project = project(&entry("box", &host, ""), &host.known_hosts_line());
    project.play(WHO, &[]).code(0).says(&["I am tester."]);
    // Variables and the command line win.
    project
        .play(WHO, &["-e", "ansible_user=other"])
        .code(0)
        .says(&["I am other."]);
    project
        .play(WHO, &["--ssh-common-args", "-F none"])
        .code(4)
        .says(&["the name 'box' does not resolve"]);
}

#[test]
fn a_jump_host_is_gone_over() {
    let (gate, inner) = (Host::start(), Host::start());
    let config = format!(
        "{}{}",
        entry("gate", &gate, ""),
        entry("box", &inner, "ProxyJump other@gate")
    );
    let inner_only = project(&config, &inner.known_hosts_line());
    inner_only
        .play(WHO, &[])
        .code(4)
        .says(&["the jump host 127.0.0.1 cannot be used", "is not known"]);
    let both = format!("{}{}", inner.known_hosts_line(), gate.known_hosts_line());
    let project = project(&config, &both);
    project.play(WHO, &[]).code(0).says(&["I am tester."]);
    let circle = config.replace("Host gate\n", "Host gate\n  ProxyJump box\n");
    project.write("home/.ssh/config", &circle);
    project
        .play(WHO, &[])
        .code(4)
        .says(&["does it lead back to itself?"]);
}

#[test]
fn a_proxy_command_carries_the_connection() {
    let host = Host::start();
    let config = format!(
        "Host box\n  HostName nowhere.invalid\n  HostKeyAlias mine\n  Port {}\n  User tester\n  IdentityFile {}\n  ProxyCommand /bin/busybox nc 127.0.0.1 %p\n",
        host.port,
        host.client_key().display()
    );
    let key = std::fs::read_to_string(host.key("host.pub")).unwrap();
    let project = project(&config, &format!("mine {key}"));
    project.play(WHO, &[]).code(0).says(&["I am tester."]);
}

fn sign(authority: &Path, key: &Path, more: &[&str]) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(authority)
        .args(["-I", "test"])
        .args(more)
        .arg(key)
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn certificates_vouch_for_both_sides() {
    let host = Host::start();
    let authority = host.key("authority");
    keygen(&authority);
    keygen(&host.key("mine"));
    sign(&authority, &host.key("mine.pub"), &["-n", "tester"]);
    sign(
        &authority,
        &host.key("host.pub"),
        &["-h", "-n", "box,127.0.0.1"],
    );
    let public = std::fs::read_to_string(host.key("authority.pub")).unwrap();
    std::fs::write(host.file("/run/keys/authority.pub"), &public).unwrap();
    let certificate = std::fs::read(host.key("host-cert.pub")).unwrap();
    std::fs::write(host.file("/run/keys/host-cert.pub"), certificate).unwrap();
    host.configure(
        "TrustedUserCAKeys /run/keys/authority.pub\nHostCertificate /run/keys/host-cert.pub\nAuthorizedKeysFile none",
    );
    let config = format!(
        "Host box\n  HostName 127.0.0.1\n  Port {}\n  User tester\n  IdentityFile {}\n",
        host.port,
        host.key("mine").display()
    );
    let line = format!("@cert-authority [127.0.0.1]:{} {public}", host.port);
    project(&config, &line)
        .play(WHO, &[])
        .code(0)
        .says(&["I am tester."]);
    // A certificate is for names.
    project(
        &format!("{config}  HostKeyAlias elsewhere\n"),
        &line.replace(&format!("[127.0.0.1]:{}", host.port), "*"),
    )
    .play(WHO, &[])
    .code(4)
    .says(&["its certificate is for box, 127.0.0.1, not for elsewhere"]);
}

#[test]
fn a_key_with_a_passphrase_is_opened() {
    let host = Host::start();
    let project = Project::with_host(&host, "tester");
    let changed = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "open sesame", "-f"])
        .arg(host.client_key())
        .status();
    assert!(changed.unwrap().success());
    project
        .play(WHO, &[])
        .code(4)
        .says(&["it has a passphrase", "ansible_ssh_private_key_passphrase"]);
    project
        .play(
            WHO,
            &["-e", "ansible_ssh_private_key_passphrase='open sesame'"],
        )
        .code(0)
        .says(&["I am tester."]);
}

#[test]
fn su_becomes_with_and_without_a_password() {
    let host = Host::start();
    let as_root = Project::with_host(&host, "root");
    let su = ["-b", "--become-method", "su", "--become-user", "other"];
    as_root.play(WHO, &su).code(0).says(&["I am other."]);
    as_root
        .play(
            &WHO.replace("  gather", "  become: true\n  become_method: ansible.builtin.su\n  become_user: other\n  gather"),
            &[],
        )
        .code(0)
        .says(&["I am other."]);
    as_root
        .play(
            &WHO.replace("  gather", "  become_method: pbrun\n  gather"),
            &[],
        )
        .code(1)
        .says(&[
            "become_method 'pbrun' is not supported",
            "there are sudo, su, doas",
        ]);
    let project = Project::with_host(&host, "tester");
    let word = format!("ansible_become_password='{PASSWORD}'");
    let mut with_password = su.to_vec();
    with_password.extend(["-e", &word]);
    project
        .play(WHO, &with_password)
        .code(0)
        .says(&["I am other."]);
    let mut wrong = su.to_vec();
    wrong.extend(["-e", "ansible_become_password=wrong"]);
    project
        .play(WHO, &wrong)
        .code(2)
        .says(&["the su password was not accepted"]);
    project
        .play(WHO, &["-b", "--become-method", "pbrun"])
        .code(2)
        .says(&["become_method 'pbrun' is not supported"]);
}

#[test]
fn another_root_is_worked_on_without_ssh() {
    let host = Host::start();
    let root = host.file("").display().to_string();
    let project = Project::new();
    project.write(
        "hosts.ini",
        &format!("box ansible_connection=chroot ansible_host={root}\n"),
    );
    project
        .play(
            "
- hosts: all
  gather_facts: false
  tasks:
    - copy: {content: hello, dest: /opt/hello}
    - command: cat /opt/hello
      register: read
    - assert: {that: read.stdout == 'hello'}
",
            &[],
        )
        .code(0);
    assert_eq!(host.read("/opt/hello"), "hello");
    assert!(!Path::new("/opt/hello").exists());
}

#[test]
fn a_server_that_lets_few_in_is_asked_again() {
    let host = Host::start();
    host.configure("MaxStartups 2:100:2");
    let project = Project::with_host(&host, "tester");
    let lines: String = (0..24)
        .map(|number| format!("{}\n", host.line(&format!("h{number}"), "tester")))
        .collect();
    project.write("hosts.ini", &lines);
    let ran = project.play(WHO, &[]).code(0);
    assert_eq!(
        ran.out.matches("unreachable=0").count(),
        24,
        "{}",
        ran.all()
    );
}

/// An ssh-agent that holds the host's client key; ended with the test.
struct SshAgent {
    socket: std::path::PathBuf,
    process: std::process::Child,
}

impl SshAgent {
    fn with_key_of(host: &Host, folder: &Path) -> Self {
        let socket = folder.join("ssh-agent");
        let process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !socket.exists() {
            assert!(std::time::Instant::now() < deadline, "no ssh-agent");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let added = Command::new("ssh-add")
            .arg(host.client_key())
            .env("SSH_AUTH_SOCK", &socket)
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
        Self { socket, process }
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn programs_of_a_host_ask_the_ssh_agent_where_they_may() {
    let host = Host::start();
    let known = host.known_hosts_line();
    let asks = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {command: ssh-add -l, register: keys}\n    - debug: {msg: 'it has {{ keys.stdout_lines | length }} key'}\n";
    let project = project(&entry("box", &host, ""), &known);
    let agent = SshAgent::with_key_of(&host, project.path());
    let run = |more: &[&str]| {
        project.write("site.yml", asks);
        let output = project
            .command(&[&["run", "site.yml", "-i", "hosts.ini"], more].concat())
            .env("SSH_AUTH_SOCK", &agent.socket)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let refused = run(&[]);
    assert!(refused.contains("failed=1"), "{refused}");
    let allowed = run(&["--ssh-common-args", "-A"]);
    assert!(allowed.contains("it has 1 key"), "{allowed}");
    project.write(
        "home/.ssh/config",
        &entry("box", &host, "ForwardAgent yes\n  IdentityAgent ~/other"),
    );
    std::os::unix::fs::symlink(&agent.socket, project.path().join("home/other")).unwrap();
    let configured = run(&[]);
    assert!(configured.contains("it has 1 key"), "{configured}");
}

#[test]
fn a_second_factor_is_asked_for_at_the_terminal() {
    let host = Host::start();
    host.write(
        "/etc/pam.d/sshd",
        b"auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
        0o644,
    );
    host.configure(
        "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive",
    );
    let project = project(&entry("box", &host, ""), &host.known_hosts_line());
    // Nobody is there.
    project
        .play(WHO, &[])
        .code(4)
        .says(&["it asks tester 'Password:'", "run ocplay at a terminal"]);
    // The password is known already.
    project
        .play(WHO, &["-e", "ansible_password='correct horse'"])
        .code(0)
        .says(&["I am tester."]);
    let inner = project.command(&["run", "site.yml", "-i", "hosts.ini"]);
    let mut words = vec![inner.get_program().to_string_lossy().into_owned()];
    words.extend(
        inner
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    let mut terminal = Command::new("script")
        .args(["-qefc", &words.join(" "), "/dev/null"])
        .current_dir(project.path())
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (
        terminal.stdin.take().unwrap(),
        terminal.stdout.take().unwrap(),
    );
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains("(tester@127.0.0.1) Password:") {
        let count = std::io::Read::read(&mut output, &mut byte).unwrap();
        assert_eq!(count, 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    // What is typed before it reads is thrown away, as with every password.
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::io::Write::write_all(&mut input, format!("{PASSWORD}\n").as_bytes()).unwrap();
    std::io::Read::read_to_end(&mut output, &mut seen).unwrap();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(terminal.wait().unwrap().success(), "{seen}");
    assert!(seen.contains("I am tester."), "{seen}");
    assert!(!seen.contains(PASSWORD), "{seen}");
}

#[test]
fn doas_becomes_with_and_without_a_password() {
    if !Path::new("/usr/bin/doas").exists() {
        eprintln!("skipped: there is no doas (opendoas)");
        return;
    }
    let host = Host::start();
    host.write(
        "/etc/doas.conf",
        b"permit nopass tester as other\npermit tester as root\n",
        0o600,
    );
    let project = Project::with_host(&host, "tester");
    let doas = ["-b", "--become-method", "doas", "--become-user"];
    let run =
        |user: &str, more: &[&str]| project.play(WHO, &[&doas[..], &[user][..], more].concat());
    run("other", &[]).code(0).says(&["I am other."]);
    run("root", &[])
        .code(2)
        .says(&["doas asks for a password to become root", "Give it with -K"]);
    let word = format!("ansible_become_password='{PASSWORD}'");
    run("root", &["-e", &word]).code(0).says(&["I am root."]);
    run("root", &["-e", "ansible_become_password=wrong"])
        .code(2)
        .says(&["the doas password was not accepted"]);
    // Bytes of every kind go over the terminal, and a connection that is cut
    // is no end.
    let every: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    std::fs::write(project.path().join("every"), &every).unwrap();
    project.play(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {src: every, dest: /opt/every}\n    - fetch: {src: /opt/every, dest: back, flat: true}\n",
        &[&doas[..], &["root", "-e", &word][..]].concat(),
    )
    .code(0);
    assert!(std::fs::read(project.path().join("back")).unwrap() == every);
}

#[test]
fn sudo_that_wants_a_terminal_gets_one() {
    let host = Host::start();
    host.write(
        "/etc/sudoers.d/ocplay-test",
        b"Defaults requiretty\ntester ALL=(ALL) ALL\nroot ALL=(ALL) NOPASSWD: ALL\n",
        0o440,
    );
    let project = Project::with_host(&host, "tester");
    let word = format!("ansible_become_password='{PASSWORD}'");
    project
        .play(WHO, &["-b", "-e", &word])
        .code(0)
        .says(&["I am root."]);
    project
        .play(WHO, &["-b", "-e", "ansible_become_password=wrong"])
        .code(2)
        .says(&["the sudo password was not accepted"]);
}

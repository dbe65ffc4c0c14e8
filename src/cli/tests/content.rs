//! The content: every file of every component renders for each topology and
//! release, is what was seen before, and says what its daemon reads.
//!
//! The grammar of the daemons is data beside the stand-ins; one program reads
//! it for them and for this test. Where a change is meant, run with
//! `OCPLAY_SNAPSHOTS=write`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Project, Ran};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Renders an inventory of the tree into a folder of the project.
fn render(project: &Project, inventory: &str, release: &str, driver: &str) -> PathBuf {
    render_with(project, inventory, release, driver, "say=nothing")
}

/// The same, with more variables.
fn render_with(
    project: &Project,
    inventory: &str,
    release: &str,
    driver: &str,
    more: &str,
) -> PathBuf {
    let root = project.path().join("rendered");
    let tree = tree();
    project
        .command(&[
            "run",
            tree.join("molecule-tests/render/render.yml")
                .to_str()
                .unwrap(),
            "-i",
            tree.join("inventories")
                .join(Path::new(inventory).with_extension("ini"))
                .to_str()
                .unwrap(),
            "-e",
            "ansible_connection=local",
            "-e",
            &format!("openstack_release={release}"),
            "-e",
            &format!("network_driver={driver}"),
            "-e",
            &format!("render_root={}", root.display()),
            "-e",
            more,
        ])
        .current_dir(&tree)
        .output()
        .map(|output| Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
        .unwrap()
        .code(0);
    root
}

/// What the check says about a rendered folder: whether all is well, and its words.
fn check(folder: &Path, snapshot: Option<&Path>) -> (bool, String) {
    let mut command = Command::new("python3");
    command
        .arg(tree().join("molecule-tests/render/check.py"))
        .arg(folder);
    if let Some(snapshot) = snapshot {
        command.arg(snapshot);
        if std::env::var_os("OCPLAY_SNAPSHOTS").is_some_and(|how| how == "write") {
            command.arg("--write");
        }
    }
    let output = command.output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&words).into_owned(),
    )
}

#[track_caller]
fn holds(inventory: &str, release: &str, driver: &str) {
    let project = Project::new();
    let folder = render(&project, inventory, release, driver);
    let snapshot = tree().join(format!(
        "molecule-tests/render/snapshots/{inventory}-{release}-{driver}.txt"
    ));
    let (well, words) = check(&folder, Some(&snapshot));
    assert!(well, "{words}");
}

#[test]
fn all_in_one_renders_for_both_releases() {
    holds("all-in-one", "kilo", "contrail");
    holds("all-in-one", "zed", "contrail");
}

#[test]
fn one_controller_renders_for_both_releases() {
    holds("lab-full", "kilo", "contrail");
    holds("lab-full", "zed", "contrail");
    // What the lab really runs.
    holds("lab-full", "zed", "linuxbridge");
}

#[test]
fn three_controllers_render_for_both_releases() {
    holds("three-controllers", "kilo", "contrail");
    holds("three-controllers", "zed", "contrail");
}

#[test]
fn groups_with_namespaces_render_for_both_releases() {
    holds("lab-groups", "kilo", "contrail");
    holds("lab-groups", "zed", "linuxbridge");
}

/// The mistakes of the originals, put into good files one by one.
#[test]
fn known_mistakes_are_found() {
    let project = Project::new();
    let folder = render(&project, "lab-full", "kilo", "contrail");
    let mistakes = [
        // A list that the daemon splits by spaces.
        (
            "config-api/contrail-api.conf",
            ":9160\n",
            ":9160,192.0.2.1:9160\n",
            "is no ip:9160",
        ),
        (
            "control-dns/contrail-dns.conf",
            "[DEFAULT]",
            "[DEFAULTS]",
            "is no option of this daemon",
        ),
        (
            "analytics-api/contrail-analytics-api.conf",
            "host_ip",
            "hostip",
            "is no option of this daemon",
        ),
        (
            "neutron-server/ContrailPlugin.ini",
            "analytics_api_port = 8081",
            "analytics_api_port = 9081",
            "'8081' is wanted",
        ),
        (
            "glance-api/glance-api.conf",
            "filesystem_store_datadir = ",
            "filesystem_store_datadir = = ",
            "begins with '='",
        ),
        (
            "ifmap/basicauthusers.properties",
            "visual:",
            "api-server:again\nvisual:",
            "is there twice",
        ),
        (
            "webui-server/config.global.js",
            "[\"198.51.100.71\"]",
            "[\"198.51.100.71,198.51.100.72\"]",
            "it is no ip",
        ),
        (
            "nova-compute/entry.json",
            "\"node\": \"compute\"",
            "\"node\": \"controler\"",
            "labels",
        ),
        (
            "nova-compute/entry.json",
            ":/var/lib/contrail/ports\"",
            ":/elsewhere\"",
            "is lost with the container",
        ),
        (
            "glance-api/entry.json",
            ":/var/lib/glance/images\"",
            ":/elsewhere\"",
            "is lost with the container",
        ),
        (
            "control-dns/entry.json",
            "\"pid_mode\": \"host\"",
            "\"pid_mode\": \"private\"",
            "share neither folder nor process numbers",
        ),
        (
            "nova-conductor/entry.json",
            "nova-manage db sync",
            "true",
            "nothing makes nova's database",
        ),
        (
            "nova-api/nova.conf",
            "default_tenant_id = default\n",
            "",
            "neutron.default_tenant_id is missing",
        ),
        (
            "nova-compute/nova-compute.conf",
            "qemu+tcp://%s/system",
            "qemu+tcp://198.51.100.81/system",
            "is wanted",
        ),
        (
            "neutron-server/neutron.conf",
            "username = neutron",
            "identity_uri = http://198.51.100.71:35357",
            "is no option of this daemon",
        ),
        (
            "keystone/keystone.conf",
            "198.51.100.71:3306/keystone",
            "198.51.100.71:3306/nova",
            "it is not like",
        ),
        (
            "cinder-api/cinder.conf",
            "rabbit_userid",
            "rabbit_user",
            "is no option of this daemon",
        ),
        (
            "control-named/contrail-named.conf",
            "port 8094",
            "port 953",
            "controls.inet",
        ),
        (
            "libvirt/libvirtd.conf",
            "listen_addr = \"198.51.100.81\"",
            "listen_addr = \"any\"",
            "it is no ip",
        ),
        (
            "analytics-snmp/snmp.conf",
            "mibs +ALL",
            "mibs",
            "names of the MIBs",
        ),
        (
            "rabbitmq/entry.json",
            "\"rabbit@",
            "\"made-up-rabbitmq-password@",
            "a secret in a command line",
        ),
    ];
    for (file, good, bad, words) in mistakes {
        let host = if file.starts_with("nova-compute") || file.starts_with("libvirt") {
            "cmp1"
        } else {
            "ctl1"
        };
        let path = folder.join(host).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(good), "{file} has no {good}: {text}");
        std::fs::write(&path, text.replacen(good, bad, 1)).unwrap();
        let (well, said) = check(&folder, None);
        assert!(!well && said.contains(words), "{file} with {bad}: {said}");
        std::fs::write(&path, text).unwrap();
    }
    assert!(check(&folder, None).0);
}

/// What runs of the later release showed, put back into good entries.
#[test]
fn known_mistakes_of_the_later_release_are_found() {
    let project = Project::new();
    let folder = render(&project, "lab-full", "zed", "linuxbridge");
    for (file, good, bad) in [
        // nova-compute ended where a server closed a connection without saying so.
        ("keystone/entry.json", "Connection: close", "Connection: x"),
        (
            "placement-api/entry.json",
            "Connection: close",
            "Connection: x",
        ),
        // Two threads of a process that met at a lock waited for ever.
        ("keystone/entry.json", "--harakiri 120", "--threads 8"),
        ("placement-api/entry.json", "--harakiri 120", ""),
    ] {
        let path = folder.join("ctl1").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(good), "{file} has no {good}: {text}");
        std::fs::write(&path, text.replacen(good, bad, 1)).unwrap();
        let (well, said) = check(&folder, None);
        assert!(
            !well && said.contains("ends connections without a word"),
            "{said}"
        );
        std::fs::write(&path, text).unwrap();
    }
    assert!(check(&folder, None).0);
}

/// A site of databases and configuration: nothing that is not there is named in a file.
#[test]
fn a_site_without_analytics_and_control_renders() {
    let project = Project::new();
    let whole = std::fs::read_to_string(tree().join("inventories/lab-full.ini")).unwrap();
    let mut text = whole.clone();
    for group in ["contrail_analytics", "contrail_control", "contrail_webui"] {
        text = text.replace(
            &format!("[{group}:children]\ncontroller_hosts\n"),
            &format!("[{group}]\n"),
        );
    }
    assert_ne!(whole, text);
    let inventory = project.write("part.ini", &text);
    let folder = render(&project, inventory.to_str().unwrap(), "zed", "linuxbridge");
    let (well, words) = check(&folder, None);
    assert!(well, "{words}");
    let api = std::fs::read_to_string(folder.join("ctl1/config-api/contrail-api.conf")).unwrap();
    assert!(!api.contains("collectors"), "{api}");
    assert!(!folder.join("ctl1/analytics-api").exists());
}

/// Services that listen beside the virtual address on other ports, and balancing as a service: rendered and checked, too.
#[test]
fn shifted_ports_and_balancing_render() {
    let project = Project::new();
    let folder = render_with(
        &project,
        "three-controllers",
        "kilo",
        "contrail",
        r#"{"ha_port_shift": true, "neutron_lbaas_enabled": true}"#,
    );
    let (well, words) = check(&folder, None);
    assert!(well, "{words}");
    assert!(
        folder
            .join("cmp1/vrouter-agent/contrail-lbaas-auth.conf")
            .exists()
    );
    for (good, bad, words) in [
        (":6000 check", ":5000 check", "wanted port 6000"),
        (
            "bind 198.51.100.200:9696",
            "bind 198.51.100.200:9697",
            "wanted 9696",
        ),
        (" backup\n", "\n", "one is active"),
    ] {
        let path = folder.join("ctl1/haproxy/haproxy.cfg");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(good), "no {good} in {text}");
        std::fs::write(&path, text.replacen(good, bad, 1)).unwrap();
        let (well, said) = check(&folder, None);
        assert!(!well && said.contains(words), "{bad}: {said}");
        std::fs::write(&path, text).unwrap();
    }
}

/// The output of tasks with secrets is hidden; why one failed is said by the rescue beside it, and no secret with it.
#[test]
fn a_hidden_failure_says_why_and_no_secret() {
    let project = Project::new();
    project.write(
        "why.yml",
        r#"
- hosts: localhost
  connection: local
  gather_facts: false
  vars: { vault_rabbitmq_password: s3cret+word, vault_redis_password: other }
  roles: [components]
  tasks:
    - block:
        - name: somebody is asked
          command: sh -c 'echo no room for {{ item }} >&2; exit 3'
          loop: [s3cret+word, other]
          no_log: true
      rescue:
        - fail: { msg: "{{ failed_because }}" }
"#,
    );
    let output = project
        .command(&["run", "why.yml", "-e", "data_ip=127.0.0.1"])
        .env("ANSIBLE_ROLES_PATH", tree().join("roles"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{out}");
    let reason = "somebody is asked: non-zero return code; no room for (hidden)";
    assert!(out.contains(reason), "{out}");
    assert!(!out.contains("s3cret"), "{out}");
}

/// Modules that the scenario `modules` does not use: why not, and where they are tried.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &[
            "add_host",
            "debug",
            "fail",
            "group_by",
            "include_vars",
            "pause",
            "set_fact",
            "set_stats",
            "validate_argument_spec",
        ],
        "they do nothing on a host; the tests of this folder and of the engine use them",
    ),
    (
        &[
            "os_auth",
            "os_image",
            "os_keystone_domain",
            "os_keystone_endpoint",
            "os_keystone_role",
            "os_keystone_service",
            "os_network",
            "os_nova_flavor",
            "os_project",
            "os_subnet",
            "os_user",
            "os_user_role",
        ],
        "they need a cloud: src/agent/cases has one of its own, site.yml and verify_openstack.yml a real one",
    ),
    (
        &["docker_compose", "docker_compose_v2", "docker_service"],
        "Debian 12 has no Compose of the second version; src/agent/docker/live.rs tries it where there is one",
    ),
    (
        &["lvg", "lvol"],
        "they need the kernel's device mapper: kernel-module uses them (volumes.yml)",
    ),
    (
        &["zfs"],
        "it needs a module of the kernel; only its arguments are tried",
    ),
    (
        &["reboot"],
        "the scenarios kernel-module and vhost0 reboot a machine with a kernel of its own",
    ),
    (&["apk"], "Debian has no package of the program"),
];

/// Each module is used on a real host, or it is said why not.
#[test]
fn every_module_is_tried_on_a_lab_host() {
    let folder = tree().join("molecule-tests/modules");
    let converge = std::fs::read_to_string(folder.join("converge.yml")).unwrap();
    let mut used = Vec::new();
    for entry in std::fs::read_dir(folder.join("tasks")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let line = format!("import_tasks: tasks/{stem}.yml, tags: {stem} }}");
        assert!(
            converge.contains(&line),
            "converge.yml does not import {stem}"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let own = text
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split_once(':'))
            .map(|(word, _)| word.to_owned());
        used.extend(own);
        assert!(used.contains(&stem), "tasks/{stem}.yml does not use {stem}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_ocplay"))
        .args(["doc", "--list"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(all.len() > 100, "{text}");
    let elsewhere: Vec<&str> = ELSEWHERE
        .iter()
        .flat_map(|(names, _)| *names)
        .copied()
        .collect();
    for name in &all {
        let here = used.iter().any(|one| one == name);
        assert!(
            here || elsewhere.contains(name),
            "{name} is used in no file of molecule-tests/modules/tasks; write {name}.yml there, \
             or say in ELSEWHERE why not"
        );
        assert!(
            !(here && elsewhere.contains(name)),
            "{name} is used, and yet stands in ELSEWHERE"
        );
    }
    for name in elsewhere {
        assert!(all.contains(&name), "{name} is no module");
    }
}

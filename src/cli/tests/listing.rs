//! `--list-*`, `--syntax-check`, `ocplay doc`.

use crate::common::Project;

#[test]
fn tasks_hosts_tags() {
    let project = Project::new();
    project.write("playbooks/site.yml", "- hosts: web\n  name: The web\n  tags: [p]\n  tasks:\n    - {name: one, debug: {msg: x}, tags: [b, a]}\n    - debug: {msg: y}\n");
    project.write("inventories/lab.ini", "[web]\nw1\n");
    let run = |option: &str| {
        project
            .ocplay(&["run", "site.yml", "-i", "lab.ini", option])
            .code(0)
            .out
    };
    let head = "\nplaybook: playbooks/site.yml\n\n  play #1 (web): The web\tTAGS: [p]\n";
    assert_eq!(
        run("--list-tasks"),
        format!("{head}    tasks:\n      one\tTAGS: [a, b, p]\n      debug\tTAGS: [p]\n")
    );
    assert_eq!(
        run("--list-hosts"),
        format!("{head}    pattern: ['web']\n    hosts (1):\n      w1\n")
    );
    assert_eq!(
        run("--list-tags"),
        format!("{head}      TASK TAGS: [a, b, p]\n")
    );
    assert_eq!(run("--syntax-check"), "\nplaybook: playbooks/site.yml\n");
}

#[test]
fn every_module_is_documented() {
    let project = Project::new();
    let list = project.ocplay(&["doc", "-l"]).code(0);
    for line in list.out.lines() {
        let (name, doc) = line.split_once(' ').unwrap();
        assert!(doc.trim().len() > 10, "{name} has no documentation");
        let shown = project.ocplay(&["doc", name]).code(0);
        assert!(shown.out.contains("Arguments"), "{name}");
    }
    project
        .ocplay(&["doc", "coppy"])
        .code(1)
        .says(&["did you mean 'copy'?"]);
}

/// Content that ships must always be sound.
#[test]
fn shipped_playbooks_pass_the_check() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut checked = 0;
    for entry in std::fs::read_dir(format!("{root}/playbooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            let project = Project::new();
            let output = project
                .command(&["run", "--syntax-check", "-i", "inventories/lab.ini"])
                .arg(&path)
                .current_dir(root)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{text}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 2, "only {checked} playbooks found");
}

#[test]
fn roles_are_documented_by_what_they_say_of_themselves() {
    let project = Project::new();
    project.write(
        "roles/web/meta/argument_specs.yml",
        "argument_specs:
  main:
    short_description: A web server.
    description: [It serves., It logs.]
    options:
      web_port: {type: int, description: Where it listens.}
      web_kind: {choices: [a, b], required: true, description: \"One | other.\"}
      web_sites:
        type: list
        elements: dict
        options: {name: {description: Of the site.}}
      web_<name>_log: {type: path, description: A log file.}
",
    );
    project.write(
        "roles/web/defaults/main.yml",
        "web_port: 80\nweb_sites: []\nweb_error_log: /var/log/x\n",
    );
    project
        .ocplay(&["doc", "-t", "role", "-l"])
        .code(0)
        .says(&["web                    main       A web server."]);
    project
        .ocplay(&["doc", "-t", "role", "web"])
        .code(0)
        .says(&[
            "main: A web server.",
            "- web_port (int, default 80)\n    Where it listens.",
            "= web_kind (a | b)",
            "- web_sites.name (str)\n    Of the site.",
        ]);
    project
        .ocplay(&["doc", "-t", "role", "--page"])
        .code(0)
        .says(&[
            "\n## web\n\nA web server.\nIt serves.\nIt logs.\n",
            "| `web_port` | int | `80` | Where it listens. |",
            "| `web_kind` | a \\| b | **required** | One \\| other. |",
        ]);
    project
        .ocplay(&["doc", "-t", "role", "wbe"])
        .code(1)
        .says(&["did you mean 'web'?"]);
    // A page that leaves something out would be no reference.
    project.write("roles/web/defaults/main.yml", "web_secret_door: true\n");
    project
        .ocplay(&["doc", "-t", "role", "--page"])
        .code(1)
        .says(&["role 'web' has variables that it does not describe: web_secret_door"]);
}

//! `ocplay inventory`.

use crate::common::Project;

fn project() -> Project {
    let project = Project::new();
    project.write(
        "inventories/lab.ini",
        "[web]\nw[1:2] a=5\n[all:vars]\nb=yes\n",
    );
    project.write("inventories/group_vars/web.yml", "port: 0644\n");
    project.write("inventories/host_vars/w2/main.yml", "a: 7\n");
    project
}

#[test]
fn list_host_and_graph() {
    let project = project();
    let list = project
        .ocplay(&["inventory", "--list", "-i", "lab.ini"])
        .code(0);
    let json: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(json["web"]["hosts"], serde_json::json!(["w1", "w2"]));
    assert_eq!(
        json["_meta"]["hostvars"]["w1"],
        serde_json::json!({"a": 5, "b": "yes", "port": 420})
    );
    let host = project
        .ocplay(&["inventory", "--host", "w2", "-i", "lab.ini"])
        .code(0);
    let json: serde_json::Value = serde_json::from_str(&host.out).unwrap();
    assert_eq!(json["a"], 7);
    let graph = project
        .ocplay(&["inventory", "--graph", "-i", "lab.ini"])
        .code(0);
    assert_eq!(
        graph.out,
        "@all:\n  |--@ungrouped:\n  |--@web:\n  |  |--w1\n  |  |--w2\n"
    );
    project
        .ocplay(&["inventory", "--host", "w3", "-i", "lab.ini"])
        .code(5)
        .says(&["did you mean"]);
}

#[test]
fn a_picture_of_hosts_and_what_runs_there() {
    let project = Project::new();
    project.write(
        "hosts.ini",
        "[web]\nw1 ansible_host=198.51.100.7\nw2 ansible_host=198.51.100.8\n[db]\nd1 ansible_host='<evil>'\n[data:children]\ndb\n",
    );
    let plain = project
        .ocplay(&["inventory", "-i", "hosts.ini", "--graph", "--svg"])
        .code(0)
        .out;
    assert!(
        plain.starts_with("<svg ") && plain.ends_with("</svg>\n"),
        "{plain}"
    );
    for text in [
        ">w1</text>",
        ">198.51.100.8</text>",
        ">web</text>",
        "&lt;evil&gt;",
    ] {
        assert!(plain.contains(text), "no {text} in {plain}");
    }
    // A catalogue says what runs where, by expressions over the hosts' variables.
    project.write(
        "roles/components/defaults/main/all.yml",
        "components_all: \"{{ ['nginx', 'php-fpm'] + (['redis'] if groups['db'] | length > 1 else ['postgres']) }}\"
component_nginx: {group: web}
component_php_fpm: {group: web}
component_redis: {group: db}
component_postgres: {group: \"{{ 'db' if hostvars['w1'].ansible_host else 'web' }}\"}
",
    );
    let drawn = project
        .ocplay(&["inventory", "-i", "hosts.ini", "--graph", "--svg"])
        .code(0)
        .out;
    for text in [">nginx, php-fpm</text>", ">postgres</text>", ">data</text>"] {
        assert!(drawn.contains(text), "no {text} in {drawn}");
    }
    assert!(!drawn.contains("redis"), "{drawn}");
    project.write(
        "roles/components/defaults/main/all.yml",
        "components_all: [nope]\n",
    );
    project
        .ocplay(&["inventory", "-i", "hosts.ini", "--graph", "--svg"])
        .code(1)
        .says(&["component_nope names no group"]);
    project
        .ocplay(&["inventory", "-i", "hosts.ini", "--list", "--svg"])
        .code(2);
}

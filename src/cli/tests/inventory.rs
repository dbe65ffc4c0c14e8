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

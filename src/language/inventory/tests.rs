use super::*;
use crate::loader::Machine;
use crate::source::Source;
use crate::value::Value;

fn from_ini(text: &str) -> Inventory {
    let mut inventory = Inventory::default();
    ini::read(&Source::new("t.ini", text), &mut inventory, &mut Vec::new()).unwrap();
    inventory.finish();
    inventory
}

fn mistakes(text: &str) -> Vec<String> {
    let mut inventory = Inventory::default();
    let mut problems = Vec::new();
    if let Err(found) = ini::read(&Source::new("t.ini", text), &mut inventory, &mut problems) {
        problems.extend(found);
    }
    problems
        .iter()
        .map(|problem| format!("{problem} | {}", problem.help.join(" ")))
        .collect()
}

fn pick(inventory: &Inventory, pattern: &str) -> String {
    let (hosts, _) = select(pattern, inventory, &Machine).unwrap();
    hosts.join(" ")
}

const SAMPLE: &str = "
alone
[g1]
h1 a=5 b=yes c=0644 d=True e=[1,2] f='x y' g='{{ a }}' # remark
h2
h3
[g2]
h3
h4:2222
[top:children]
g1
g2
[top:vars]
t = 1.5
list = ['a', 'b']  # remark
";

#[test]
fn values_are_python_literals() {
    let inventory = from_ini(SAMPLE);
    let vars = &inventory.host("h1").unwrap().vars;
    let json = Value::Map(vars.clone()).to_json();
    assert_eq!(
        json,
        serde_json::json!({"a": 5, "b": "yes", "c": "0644", "d": true, "e": [1, 2], "f": "x y", "g": "{{ a }}"})
    );
    let top = Value::Map(inventory.group("top").unwrap().vars.clone()).to_json();
    assert_eq!(top, serde_json::json!({"t": 1.5, "list": ["a", "b"]}));
    assert_eq!(
        inventory.host("h4").unwrap().vars.get("ansible_port"),
        Some(&Value::Int(2222))
    );
}

#[test]
fn unusual_literals() {
    for (text, wanted) in [
        ("b'x'", serde_json::json!("x")),
        ("{1, 2}", serde_json::json!([1, 2])),
        ("set()", serde_json::json!([])),
        ("(1)", serde_json::json!(1)),
        ("(1,)", serde_json::json!([1])),
        ("(1, 'a')", serde_json::json!([1, "a"])),
        ("1j", serde_json::json!("1j")),
        (
            "[..., {'k': None}]",
            serde_json::json!(["...", {"k": null}]),
        ),
        ("host-01.internal", serde_json::json!("host-01.internal")),
        ("{{ x }}", serde_json::json!("{{ x }}")),
        ("1 2", serde_json::json!("1 2")),
    ] {
        let inventory = from_ini(&format!("[all:vars]\nv={text}\n"));
        let vars = &inventory.group("all").unwrap().vars;
        assert_eq!(vars.get("v").unwrap().to_json(), wanted, "{text}");
    }
}

#[test]
fn groups_are_sorted_by_depth_then_name() {
    let inventory = from_ini(SAMPLE);
    let groups = inventory.host("h3").unwrap().groups.join(" ");
    assert_eq!(groups, "all top g1 g2");
    assert_eq!(
        inventory.host("alone").unwrap().groups.join(" "),
        "all ungrouped"
    );
}

#[test]
fn patterns() {
    let inventory = from_ini(SAMPLE);
    for (pattern, wanted) in [
        ("all", "alone h1 h2 h3 h4"),
        ("~h[24]:&g?", "h2 h4"),
        ("h[!2]", "h1 h3 h4"),
        ("g1:&g2", "h3"),
        ("!h1:g1", "h2 h3"),
        ("g1:!h1", "h2 h3"),
        ("h3,h1", "h3 h1"),
        ("g1[0:1]", "h1 h2"),
        ("g1[-1]", "h3"),
        ("g1[1:]", "h2 h3"),
        ("h*", "h1 h2 h3 h4"),
        ("~h[24]", "h2 h4"),
        ("ungrouped", "alone"),
        ("localhost", "localhost"),
        ("top", "h1 h2 h3 h4"),
    ] {
        assert_eq!(pick(&inventory, pattern), wanted, "{pattern}");
    }
}

#[test]
fn a_part_that_matches_nothing_is_named_with_the_nearest() {
    let inventory = from_ini("[controllers]\nc1\n");
    let (hosts, misses) = select("controlers", &inventory, &Machine).unwrap();
    assert!(hosts.is_empty());
    assert_eq!(
        misses,
        [PatternError::NoMatch {
            part: "controlers".into(),
            near: Some("controllers".into())
        }]
    );
}

#[test]
fn broken_lines_are_all_reported() {
    let found = mistakes("[g\nh1 x\n[a:children]\nnope\n[b:vrs]\n[c:vars]\nx\n[c]\nk=v\n'open\n");
    let text = found.join("\n");
    for wanted in [
        "Expected key=value host variable assignment, got: x",
        "t.ini:4:1: Section [a:children] includes undefined group 'nope'.",
        "did you mean 'vars'",
        "[c:vars]",
        "'k=v' is taken for the name of a host",
        "not closed",
    ] {
        assert!(text.contains(wanted), "{wanted} in:\n{text}");
    }
}

#[test]
fn circles_are_refused() {
    assert!(mistakes("[a:children]\nb\n[b:children]\na\n")[0].contains("already above"));
}

#[test]
fn yaml_inventory() {
    let text = "all:\n  hosts:\n    h[1:2]: {x: 1}\n  children:\n    web:\n      hosts: {h2: }\n      vars: {y: 0644}\n";
    let mut inventory = Inventory::default();
    let (root, _) = crate::yaml::parse_one(&Source::new("t.yml", text)).unwrap();
    yaml::read(&root, &mut inventory, &mut Vec::new()).unwrap();
    inventory.finish();
    assert_eq!(pick(&inventory, "web"), "h2");
    assert_eq!(
        inventory.group("web").unwrap().vars.get("y"),
        Some(&Value::Int(420))
    );
    assert_eq!(
        inventory.host("h1").unwrap().groups.join(" "),
        "all ungrouped"
    );
}

#[test]
fn wild_input_does_not_panic() {
    for text in [
        "[",
        "]",
        "[]",
        "[:]",
        "h ä='",
        "h a={",
        "h a=[",
        "\u{feff}h",
        "[a:b:c]",
        "h a=\\",
        "h[",
        "[x]\n[x:vars]\n=",
    ] {
        mistakes(text);
    }
    for pattern in [
        "", "!", "&", "~[", "a[", "a[0", "a[:]", "a[-]", ":::", "@", "@/nope",
    ] {
        let _outcome = select(pattern, &from_ini("h1"), &Machine);
    }
}

/// A folder of files, read as a source.
fn from_files(files: &[(&str, &str)], sources: &[&str], options: &Options) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let sources: Vec<String> = sources
        .iter()
        .map(|source| match source.contains(',') {
            true => (*source).to_owned(),
            false => folder.path().join(source).to_string_lossy().into_owned(),
        })
        .collect();
    let loader: Arc<dyn Loader> = Arc::new(Machine);
    match load(&sources, options, &loader) {
        Ok((inventory, warnings)) => Loaded {
            inventory,
            said: warnings.iter().map(ToString::to_string).collect(),
        },
        Err(problems) => Loaded {
            inventory: Inventory::default(),
            said: problems.iter().map(ToString::to_string).collect(),
        },
    }
}

struct Loaded {
    inventory: Inventory,
    said: Vec<String>,
}

impl Loaded {
    fn hosts(&self, pattern: &str) -> String {
        pick(&self.inventory, pattern)
    }

    fn var(&self, host: &str, name: &str) -> serde_json::Value {
        let vars = &self.inventory.host(host).unwrap().vars;
        vars.get(name).map(Value::to_json).unwrap_or_default()
    }
}

#[test]
fn folders_are_read_in_name_order_without_what_is_no_inventory() {
    let files = [
        ("i/2.ini", "[web]\nb\n"),
        ("i/1.yml", "web: {hosts: {a: }}\n"),
        ("i/group_vars/web.yml", "x: 1\n"),
        ("i/.hidden", "[\n"),
        ("i/old.bak", "[\n"),
        ("i/sub/3.toml", "[web.hosts]\nc = {n = 1.5}\n"),
    ];
    let found = from_files(&files, &["i"], &Options::default());
    assert_eq!(found.said, Vec::<String>::new());
    assert_eq!(found.hosts("web"), "a b c");
    assert_eq!(found.var("c", "n"), 1.5);
}

#[test]
fn scripts_answer_for_all_or_for_each_host() {
    let all = r#"#!/bin/sh
echo '{"web": {"hosts": ["a"], "vars": {"v": "{{ x }}"}}, "db": ["b"], "top": {"children": ["web"]}, "_meta": {"hostvars": {"a": {"n": 1}}}}'
"#;
    let each = r#"#!/bin/sh
test "$1" = --list && echo '{"g": {"hosts": ["c"]}}' || echo "{\"own\": \"$2\"}"
"#;
    let broken = "#!/bin/sh\necho trouble >&2; exit 3\n";
    let files = [("all", all), ("each", each), ("broken", broken)];
    let found = from_files(&files, &["all", "each"], &Options::default());
    assert_eq!(found.hosts("top,db,g"), "a b c");
    assert_eq!(found.var("a", "n"), 1);
    assert_eq!(found.var("c", "own"), "c");
    let group = found.inventory.group("web").unwrap();
    assert!(matches!(group.vars.get("v"), Some(Value::Template(_))));
    let found = from_files(&files, &["broken"], &Options::default());
    assert!(
        found.said[0].contains("Inventory script returned non-zero exit code 3."),
        "{:?}",
        found.said
    );
}

#[test]
fn mappings_of_several_sources_are_merged_where_that_is_wanted() {
    let files = [
        (
            "1.yml",
            "all: {hosts: {h: {d: {a: 1, b: 1}}}, vars: {g: {a: 1}}}\n",
        ),
        (
            "2.yml",
            "all: {hosts: {h: {d: {a: 2}}}, vars: {g: {b: 2}}}\n",
        ),
    ];
    let read = |merging: bool| {
        let options = Options {
            merging,
            ..Options::default()
        };
        let found = from_files(&files, &["1.yml", "2.yml"], &options);
        let all = found.inventory.group("all").unwrap();
        (found.var("h", "d"), all.vars.get("g").unwrap().to_json())
    };
    use serde_json::json;
    assert_eq!(read(false), (json!({"a": 2}), json!({"b": 2})));
    assert_eq!(
        read(true),
        (json!({"a": 2, "b": 1}), json!({"a": 1, "b": 2}))
    );
}

#[test]
fn constructed_makes_variables_and_groups() {
    let config = "plugin: ansible.builtin.constructed\n\
        compose: {sum: n + 1, bad: nope.x}\n\
        groups: {big: n > 1, none: missing}\n\
        keyed_groups:\n\
        - {key: os, prefix: os, parent_group: all_os}\n\
        - {key: os, separator: ''}\n\
        - {key: tags}\n\
        - {key: empty, prefix: e, default_value: nothing}\n";
    let hosts = "[web]\na n=1 os=deb tags=\"{'k': 'v', 'w': ''}\" empty=''\nb n=2 os=rpm tags=\"['x','y']\"\n";
    let files = [("1.ini", hosts), ("2.yml", config)];
    let found = from_files(&files, &["1.ini", "2.yml"], &Options::default());
    assert_eq!(found.var("a", "sum"), 2);
    assert_eq!(found.var("a", "bad"), serde_json::Value::Null);
    for (pattern, wanted) in [
        ("big", "b"),
        ("os_deb", "a"),
        ("all_os", "a b"),
        ("rpm", "b"),
        ("_x", "b"),
        ("_k_v", "a"),
        ("_w_", "a"),
        ("e_nothing", "a"),
    ] {
        assert_eq!(found.hosts(pattern), wanted, "{pattern}");
    }
    let strict = format!("{config}strict: true\n");
    let files = [("1.ini", hosts), ("2.yml", strict.as_str())];
    let found = from_files(&files, &["1.ini", "2.yml"], &Options::default());
    let said = found.said.join("\n");
    assert!(said.contains("Could not set bad for host a"), "{said}");
}

#[test]
fn generator_combines_layers() {
    let config = "plugin: generator\n\
        hosts:\n  name: '{{ op }}_{{ app }}'\n  parents:\n\
        \x20 - name: '{{ app }}'\n    vars: {application: '{{ app }}'}\n    parents: [{name: apps}]\n\
        layers: {op: [build, run], app: [web, api]}\n";
    let found = from_files(&[("g.yml", config)], &["g.yml"], &Options::default());
    assert_eq!(found.hosts("all"), "build_web run_web build_api run_api");
    assert_eq!(found.hosts("apps"), "build_web run_web build_api run_api");
    let vars = &found.inventory.group("api").unwrap().vars;
    assert_eq!(vars.get("application"), Some(&Value::from("api")));
}

#[test]
fn what_nobody_can_read_is_a_warning_or_a_mistake() {
    let files = [("x.ini", "[web\nh1 x\n")];
    let found = from_files(&files, &["x.ini"], &Options::default());
    let said = found.said.join("\n");
    for wanted in [
        "Failed to parse inventory with 'ini' plugin.",
        "as an inventory source",
        "No inventory was parsed, only implicit localhost is available",
    ] {
        assert!(said.contains(wanted), "{wanted} in:\n{said}");
    }
    let strict = Options {
        any_unparsed_fails: true,
        ..Options::default()
    };
    let said = from_files(&files, &["x.ini"], &strict).said.join("\n");
    assert!(said.contains("Expected key=value"), "{said}");
    let said = from_files(&[], &["gone"], &strict).said.join("\n");
    assert!(said.contains("there is no such file"), "{said}");
}

#[test]
fn odd_names_of_groups_stay_or_are_mended() {
    let files = [("x.ini", "[my-group]\na\n[my-group:vars]\nv=1\n")];
    let found = from_files(&files, &["x.ini"], &Options::default());
    assert_eq!(found.hosts("my-group"), "a");
    assert!(found.said[0].contains("but not replaced"));
    let mend = Options {
        group_names: GroupNames::Always,
        ..Options::default()
    };
    let found = from_files(&files, &["x.ini"], &mend);
    assert_eq!(found.hosts("my_group"), "a");
    assert!(found.said[0].contains("automatically replaced"));
    assert!(
        found
            .inventory
            .group("my_group")
            .unwrap()
            .vars
            .contains_key("v")
    );
}

#[test]
fn host_lists_expand_ranges_only_in_the_advanced_form() {
    let found = from_files(&[], &["h[1:2],x:2222"], &Options::default());
    assert_eq!(found.hosts("all"), "h[1:2] x");
    assert_eq!(found.var("x", "ansible_port"), 2222);
    let advanced = Options {
        enabled: vec!["advanced_host_list".to_owned()],
        ..Options::default()
    };
    let found = from_files(&[], &["h[1:2],x"], &advanced);
    assert_eq!(found.hosts("all"), "h1 h2 x");
}

#[test]
fn a_priority_decides_among_equals_and_is_no_variable() {
    let inventory = from_ini("[a]\nh\n[b]\nh\n[a:vars]\nansible_group_priority=10\n");
    assert_eq!(inventory.host("h").unwrap().groups.join(" "), "all b a");
    assert!(inventory.group("a").unwrap().vars.is_empty());
}

/// The fast road for JSON gives what the other one gives.
#[test]
fn files_of_variables_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = folder.path().join("vars.json");
        std::fs::write(&path, text).unwrap();
        let vars = read_vars(&path, &Machine).unwrap();
        Value::Map(vars).to_json().to_string()
    };
    assert_eq!(
        read("{\"a\": [1, 2.5, null, true], \"b\": {\"c\": \"0644\", \"d\": \"yes\"}}\n"),
        r#"{"a":[1,2.5,null,true],"b":{"c":"0644","d":"yes"}}"#
    );
    // Templates keep their places: they take the other road.
    assert_eq!(read("{\"a\": \"{{ b }}\"}"), r#"{"a":"{{ b }}"}"#);
    // So do numbers that would be rounded, and what only looks like JSON.
    assert_eq!(
        read("{\"a\": 12345678901234567890}"),
        r#"{"a":12345678901234567890}"#
    );
    assert_eq!(read("{a: yes}"), r#"{"a":true}"#);
}

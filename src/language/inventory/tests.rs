use super::*;
use crate::loader::Machine;
use crate::value::Value;

fn from_ini(text: &str) -> Inventory {
    let mut inventory = Inventory::default();
    let mut problems = Vec::new();
    ini::read(&Source::new("t.ini", text), &mut inventory, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    inventory.finish();
    inventory
}

fn mistakes(text: &str) -> Vec<String> {
    let mut inventory = Inventory::default();
    let mut problems = Vec::new();
    ini::read(&Source::new("t.ini", text), &mut inventory, &mut problems);
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
fn ranges() {
    let expand = |text: &str| host_list::expand(text).map(|(names, _)| names.join(" "));
    assert_eq!(expand("w[01:03].x").unwrap(), "w01.x w02.x w03.x");
    assert_eq!(expand("w[1:5:2]").unwrap(), "w1 w3 w5");
    assert_eq!(expand("[a:c]").unwrap(), "a b c");
    assert_eq!(
        host_list::expand("[::1]:22").unwrap(),
        (vec!["::1".to_owned()], Some(22))
    );
    assert!(expand("w[1:").is_err());
    assert!(expand("w[5:1]").is_err());
    assert!(expand("w[0:99999999999]").is_err());
}

#[test]
fn broken_lines_are_all_reported() {
    let found = mistakes("[g\nh1 x\n[a:children]\nnope\n[b:vrs]\n[c:vars]\nx\n[c]\nk=v\n'open\n");
    let text = found.join("\n");
    for wanted in [
        "'x' is not 'name=value'",
        "t.ini:4:1: the group 'nope' is not defined",
        "did you mean 'vars'",
        "[c:vars]",
        "'k=v' is not a host name",
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
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    yaml::read(
        &Source::new("t.yml", text),
        &mut inventory,
        &mut problems,
        &mut warnings,
    );
    assert!(problems.is_empty(), "{problems:?}");
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

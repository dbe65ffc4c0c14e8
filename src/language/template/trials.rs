//! What one-line cases cannot show: files, places of errors, other hosts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cases::{scope, shown, trusted};
use super::{FileOptions, Templar};
use crate::loader::Loader;
use crate::source::{Source, Span};
use crate::value::{Map, Template, Value};
use crate::vars::{HostVars, Level, Scope};

/// Files in memory.
#[derive(Default)]
struct Shelf(BTreeMap<PathBuf, String>);

impl Loader for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
    fn is_dir(&self, path: &Path) -> bool {
        self.0.keys().any(|file| file.parent() == Some(path))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self
            .0
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect())
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn shell(&self, _: &str, _: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_private(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn templar(files: &[(&str, &str)]) -> Templar {
    Templar::new(Arc::new(Shelf(
        files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect(),
    )))
}

fn render(files: &[(&str, &str)], main: &str, variables: &str) -> String {
    let folders: Arc<[PathBuf]> = [PathBuf::from("/role/templates"), "/play".into()].into();
    let source = Source::new("/role/templates/main.j2", main);
    let scope = scope(variables).with_search(folders);
    match templar(files).render_file(&source, &FileOptions::default(), &scope) {
        Ok(text) => text,
        Err(error) => format!("{}: {}", error.span, error.message),
    }
}

#[test]
fn includes_imports_and_inheritance_are_rewritten_too() {
    let files = [
        (
            "/role/templates/part.j2",
            "{{ '%02d' % n }}{% set x = [] %}{{ x.append(n) }}{{ x }}",
        ),
        (
            "/play/macros.j2",
            "{% macro pad(v) %}{{ '%03d' % v }}{% endmacro %}",
        ),
        ("/play/base.j2", "<{% block body %}base{% endblock %}>"),
    ];
    assert_eq!(
        render(&files, "{% include 'part.j2' %}", r#"{"n": 7}"#),
        "07[7]"
    );
    assert_eq!(
        render(&files, "{% import 'macros.j2' as m %}{{ m.pad(5) }}", "{}"),
        "005"
    );
    assert_eq!(
        render(
            &files,
            "{% from 'macros.j2' import pad %}{{ pad(5) }}",
            "{}"
        ),
        "005"
    );
    assert_eq!(
        render(
            &files,
            "{% extends 'base.j2' %}{% block body %}{{ super() }}{{ 7 % 4 }}{% endblock %}",
            "{}"
        ),
        "<base3>"
    );
    assert_eq!(
        render(&files, "{% include 'nope.j2' ignore missing %}x", "{}"),
        "x"
    );
}

#[test]
fn files_keep_their_layout() {
    assert_eq!(
        render(
            &[],
            "{% for i in [1, 2] %}\n  {{ i }}\n  {% if i == 1 %}\n  one\n  {% endif %}\n{% endfor %}\nend\n",
            "{}"
        ),
        "  1\n    one\n    2\n  end\n"
    );
    assert_eq!(
        render(
            &[],
            "#jinja2: lstrip_blocks: True, trim_blocks: False\n  {% if true %}\nx\n  {% endif %}\n",
            "{}"
        ),
        "\nx\n"
    );
    assert_eq!(
        render(
            &[],
            "#jinja2: variable_start_string:'[%', variable_end_string:'%]'\n[% 1 + 1 %] {{ x }}\n",
            "{}"
        ),
        "2 {{ x }}\n"
    );
}

#[test]
fn errors_name_the_place_in_a_file() {
    assert_eq!(
        render(&[], "one\n{{ [1] + [nope] }}\n", "{}"),
        "/role/templates/main.j2:2:11: 'nope' is undefined"
    );
    assert_eq!(
        render(
            &[("/play/part.j2", "a\nb {{ '%d' % d.x }}")],
            "{% include 'part.j2' %}",
            r#"{"d": {}}"#
        ),
        "/play/part.j2:2:13: object of type 'dict' has no attribute 'x'"
    );
}

#[test]
fn chains_of_variables_are_told() {
    let templar = templar(&[]);
    let scope =
        scope(r#"{"a": "{{ b }}!", "b": "x {{ c.d }}", "c": {"d": "{{ lost }}"}, "last": 1}"#);
    let error = templar
        .resolve(&trusted(&"see {{ a }}".into()), &scope)
        .unwrap_err();
    assert!(error.undefined);
    assert_eq!(error.message, "'lost' is undefined");
    let names: Vec<&str> = error.chain.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["d", "b", "a"]);
    assert_eq!(error.span.text(), "lost");
    assert_eq!(error.help.as_deref(), Some("did you mean 'last'?"));
    let story = error.diagnostic().help.join("\n");
    assert!(story.contains("`a` uses `b` uses `d`"), "{story}");
    assert_eq!(error.diagnostic().labels.len(), 4);
}

#[test]
fn loops_of_variables_end() {
    let templar = templar(&[]);
    let variables = scope(r#"{"a": "{{ b }}", "b": "{{ a }}", "m": {"x": "{{ m.x }}"}}"#);
    for name in ["a", "m.x"] {
        let error = templar
            .expression(name, &Span::nowhere(), &variables)
            .unwrap_err();
        assert!(
            error.message.starts_with("Recursive loop"),
            "{}",
            error.message
        );
        assert!(!error.undefined);
    }
    let mut deep = Map::new();
    for step in 0..500 {
        let text = format!("{{{{ v{} }}}}", step + 1);
        deep.insert(format!("v{step}"), trusted(&text.into()));
    }
    deep.insert("v500", 1);
    let scope = Scope::new().with(Level::PlayVars, Arc::new(deep));
    assert!(templar.expression("v0", &Span::nowhere(), &scope).is_err());
}

#[test]
fn conditions_must_be_boolean() {
    let mut templar = templar(&[]);
    let scope = scope(r#"{"x": 3, "s": "text", "t": "{{ x > 2 }}", "lines": []}"#);
    let judge = |templar: &Templar, text: &str| templar.condition(&trusted(&text.into()), &scope);
    for (text, wanted) in [
        ("x > 2", true),
        ("t", true),
        ("not t", false),
        ("s is match('t')", true),
        ("x in [1, 3] and s != ''", true),
        ("nope is defined", false),
        ("nope.deeper is defined", false),
    ] {
        assert_eq!(judge(&templar, text).unwrap(), wanted, "{text}");
    }
    let list = Value::from(vec![
        trusted(&"x > 2".into()),
        Value::Bool(true),
        trusted(&"{{ t }}".into()),
    ]);
    assert!(templar.condition(&list, &scope).unwrap());
    assert_eq!(
        judge(&templar, "s").unwrap_err().code,
        "condition-not-boolean"
    );
    assert!(judge(&templar, "lines").is_err());
    assert!(judge(&templar, "x >").is_err());
    templar.truthy = true;
    assert!(judge(&templar, "s").unwrap());
    assert!(!judge(&templar, "lines").unwrap());
}

#[test]
fn omitted_parts_go_away() {
    let templar = templar(&[]);
    let value = trusted(
        &serde_json::json!({"a": "{{ x | default(omit) }}", "b": ["{{ omit }}", 1], "c": 2}),
    );
    let value = templar.resolve(&value, &Scope::new()).unwrap();
    assert_eq!(shown(&value), "{'b': [1], 'c': 2}");
    let value = templar.resolve(&trusted(&"{{ omit }}".into()), &Scope::new());
    assert_eq!(value.unwrap(), Value::Omit);
    let scope = Scope::new().with_var(Level::Magic, "omit", Value::Omit);
    let value = templar.resolve(&trusted(&"{{ nope | d(omit) }}".into()), &scope);
    assert_eq!(value.unwrap(), Value::Omit);
}

#[test]
fn results_of_hosts_stay_text() {
    let templar = templar(&[]);
    let json = serde_json::json!({"stdout": "{{ 1 + 1 }}"});
    let scope = Scope::new().with_var(Level::SetFacts, "r", Value::from_json(&json));
    let value = templar.resolve(&trusted(&"{{ r.stdout }}".into()), &scope);
    assert_eq!(value.unwrap(), Value::from("{{ 1 + 1 }}"));
    let value = templar.resolve(
        &trusted(&"{{ '{\"k\": \"{{ 2 }}\"}' | from_json }}".into()),
        &scope,
    );
    assert_eq!(shown(&value.unwrap()), "{'k': '{{ 2 }}'}");
}

struct Others;

impl HostVars for Others {
    fn hosts(&self) -> Vec<Arc<str>> {
        vec!["h1".into(), "h2".into()]
    }
    fn scope(&self, host: &str) -> Option<Scope> {
        let own = format!(
            r#"{{"ip": "10.0.0.{}", "url": "http://{{{{ ip }}}}"}}"#,
            &host[1..]
        );
        host.starts_with('h').then(|| scope(&own))
    }
}

#[test]
fn other_hosts_evaluate_in_their_own_scope() {
    let templar = templar(&[]);
    let scope = scope(r#"{"ip": "1.1.1.1", "hs": ["h1", "h2"]}"#).with_hosts(Arc::new(Others));
    for (text, wanted) in [
        ("{{ hostvars['h1'].url }}", "'http://10.0.0.1'"),
        (
            "{{ hostvars.h2['url'] }} {{ ip }}",
            "'http://10.0.0.2 1.1.1.1'",
        ),
        (
            "{{ hs | map('extract', hostvars, 'ip') | list }}",
            "['10.0.0.1', '10.0.0.2']",
        ),
        ("{{ hostvars['x'].url | default('none') }}", "'none'"),
        ("{{ 'h1' in hostvars }}", "True"),
        ("{{ vars['ip'] }}", "'1.1.1.1'"),
        ("{{ hostvars['h1'].get('nope', 5) }}", "5"),
    ] {
        let value = templar.resolve(&trusted(&text.into()), &scope);
        assert_eq!(
            value.as_ref().map(shown).unwrap_or_default(),
            wanted,
            "{text} {value:?}"
        );
    }
}

#[test]
fn checks_find_mistakes_without_variables() {
    let templar = templar(&[]);
    let check = |text: &str| {
        let source = Source::new("p.yml", text);
        let template = Template {
            text: text.into(),
            span: Span::new(&source, 0..text.len()),
            offset: Some(0),
        };
        templar.check(&template).map_err(|error| {
            let label = error
                .labels
                .first()
                .map_or("", |label| label.span.text())
                .to_owned();
            (error.code, label, error.help.join(""))
        })
    };
    assert_eq!(
        check("{{ nope.x | default('a') | ansible.builtin.combine({}) }}"),
        Ok(())
    );
    assert_eq!(
        check("{{ x | defualt('a') }}"),
        Err((
            "unknown-filter",
            "defualt".into(),
            "did you mean 'default'?".into()
        ))
    );
    assert_eq!(check("{{ x is definde }}").unwrap_err().0, "unknown-test");
    assert_eq!(check("{% if x %}").unwrap_err().0, "template-syntax");
    assert_eq!(check("{{ x + }}").unwrap_err().0, "template-syntax");
}

#[test]
fn hostile_templates_end() {
    let templar = templar(&[]);
    for text in [
        "{{ range(10**12) }}",
        "{{ 'a' * 10**12 }}",
        "{% set x = [] %}{{ x.append(x) }}",
        "{{ '%99999999d' % 1 }}",
        "{{ 'x'.zfill(10**9) }}",
        "{{ [1] | product(repeat=10**6) if false else range(3000) | product(range(3000)) }}",
    ] {
        let result = templar.resolve(&trusted(&text.into()), &Scope::new());
        assert!(result.is_err(), "{text}");
    }
    let many = |part: &str| part.repeat(20_000);
    for text in [
        format!("{{{{ {}1{} }}}}", many("("), many(")")),
        format!("{{{{ {}{} }}}}", many("["), many("]")),
        format!("{{{{ {}1 }}}}", many("-")),
        format!("{{{{ {}true }}}}", many("not ")),
        format!("{{{{ 1{} }}}}", many(" + 1")),
        format!("{{{{ 1{} }}}}", many(" or 1")),
        format!("{{{{ a{} }}}}", many(".b")),
        format!("{{{{ 1{} }}}}", many(" | string")),
        format!("{{{{ 1{} }}}}", many(" if 1 else 1")),
        many("{% if true %}"),
        format!("{}{}", many("{% if true %}"), many("{% endif %}")),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro m(x) %}{% for i in x recursive %}{{ loop(x) }}{% endfor %}{% endmacro %}{{ m([1]) }}".to_owned(),
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}".to_owned(),
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}".to_owned(),
        "{{ [1] * 10**12 }}".to_owned(),
        "{{ range(10**9) | list }}".to_owned(),
        "{{ 2 ** 1000000000 }}".to_owned(),
        "{% for i in range(10**6) %}{% for j in range(10**6) %}{% set x = j %}{% endfor %}{% endfor %}".to_owned(),
        "{{ 'x' * 10**8 | length }}".to_owned(),
        "{{ '{:>99999999}'.format(1) }}".to_owned(),
        "{{ 'a'.center(10**9) }}".to_owned(),
    ] {
        let result = templar.resolve(&trusted(&text.as_str().into()), &Scope::new());
        assert!(result.is_err(), "{}", &text[..text.len().min(60)]);
    }
    let deep = "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}done";
    let value = templar.resolve(&trusted(&deep.into()), &Scope::new());
    assert_eq!(value.unwrap(), Value::from("done"));
}

#[test]
fn nothing_stays_behind_after_an_evaluation() {
    let templar = templar(&[]);
    let held = Arc::new(
        match trusted(&serde_json::json!({"l": [{"a": "{{ m }}"}], "m": {"x": [1]}})) {
            Value::Map(map) => Map::clone(&map),
            _ => Map::new(),
        },
    );
    let scope = Scope::new()
        .with(Level::PlayVars, Arc::clone(&held))
        .with_hosts(Arc::new(Others));
    for text in [
        "{{ l }} {{ m.x.append(2) }} {{ vars.m }}",
        "{{ hostvars['h1'].url }}{{ hostvars }}",
        "{{ l[0].a.x[0] + lost }}",
    ] {
        drop(templar.resolve(&trusted(&text.into()), &scope));
    }
    drop(scope);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn values_read_in_a_loop_are_all_their_own() {
    let templar = templar(&[]);
    let text = "{% set all = [] %}{% for i in range(50) %}{% set x = ('[' ~ i ~ ']') | from_json %}{{ x.append('+') }}{{ all.append(x | length) }}{{ all.append(x[0] == i) }}{% endfor %}{{ all | unique }}";
    let value = templar.resolve(&trusted(&text.into()), &Scope::new());
    assert_eq!(shown(&value.unwrap()), "[2, True]");
}

#[test]
fn lookups_serve_loops() {
    let templar = templar(&[
        ("/play/files/a.txt", "text\n"),
        ("/play/b.j2", "{{ n % 3 }}\n"),
    ]);
    let scope = scope(r#"{"n": 8}"#).with_search([PathBuf::from("/play")].into());
    let run = |name: &str, term: Value| {
        let terms = Value::from(vec![term]);
        templar
            .lookup(name, &terms, "debug", &scope)
            .map(|found| shown(&Value::from(found)))
            .unwrap_or_else(|error| format!("{} {:?}", error.message, error.help))
    };
    let nested = Value::from_json(&serde_json::json!([1, [2, [3]]]));
    assert_eq!(run("items", nested.clone()), "[1, [2, [3]]]");
    assert_eq!(run("community.general.flattened", nested), "[1, 2, 3]");
    assert_eq!(run("file", "a.txt".into()), "['text']");
    assert_eq!(run("template", "b.j2".into()), "[2]");
    assert_eq!(
        run(
            "first_found",
            Value::from(vec![Value::from("no"), "a.txt".into()])
        ),
        "['/play/files/a.txt']"
    );
    assert_eq!(run("fileglob", "*.txt".into()), "['/play/files/a.txt']");
    assert!(run("itms", Value::Null).contains("did you mean 'items'?"));
    assert!(templar.has_lookup("ansible.builtin.subelements"));
}

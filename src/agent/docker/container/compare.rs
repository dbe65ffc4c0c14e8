//! Wanted against actual, by the rule that holds for each option.

use serde_json::{Map, Value, json};

use crate::host::Failure;

/// What a field's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One value, or a list whose order matters.
    Value,
    /// A list of texts in any order.
    Set,
    /// Names and texts.
    Dict,
}

/// One option: what is wanted and what is.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) wanted: Value,
    pub(crate) actual: Value,
    /// What the image brings by itself; never a difference.
    pub(crate) brought: Value,
    /// The engine can change it while the container lives.
    pub(crate) update: bool,
}

/// One field, or one name in it, that is not as wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) update: bool,
}

impl Difference {
    pub(crate) fn new(field: impl Into<String>, before: Value, after: Value) -> Self {
        Self {
            field: field.into(),
            before,
            after,
            update: false,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({"field": self.field, "before": self.before, "after": self.after})
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Strict,
    Ignore,
    AllowMore,
}

/// The rules of a task.
pub(crate) struct Rules {
    all: Option<Mode>,
    single: Vec<(String, Mode)>,
}

impl Rules {
    /// `known` are the options of the module with their other names.
    pub(crate) fn read(
        given: Option<&Map<String, Value>>,
        known: &dyn Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, Failure> {
        let mut rules = Self {
            all: None,
            single: Vec::new(),
        };
        for (name, value) in given.into_iter().flatten() {
            let mode = match value.as_str() {
                Some("strict") => Mode::Strict,
                Some("ignore") => Mode::Ignore,
                Some("allow_more_present") => Mode::AllowMore,
                _ => {
                    return Err(Failure::new(format!(
                        "comparisons.{name}: {value} is not one of strict, ignore, \
                         allow_more_present"
                    )));
                }
            };
            if name == "*" {
                if mode == Mode::AllowMore {
                    return Err("comparisons: '*' can be strict or ignore".into());
                }
                rules.all = Some(mode);
                continue;
            }
            let Some(name) = known(name) else {
                return Err(Failure::new(format!(
                    "comparisons.{name}: docker_container has no such option"
                )));
            };
            rules.single.push((name.to_owned(), mode));
        }
        Ok(rules)
    }

    pub(crate) fn of(&self, name: &str, kind: Kind) -> Mode {
        let single = self.single.iter().find(|(known, _)| known == name);
        match (single, self.all) {
            (Some((_, mode)), _) => *mode,
            (None, Some(mode)) => mode,
            (None, None) if name == "stop_timeout" => Mode::Ignore,
            (None, None) if kind == Kind::Value => Mode::Strict,
            (None, None) => Mode::AllowMore,
        }
    }
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn entries(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

impl Field {
    /// In what it is not as wanted.
    pub(crate) fn differences(&self, rules: &Rules) -> Vec<Difference> {
        let mode = rules.of(self.name, self.kind);
        let mut found = match (mode, self.kind) {
            (Mode::Ignore, _) => Vec::new(),
            (_, Kind::Value) if self.wanted == self.actual => Vec::new(),
            (_, Kind::Value) => vec![self.whole()],
            (mode, Kind::Set) => self.of_sets(mode == Mode::Strict),
            (mode, Kind::Dict) => self.of_entries(mode == Mode::Strict),
        };
        for difference in &mut found {
            difference.update = self.update;
        }
        found
    }

    fn whole(&self) -> Difference {
        Difference::new(self.name, self.actual.clone(), self.wanted.clone())
    }

    fn of_sets(&self, strict: bool) -> Vec<Difference> {
        let (wanted, actual) = (items(&self.wanted), items(&self.actual));
        let brought = items(&self.brought);
        let missing = wanted.iter().any(|item| !actual.contains(item));
        let more = actual
            .iter()
            .any(|item| !wanted.contains(item) && !brought.contains(item));
        if missing || (strict && more) {
            vec![self.whole()]
        } else {
            Vec::new()
        }
    }

    fn of_entries(&self, strict: bool) -> Vec<Difference> {
        let (wanted, actual) = (entries(&self.wanted), entries(&self.actual));
        let brought = entries(&self.brought);
        let named = |key: &str| format!("{}.{key}", self.name);
        let mut found: Vec<Difference> = wanted
            .iter()
            .filter(|(key, value)| actual.get(*key) != Some(value))
            .map(|(key, value)| {
                let before = actual.get(key).cloned().unwrap_or_default();
                Difference::new(named(key), before, value.clone())
            })
            .collect();
        if strict {
            for (key, value) in &actual {
                let image = brought.get(key);
                if !wanted.contains_key(key) && image != Some(value) {
                    let after = image.cloned().unwrap_or_default();
                    found.push(Difference::new(named(key), value.clone(), after));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Kind, wanted: Value, actual: Value, brought: Value) -> Field {
        Field {
            name: "labels",
            kind,
            wanted,
            actual,
            brought,
            update: false,
        }
    }

    fn rules(mode: &str) -> Rules {
        let given = json!({ "labels": mode });
        Rules::read(given.as_object(), &|name| {
            (name == "labels").then_some("labels")
        })
        .unwrap()
    }

    #[test]
    fn more_than_wanted_counts_only_when_strict() {
        let set = field(Kind::Set, json!(["a"]), json!(["b", "a"]), Value::Null);
        assert_eq!(set.differences(&rules("allow_more_present")), []);
        assert_eq!(set.differences(&rules("ignore")), []);
        assert_eq!(set.differences(&rules("strict")).len(), 1);
        let set = field(Kind::Set, json!(["a"]), json!(["b", "a"]), json!(["b"]));
        assert_eq!(set.differences(&rules("strict")), []);
    }

    #[test]
    fn entries_are_named() {
        let (wanted, actual) = (json!({"a": "1", "b": "2"}), json!({"a": "0", "c": "3"}));
        let dict = field(Kind::Dict, wanted, actual, json!({"c": "3"}));
        let found = dict.differences(&rules("strict"));
        assert_eq!(
            found,
            [
                Difference::new("labels.a", json!("0"), json!("1")),
                Difference::new("labels.b", Value::Null, json!("2")),
            ]
        );
        let empty = field(Kind::Dict, json!({}), json!({"c": "4"}), json!({"c": "3"}));
        assert_eq!(
            empty.differences(&rules("strict")),
            [Difference::new("labels.c", json!("4"), json!("3"))]
        );
    }

    #[test]
    fn unknown_rules_are_refused() {
        let known = |_: &str| None;
        for given in [
            json!({"*": "allow_more_present"}),
            json!({"x": "strict"}),
            json!({"*": 1}),
        ] {
            assert!(Rules::read(given.as_object(), &known).is_err(), "{given}");
        }
    }
}

//! Privileges: as playbooks write them, as the server shows them, and the
//! statements that lead from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use ocplay_protocol::coerce;
use serde_json::Value;

use crate::host::Failure;

/// Privileges for each object, such as `` `db`.* ``.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Grants(BTreeMap<String, BTreeSet<String>>);

const ALL: &str = "ALL";
const OPTION: &str = "GRANT";
const NONE: &str = "USAGE";

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// A privilege in one spelling: upper case, columns in order.
fn privilege(text: &str, keep_case: bool) -> String {
    let (word, columns) = match text.split_once('(') {
        Some((word, columns)) => (word.trim(), Some(columns.trim_end_matches(')'))),
        None => (text.trim(), None),
    };
    let word = match word.to_uppercase().as_str() {
        "ALL PRIVILEGES" => ALL.to_owned(),
        "GRANT OPTION" => OPTION.to_owned(),
        word => word.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let Some(columns) = columns else {
        return word;
    };
    let mut columns: Vec<String> = columns
        .split(',')
        .map(|column| column.trim().trim_matches('`').to_owned())
        .map(|column| {
            if keep_case {
                column
            } else {
                column.to_uppercase()
            }
        })
        .collect();
    columns.sort();
    format!("{word} ({})", columns.join(", "))
}

/// An object in one spelling.
fn object(text: &str) -> String {
    let text = text.trim();
    let (kind, rest) = ["FUNCTION ", "PROCEDURE "]
        .into_iter()
        .find_map(|kind| {
            let head = text.get(..kind.len())?;
            head.eq_ignore_ascii_case(kind)
                .then(|| (kind, &text[kind.len()..]))
        })
        .unwrap_or(("", text));
    let quoted = |part: &str| match part.trim() {
        "*" => "*".to_owned(),
        part if part.starts_with('`') => part.to_owned(),
        part => format!("`{part}`"),
    };
    // Dots may stand within quotes.
    let mut inside = false;
    let at = rest.char_indices().find(|(_, c)| {
        inside ^= *c == '`';
        *c == '.' && !inside
    });
    let (database, table) = match at {
        Some((at, _)) => (&rest[..at], &rest[at + 1..]),
        None => (rest, "*"),
    };
    format!("{kind}{}.{}", quoted(database), quoted(table))
}

impl Grants {
    /// What a playbook says.
    pub(super) fn read(given: &Value, keep_case: bool) -> Result<Self, Failure> {
        let pairs: Vec<(String, String)> = match given {
            Value::Object(map) => map
                .iter()
                .map(|(object, privileges)| Ok((object.clone(), coerce::text(privileges)?)))
                .collect::<Result<_, String>>()?,
            other => coerce::text(other)?
                .split('/')
                .filter(|part| !part.trim().is_empty())
                .map(|part| {
                    part.rsplit_once(':')
                        .map(|(object, list)| (object.to_owned(), list.to_owned()))
                        .ok_or_else(|| format!("invalid privileges string: '{part}' has no colon"))
                })
                .collect::<Result<_, String>>()?,
        };
        let mut grants = Self::default();
        for (name, list) in pairs {
            let entry = grants.0.entry(object(&name)).or_default();
            entry.extend(split(&list).iter().map(|text| privilege(text, keep_case)));
        }
        Ok(grants)
    }

    /// What `SHOW GRANTS` answers.
    pub(super) fn parse(lines: &[String]) -> Self {
        let mut grants = Self::default();
        for line in lines {
            let Some(rest) = line.strip_prefix("GRANT ") else {
                continue;
            };
            let Some((list, rest)) = rest.split_once(" ON ") else {
                continue;
            };
            let Some((name, rest)) = rest.split_once(" TO ") else {
                continue;
            };
            let entry = grants.0.entry(object(name)).or_default();
            entry.extend(split(list).iter().map(|text| privilege(text, true)));
            if rest.contains("WITH GRANT OPTION") {
                entry.insert(OPTION.to_owned());
            }
            entry.remove(NONE);
        }
        grants.0.retain(|_, privileges| !privileges.is_empty());
        grants
    }

    /// Privileges without those that are implied by another.
    fn plain(privileges: &BTreeSet<String>) -> BTreeSet<String> {
        let mut plain = privileges.clone();
        plain.remove(NONE);
        if plain.contains(ALL) {
            plain.retain(|word| word == ALL || word == OPTION);
        }
        plain
    }

    /// Whether these privileges hold the others.
    fn holds(is: &BTreeSet<String>, wanted: &BTreeSet<String>) -> bool {
        wanted
            .iter()
            .all(|word| is.contains(word) || (word != OPTION && is.contains(ALL)))
    }

    /// The statements that make these privileges the wanted ones.
    pub(super) fn to(&self, wanted: &Self, who: &str, append: bool) -> Vec<String> {
        let mut statements = Vec::new();
        let none = BTreeSet::new();
        if !append {
            for (object, is) in &self.0 {
                let wanted = wanted.0.get(object).unwrap_or(&none);
                let (is, wanted) = (Self::plain(is), Self::plain(wanted));
                let surplus: BTreeSet<String> = if wanted.contains(ALL) {
                    is.iter()
                        .filter(|word| *word == OPTION && !wanted.contains(OPTION))
                        .cloned()
                        .collect()
                } else {
                    is.difference(&wanted).cloned().collect()
                };
                statements.extend(revoke(object, &surplus, who));
            }
        }
        for (object, wanted) in &wanted.0 {
            let is = Self::plain(self.0.get(object).unwrap_or(&none));
            let wanted = Self::plain(wanted);
            // What was taken away with ALL must be given anew.
            let taken = !append && is.contains(ALL) && !wanted.contains(ALL);
            if !wanted.is_empty() && (taken || !Self::holds(&is, &wanted)) {
                statements.push(grant(object, &wanted, who));
            }
        }
        statements
    }

    /// The statements that take privileges away.
    pub(super) fn without(&self, unwanted: &Self, who: &str) -> Vec<String> {
        let mut statements = Vec::new();
        for (object, unwanted) in &unwanted.0 {
            let Some(is) = self.0.get(object) else {
                continue;
            };
            let surplus: BTreeSet<String> = if unwanted.contains(ALL) {
                is.clone()
            } else if is.contains(ALL) {
                unwanted.clone()
            } else {
                is.intersection(unwanted).cloned().collect()
            };
            statements.extend(revoke(object, &surplus, who));
        }
        statements
    }
}

fn words(privileges: &BTreeSet<String>) -> Vec<&str> {
    privileges
        .iter()
        .filter(|word| *word != OPTION)
        .map(|word| if word == ALL { "ALL PRIVILEGES" } else { word })
        .collect()
}

fn grant(object: &str, privileges: &BTreeSet<String>, who: &str) -> String {
    let list = words(privileges);
    let list = if list.is_empty() {
        NONE.to_owned()
    } else {
        list.join(", ")
    };
    let option = if privileges.contains(OPTION) {
        " WITH GRANT OPTION"
    } else {
        ""
    };
    format!("GRANT {list} ON {object} TO {who}{option}")
}

fn revoke(object: &str, privileges: &BTreeSet<String>, who: &str) -> Vec<String> {
    let mut statements = Vec::new();
    if privileges.contains(OPTION) {
        statements.push(format!("REVOKE GRANT OPTION ON {object} FROM {who}"));
    }
    let list = words(privileges);
    if !list.is_empty() {
        statements.push(format!("REVOKE {} ON {object} FROM {who}", list.join(", ")));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Grants {
        Grants::read(&value, false).unwrap()
    }

    #[test]
    fn from_one_to_the_other() {
        let shown = [
            "GRANT USAGE ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*X'".to_owned(),
            "GRANT SELECT, INSERT (`B`, `A`) ON `d.x`.* TO `u`@`h` WITH GRANT OPTION".to_owned(),
        ];
        let is = Grants::parse(&shown);
        assert_eq!(is, read(json!("`d.x`.*:SELECT,INSERT(a,b),GRANT")));
        assert!(is.to(&is.clone(), "u", false).is_empty());
        assert_eq!(
            is.to(
                &read(json!({"`d.x`.*": "SELECT", "e.t": "ALL"})),
                "u",
                false
            ),
            [
                "REVOKE GRANT OPTION ON `d.x`.* FROM u",
                "REVOKE INSERT (A, B) ON `d.x`.* FROM u",
                "GRANT ALL PRIVILEGES ON `e`.`t` TO u",
            ]
        );
        assert_eq!(
            is.to(&read(json!("`d.x`.*:UPDATE")), "u", true),
            ["GRANT UPDATE ON `d.x`.* TO u"]
        );
        assert_eq!(
            is.without(&read(json!("`d.x`.*:SELECT,DELETE")), "u"),
            ["REVOKE SELECT ON `d.x`.* FROM u"]
        );
    }

    #[test]
    fn all_holds_everything_but_the_option() {
        let is = read(json!("*.*:ALL"));
        assert!(
            is.to(&read(json!("*.*:ALL PRIVILEGES")), "u", false)
                .is_empty()
        );
        assert!(is.to(&read(json!("*.*:SELECT")), "u", true).is_empty());
        assert_eq!(
            is.to(&read(json!("*.*:ALL,GRANT")), "u", false),
            ["GRANT ALL PRIVILEGES ON *.* TO u WITH GRANT OPTION"]
        );
        assert!(Grants::read(&json!("nothing"), false).is_err());
    }
}

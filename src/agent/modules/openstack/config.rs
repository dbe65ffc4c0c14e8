//! How to reach a cloud: from the task, from clouds.yaml, from OS_* variables.

use std::path::PathBuf;

use ocplay_protocol::coerce;
use serde_json::{Map, Value};

use crate::host::{Failure, Look};

/// What a cloud's entry says.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    pub(super) auth: Map<String, Value>,
    pub(super) rest: Map<String, Value>,
}

impl Config {
    /// A word of the section on getting in.
    pub(super) fn auth(&self, name: &str) -> Option<String> {
        text(self.auth.get(name))
    }

    pub(super) fn option(&self, name: &str) -> Option<String> {
        text(self.rest.get(name))
    }

    fn add(&mut self, entry: &Map<String, Value>) {
        for (key, value) in entry {
            match (key.as_str(), value) {
                ("auth", Value::Object(auth)) => {
                    for (key, value) in auth {
                        self.auth.insert(key.clone(), value.clone());
                    }
                }
                _ => {
                    self.rest.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value
        .filter(|value| !value.is_null())
        .and_then(|value| coerce::text(value).ok())
        .filter(|text| !text.is_empty())
}

/// Everything that the host and the task say about a cloud.
pub(super) fn read(
    look: &Look,
    cloud: Option<&Value>,
    auth: Option<&Map<String, Value>>,
) -> Result<Config, Failure> {
    let mut config = Config::default();
    let name = match cloud {
        Some(Value::Object(entry)) => {
            config.add(entry);
            None
        }
        other => text(other).or_else(|| look.variable("OS_CLOUD")),
    };
    if let Some(name) = &name {
        let mut found = false;
        for kind in ["clouds", "secure"] {
            for path in places(look, kind) {
                let Some(content) = look.read_text(&path)? else {
                    continue;
                };
                let file = mapping(&content).map_err(|line| {
                    Failure::new(format!(
                        "{} cannot be read at line {line}; only plain mappings are understood",
                        path.display()
                    ))
                })?;
                if let Some(entry) = file.get("clouds").and_then(|all| all[name].as_object()) {
                    config.add(entry);
                    found = true;
                }
                break;
            }
        }
        if !found {
            return Err(Failure::new(format!(
                "Cloud {name} was not found in a clouds.yaml of this host"
            )));
        }
    } else if cloud.is_none() {
        const WORDS: [&str; 14] = [
            "auth_url",
            "username",
            "user_id",
            "password",
            "project_name",
            "project_id",
            "user_domain_name",
            "user_domain_id",
            "project_domain_name",
            "project_domain_id",
            "application_credential_id",
            "application_credential_secret",
            "token",
            "system_scope",
        ];
        for word in WORDS {
            if let Some(value) = look.variable(&format!("OS_{}", word.to_uppercase())) {
                config.auth.insert(word.to_owned(), value.into());
            }
        }
        for word in ["region_name", "interface", "cacert", "auth_type"] {
            if let Some(value) = look.variable(&format!("OS_{}", word.to_uppercase())) {
                config.rest.insert(word.to_owned(), value.into());
            }
        }
    }
    for (key, value) in auth.into_iter().flatten() {
        config.auth.insert(key.clone(), value.clone());
    }
    Ok(config)
}

fn places(look: &Look, kind: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if kind == "clouds" {
        places.extend(look.variable("OS_CLIENT_CONFIG_FILE").map(PathBuf::from));
    }
    let file = format!("{kind}.yaml");
    places.push(PathBuf::from(&file));
    if let Some(home) = look.home("") {
        places.push(PathBuf::from(home).join(".config/openstack").join(&file));
    }
    places.push(PathBuf::from("/etc/openstack").join(&file));
    places
}

/// Nested mappings of plain words, which is what clouds.yaml holds. The number
/// of the line that is something else, if there is one.
fn mapping(content: &str) -> Result<Map<String, Value>, usize> {
    let mut stack: Vec<(usize, String, Map<String, Value>)> = vec![(0, String::new(), Map::new())];
    fn close(stack: &mut Vec<(usize, String, Map<String, Value>)>) {
        if let Some((_, key, map)) = stack.pop()
            && let Some((_, _, parent)) = stack.last_mut()
        {
            parent.insert(key, Value::Object(map));
        }
    }
    let mut open: Option<String> = None;
    for (number, line) in content.lines().enumerate() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') || bare == "---" {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        let (key, value) = bare
            .split_once(": ")
            .or_else(|| bare.strip_suffix(':').map(|key| (key, "")))
            .ok_or(number + 1)?;
        let key = key.trim().trim_matches(['"', '\'']).to_owned();
        let at = stack.last().map_or(0, |(depth, ..)| *depth);
        match open.take() {
            Some(name) if depth > at || (stack.len() == 1 && depth > 0) => {
                stack.push((depth, name, Map::new()));
            }
            Some(name) => {
                if let Some((_, _, map)) = stack.last_mut() {
                    map.insert(name, Value::Null);
                }
            }
            None => {}
        }
        while stack.len() > 1 && stack.last().is_some_and(|(at, ..)| *at > depth) {
            close(&mut stack);
        }
        let value = value.trim();
        if value.is_empty() {
            open = Some(key);
            continue;
        }
        if value.starts_with(['[', '{', '&', '*', '|', '>', '!']) {
            return Err(number + 1);
        }
        let quoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim_end());
        if let Some((_, _, map)) = stack.last_mut() {
            map.insert(key, value.into());
        }
    }
    while stack.len() > 1 {
        close(&mut stack);
    }
    Ok(stack.pop().map(|(_, _, map)| map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_clouds() {
        let text = "---\nclouds:\n  a:\n    auth:\n      auth_url: http://h:5000  # x\n      \
                    password: 'p # w'\n    region_name: R1\n  b:\n    auth:\n      username: u\n";
        let file = mapping(text).unwrap();
        assert_eq!(file["clouds"]["a"]["auth"]["auth_url"], "http://h:5000");
        assert_eq!(file["clouds"]["a"]["auth"]["password"], "p # w");
        assert_eq!(file["clouds"]["a"]["region_name"], "R1");
        assert_eq!(file["clouds"]["b"]["auth"]["username"], "u");
        assert_eq!(mapping("a: [1]\n"), Err(1));
    }
}

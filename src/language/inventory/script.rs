//! Programs that answer `--list` and `--host NAME` with JSON.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::{Map as Object, Value as Json};

use super::json::trusted;
use super::sources::{Attempt, Reader};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::{Map, Value};

pub(super) fn read(path: &Path, reader: &mut Reader<'_>) -> Attempt {
    let answer = run(path, &["--list"], reader)?;
    let span = Span::new(&Source::new(path, String::new()), 0..0);
    let groups = match serde_json::from_slice(&answer.out) {
        Ok(Json::Object(groups)) => groups,
        Ok(_) => return Err(answer.wrong("Inventory script result is not a mapping of groups")),
        Err(error) => {
            return Err(answer.wrong(&format!(
                "Inventory script result could not be parsed as JSON. {error}"
            )));
        }
    };
    if reader.options.script_stderr && !answer.err.trim().is_empty() {
        reader
            .warnings
            .push(Diagnostic::warning("inventory", answer.err.trim()));
    }
    let mut hosts = IndexSet::new();
    let mut known: Option<&Object<String, Json>> = None;
    for (name, data) in &groups {
        if name == "_meta" {
            known = data.get("hostvars").and_then(Json::as_object);
            if known.is_none() {
                return Err(answer.wrong("'_meta.hostvars' must be a mapping"));
            }
        } else {
            group(name, data, &span, reader, &mut hosts).map_err(|reason| answer.wrong(&reason))?;
        }
    }
    for host in hosts {
        let own;
        let vars = match known {
            Some(known) => known.get(&host),
            None => {
                let answer = run(path, &["--host", &host], reader)?;
                if answer.out.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                own = serde_json::from_slice(&answer.out).map_err(|error| {
                    answer.wrong(&format!(
                        "Inventory script result for host '{host}' could not be parsed as JSON. {error}"
                    ))
                })?;
                Some(&own)
            }
        };
        if let Some(Value::Map(vars)) = vars.map(|vars| trusted(vars, &span)) {
            reader.inventory.set_host_vars(&host, &vars);
        }
    }
    Ok(())
}

fn group(
    name: &str,
    data: &Json,
    span: &Span,
    reader: &mut Reader<'_>,
    all: &mut IndexSet<String>,
) -> Result<(), String> {
    let inventory = &mut reader.inventory;
    inventory.add_group(name);
    let mut add = |hosts: &Json, inventory: &mut super::Inventory| {
        let Some(hosts) = hosts.as_array() else {
            return Err(format!("'{name}.hosts' must be a list"));
        };
        for host in hosts {
            let host = host
                .as_str()
                .ok_or_else(|| format!("'{name}.hosts' must be a list of names"))?;
            inventory.add_host(host, name);
            all.insert(host.to_owned());
        }
        Ok(())
    };
    let Some(parts) = data.as_object() else {
        return add(data, inventory);
    };
    if !["hosts", "vars", "children"]
        .iter()
        .any(|key| parts.contains_key(*key))
    {
        // An old form: the group is its only host, with these variables.
        inventory.add_host(name, name);
        all.insert(name.to_owned());
        set_vars(inventory, name, data, span);
        return Ok(());
    }
    if let Some(hosts) = parts.get("hosts") {
        add(hosts, inventory)?;
    }
    if let Some(vars) = parts.get("vars") {
        if !vars.is_object() {
            return Err(format!("'{name}.vars' must be a mapping"));
        }
        set_vars(inventory, name, vars, span);
    }
    for child in parts
        .get("children")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let child = child
            .as_str()
            .ok_or_else(|| format!("'{name}.children' must be a list of names"))?;
        inventory.add_child(name, child)?;
    }
    Ok(())
}

fn set_vars(inventory: &mut super::Inventory, group: &str, vars: &Json, span: &Span) {
    if let Value::Map(vars) = trusted(vars, span) {
        inventory.set_group_vars(group, &Map::clone(&vars));
    }
}

/// What a program said.
struct Answer {
    out: Vec<u8>,
    err: String,
}

impl Answer {
    fn wrong(&self, message: &str) -> Vec<Diagnostic> {
        let problem = Diagnostic::error("inventory", message);
        vec![match self.err.trim() {
            "" => problem,
            said => problem.help(format!("Standard error from inventory script:\n{said}")),
        }]
    }
}

fn run(path: &Path, args: &[&str], reader: &Reader<'_>) -> Result<Answer, Vec<Diagnostic>> {
    let loader = Arc::clone(reader.loader);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (code, out, err) = loader.run(&path, args).map_err(|error| {
        vec![Diagnostic::error(
            "inventory",
            format!(
                "Failed to execute inventory script command '{} {}'. {error}",
                path.display(),
                args.join(" ")
            ),
        )]
    })?;
    let answer = Answer {
        out,
        err: String::from_utf8_lossy(&err).into_owned(),
    };
    if code != 0 {
        return Err(answer.wrong(&format!(
            "Inventory script returned non-zero exit code {code}."
        )));
    }
    Ok(answer)
}

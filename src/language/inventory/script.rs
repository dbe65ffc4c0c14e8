//! Programs that answer `--list` and `--host NAME` with JSON.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::Value as Json;

use super::sources::{Attempt, Reader};
use crate::diagnostic::Diagnostic;
use crate::profile::Profile;
use crate::python;
use crate::source::{Source, Span};
use crate::value::{Map, Value};

pub(super) fn read(path: &Path, reader: &mut Reader<'_>) -> Attempt {
    let answer = run(path, &["--list"], reader)?;
    take(&answer, path, reader)
}

/// Makes groups and hosts of what a script said.
fn take(answer: &Answer, path: &Path, reader: &mut Reader<'_>) -> Attempt {
    let span = Span::new(&Source::new(path, String::new()), 0..0);
    let (profile, json) = profile_of(&answer.out).map_err(|reason| {
        answer.wrong(&format!(
            "Unable to get JSON decoder for inventory script result. {reason}"
        ))
    })?;
    let groups = profile.decode(&json, true, &span).map_err(|reason| {
        answer.wrong(&format!(
            "Inventory script result could not be parsed as JSON. {reason}"
        ))
    })?;
    if reader.options.script_stderr && !answer.err.trim().is_empty() {
        reader
            .warnings
            .push(Diagnostic::warning("inventory", answer.err.trim()));
    }
    let mut hosts = IndexSet::new();
    let mut known: Option<&Map> = None;
    for (name, data) in groups.as_map().into_iter().flat_map(Map::entries) {
        if &**name == "_meta" {
            let vars = data.get("hostvars").unwrap_or(&Value::Null);
            known = Some(mapping(vars, "_meta.hostvars").map_err(|reason| answer.wrong(&reason))?);
        } else {
            group(name, data, reader, &mut hosts).map_err(|reason| answer.wrong(&reason))?;
        }
    }
    if known.is_none() {
        reader.remark(
            "Inventory scripts should always provide 'meta.hostvars'. Host variables will be collected by running the inventory script with the '--host' option for each host.",
        );
    }
    for host in hosts {
        let own;
        let vars = match known {
            Some(known) => known.get(&host),
            None => {
                own = host_vars(path, &host, &span, reader)?;
                own.as_ref()
            }
        };
        match vars {
            Some(Value::Map(vars)) => reader.inventory.set_host_vars(&host, vars),
            Some(other) => {
                return Err(answer.wrong(&format!(
                    "Invalid data from file, expected dictionary and got:\n\n{}",
                    python::repr(other)
                )));
            }
            None => {}
        }
    }
    Ok(())
}

/// How the answer wants to be read, and the answer.
fn profile_of(out: &str) -> Result<(Profile, Json), String> {
    let json: Json =
        serde_json::from_str(out).map_err(|_| "Value could not be parsed as JSON.".to_owned())?;
    let Some(groups) = json.as_object() else {
        return Err(format!("Value is '{}' instead of 'dict'.", kind(&json)));
    };
    let Some(meta) = groups.get("_meta") else {
        return Ok((Profile::Inventory, json));
    };
    let Some(meta) = meta.as_object() else {
        return Err(instead("_meta", kind(meta), "dict"));
    };
    let profile = match meta.get("profile") {
        None => Profile::Inventory,
        Some(Json::String(name)) if name.starts_with("inventory_") => Profile::named(name)?,
        Some(Json::String(name)) => {
            return Err(format!("Non-inventory profile '{name}' is not allowed."));
        }
        Some(other) => return Err(instead("_meta.profile", kind(other), "str")),
    };
    Ok((profile, json))
}

/// What a script says about one host.
fn host_vars(
    path: &Path,
    host: &str,
    span: &Span,
    reader: &Reader<'_>,
) -> Result<Option<Value>, Vec<Diagnostic>> {
    let answer = run(path, &["--host", host], reader)?;
    if answer.out.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&answer.out)
        .map_err(|error| error.to_string())
        .and_then(|json| Profile::Legacy.decode(&json, true, span))
        .map(Some)
        .map_err(|reason| {
            answer.wrong(&format!(
                "Inventory script result for host '{host}' could not be parsed as JSON. {reason}"
            ))
        })
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

fn instead(place: &str, found: &str, wanted: &str) -> String {
    format!("Value contains '{place}' which is '{found}' instead of '{wanted}'.")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        other => other.type_name(),
    }
}

fn mapping<'a>(value: &'a Value, place: &str) -> Result<&'a Map, String> {
    value
        .as_map()
        .ok_or_else(|| instead(place, type_of(value), "dict"))
}

fn group(
    name: &str,
    data: &Value,
    reader: &mut Reader<'_>,
    all: &mut IndexSet<String>,
) -> Result<(), String> {
    reader.inventory.add_group(name);
    let hosts;
    let mut vars = None;
    let mut children = None;
    match data {
        Value::Map(parts) => {
            let own = parts.get("hosts").cloned();
            vars = parts.get("vars").cloned();
            children = parts.get("children");
            if own.is_none() && vars.is_none() && children.is_none() {
                reader.remark(&format!(
                    "Treating malformed group '{name}' as the sole host of that group. Variables provided in this manner cannot be templated."
                ));
                hosts = Some(Value::from(vec![Value::from(name)]));
                vars = Some(data.clone());
            } else {
                hosts = own;
            }
        }
        other => {
            reader.remark(&format!(
                "Group '{name}' was converted to 'dict' from '{}'.",
                type_of(other)
            ));
            hosts = Some(other.clone());
        }
    }
    let inventory = &mut reader.inventory;
    if let Some(hosts) = hosts {
        let Some(hosts) = hosts.as_list() else {
            return Err(instead(&format!("{name}.hosts"), type_of(&hosts), "list"));
        };
        for host in hosts {
            let host = host
                .as_str()
                .ok_or_else(|| format!("'{name}.hosts' must be a list of names"))?;
            inventory.add_host(host, name);
            all.insert(host.to_owned());
        }
    }
    if let Some(vars) = vars {
        inventory.set_group_vars(name, mapping(&vars, &format!("{name}.vars"))?);
    }
    for child in children.and_then(Value::as_list).into_iter().flatten() {
        let child = child
            .as_str()
            .ok_or_else(|| format!("'{name}.children' must be a list of names"))?;
        inventory.add_child(name, child)?;
    }
    Ok(())
}

/// What a program said.
struct Answer {
    out: String,
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
    let text = String::from_utf8(out);
    let readable = text.is_ok();
    let answer = Answer {
        out: text.unwrap_or_default(),
        err: String::from_utf8_lossy(&err).into_owned(),
    };
    if code != 0 {
        return Err(answer.wrong(&format!(
            "Inventory script returned non-zero exit code {code}."
        )));
    }
    if !readable {
        return Err(answer.wrong(
            "Inventory script result contained characters that cannot be interpreted as UTF-8.",
        ));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Options;
    use crate::loader::{Loader, Machine};

    fn said(json: &str) -> String {
        let options = Options::default();
        let loader: Arc<dyn Loader> = Arc::new(Machine);
        let mut reader = Reader::new(&options, &loader);
        let answer = Answer {
            out: json.to_owned(),
            err: String::new(),
        };
        let problems = take(&answer, Path::new("script"), &mut reader).err();
        let problems = problems.unwrap_or_default();
        problems
            .iter()
            .chain(&reader.warnings)
            .map(|problem| problem.message.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn what_a_script_says_wrong_is_named() {
        for (json, wanted) in [
            ("no", "Value could not be parsed as JSON."),
            ("\"no\"", "Value is 'str' instead of 'dict'."),
            (
                "{\"_meta\": 1}",
                "Value contains '_meta' which is 'int' instead of 'dict'.",
            ),
            (
                "{\"_meta\": {\"profile\": \"other\"}}",
                "Non-inventory profile 'other' is not allowed.",
            ),
            (
                "{\"_meta\": {\"hostvars\": []}}",
                "'_meta.hostvars' which is 'list' instead of 'dict'.",
            ),
            (
                "{\"_meta\": {\"hostvars\": {}}, \"g\": {\"vars\": []}}",
                "'g.vars' which is 'list' instead of 'dict'.",
            ),
            (
                "{\"g\": \"h\"}",
                "'g.hosts' which is 'str' instead of 'list'.",
            ),
            (
                "{\"_meta\": {\"hostvars\": {\"a\": []}}, \"g\": {\"hosts\": [\"a\"]}}",
                "Invalid data from file, expected dictionary",
            ),
            (
                "{\"_meta\": {\"hostvars\": {}}, \"h\": {\"v\": 1}}",
                "Treating malformed group 'h'",
            ),
        ] {
            let said = said(json);
            assert!(said.contains(wanted), "{json}: {said}");
        }
    }
}

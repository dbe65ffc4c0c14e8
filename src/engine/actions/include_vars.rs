//! `include_vars`: variables from files of the controller.

use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use ocplay_language::inventory::read_vars;
use ocplay_language::playbook::{is_reserved_name, reserved_name};
use ocplay_language::value::{Map, Value};
use ocplay_language::vault::is_vault;
use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

arguments! {
    /// Loads variables from a file or from all files of a folder.
    pub struct Args {
        /// The file, as free text.
        raw as "_raw_params": Option<String>,
        /// The file.
        file: Option<String>,
        /// A folder of which all files are loaded, in name order.
        dir: Option<String>,
        /// Put the variables below this name.
        name: Option<String>,
        /// How deep to go into folders; 0 is without limit.
        depth: i64 = 0,
        /// Regular expression for the names of files.
        files_matching: Option<String>,
        /// Names that are left out.
        ignore_files: Vec<String> = Vec::new(),
        /// Extensions that are read.
        extensions: Vec<String> = vec!["yaml".to_owned(), "yml".to_owned(), "json".to_owned()],
        /// Skip files with other extensions instead of failing.
        ignore_unknown_extensions: bool = false,
        /// `replace` or `merge` equal names.
        hash_behaviour: Option<String>,
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let span = &call.step.planned.task.action.name_span;
    let context = &call.step.planned.context;
    let name = args
        .file
        .as_ref()
        .or(args.raw.as_ref())
        .or(args.dir.as_ref());
    let Some(name) = name else {
        let message = "Could not find file: include_vars names neither a file nor a dir";
        return ActionOutcome::failure(message).with("message", message);
    };
    let path = match call
        .shared
        .resolver
        .find(name, &context.search("vars"), span)
    {
        Ok(path) => path,
        Err(problems) => {
            let first = problems.into_iter().next();
            return match first {
                Some(problem) => {
                    let message = format!(
                        "Could not find file on the Ansible Controller: {}",
                        problem.message
                    );
                    ActionOutcome::mistake(problem).with("message", message)
                }
                None => ActionOutcome::failure("not found"),
            };
        }
    };
    let files = if args.dir.is_some() {
        match folder(call, &args, &path, 1) {
            Ok(files) => files,
            Err(reason) => {
                return ActionOutcome::failure(reason.clone()).with("message", reason);
            }
        }
    } else {
        vec![path]
    };
    let mut vars = Map::new();
    for file in &files {
        match read_vars(file, &*call.shared.loader) {
            Ok(read) => {
                for (name, _) in read.entries() {
                    if is_reserved_name(name) {
                        let place = call.shared.resolver.place_of(file, name);
                        call.warn_once(reserved_name(name), place);
                    }
                }
                vars.extend(&read);
            }
            Err(problem) => return ActionOutcome::mistake(*problem),
        }
    }
    if let Some(name) = args.name {
        let mut outer = Map::new();
        outer.insert(name, vars);
        vars = outer;
    }
    let names: Vec<Value> = files
        .iter()
        .map(|file| Value::from(&*file.to_string_lossy()))
        .collect();
    let secret = files.iter().any(|file| {
        let content = call.shared.loader.read_raw(file);
        content.is_ok_and(|content| is_vault(&content))
    });
    let merge = match args.hash_behaviour.as_deref() {
        Some(word) => word == "merge",
        None => call.shared.options.rules.merge_hashes,
    };
    if merge {
        let mut merged = Map::new();
        for (name, value) in vars.entries() {
            let value = match call.scope.get(name) {
                Some(before) => combine(before, value),
                None => value.clone(),
            };
            merged.insert(&**name, value);
        }
        vars = merged;
    }
    let outcome = if secret {
        // What came out of a vault is not shown.
        ActionOutcome::ok().with("_ansible_no_log", true)
    } else {
        ActionOutcome::ok()
    };
    outcome
        .with("ansible_facts", vars.clone())
        .with("ansible_included_var_files", names)
        .effect(Effect::IncludeVars(vars))
}

/// Mappings of both, merged all the way down; the later value of others.
fn combine(before: &Value, after: &Value) -> Value {
    let (Value::Map(before), Value::Map(after)) = (before, after) else {
        return after.clone();
    };
    let mut out = Map::clone(before);
    for (name, value) in after.entries() {
        let value = match before.get(name) {
            Some(known) => combine(known, value),
            None => value.clone(),
        };
        out.insert(&**name, value);
    }
    out.into()
}

fn folder(call: &Call<'_>, args: &Args, path: &Path, depth: i64) -> Result<Vec<PathBuf>, String> {
    let loader = &call.shared.loader;
    let matching = match &args.files_matching {
        Some(text) => Some(Regex::new(text).map_err(|error| format!("files_matching: {error}"))?),
        None => None,
    };
    let mut out = Vec::new();
    for entry in loader
        .list(path)
        .map_err(|error| format!("{}: {error}", path.display()))?
    {
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if args.ignore_files.contains(&name) {
            continue;
        }
        if loader.is_dir(&entry) {
            if args.depth == 0 || depth < args.depth {
                out.extend(folder(call, args, &entry, depth + 1)?);
            }
            continue;
        }
        if matching
            .as_ref()
            .is_some_and(|regex| !regex.is_match(&name).unwrap_or(false))
        {
            continue;
        }
        let extension = entry
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if args.extensions.contains(&extension) {
            out.push(entry);
        } else if !args.ignore_unknown_extensions {
            return Err(format!(
                "{} does not have a valid extension: {}",
                entry.display(),
                args.extensions.join(", ")
            ));
        }
    }
    Ok(out)
}

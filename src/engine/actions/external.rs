//! Programs of the playbook's author, used as modules.

use ocplay_language::catalogue::{External, Style};
use ocplay_language::value::Value;
use serde_json::{Map, Value as Json, json};

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>, external: &External) -> ActionOutcome {
    let content = match call.shared.loader.read(&external.path) {
        Ok(content) => content,
        Err(error) => {
            return ActionOutcome::failure(format!("{}: {error}", external.path.display()));
        }
    };
    let style = match Style::of(&content) {
        Style::Json => "json",
        Style::Pairs => "pairs",
        Style::NeedsAnsible | Style::PowerShell => {
            return ActionOutcome::failure(format!(
                "the module '{}' ({}) cannot be run: it needs Ansible's own library on the host",
                external.info.name,
                external.path.display()
            ));
        }
    };
    let interpreter = match interpreter(call, &content) {
        Ok(interpreter) => interpreter,
        Err(outcome) => return *outcome,
    };
    let Json::Object(given) = Value::from(call.args.clone()).to_json() else {
        return ActionOutcome::failure("arguments must be a mapping");
    };
    let mut arguments = given;
    arguments.extend(told(call, external.info.name));
    let args = json!({
        "name": external.info.name,
        "arguments": arguments,
        "style": style,
        "interpreter": interpreter,
    });
    let cargo = match Cargo::file(&external.path, None) {
        Ok(cargo) => cargo,
        Err(reason) => return ActionOutcome::failure(reason),
    };
    let mut outcome = host::execute(call, "_external", args, cargo.blobs, cargo.sources).await;
    let skipped = outcome.result.remove("skipped");
    outcome.skipped |= skipped.is_some_and(|value| value.truthy());
    outcome
}

/// What every module is told besides its arguments.
fn told(call: &Call<'_>, name: &str) -> Map<String, Json> {
    let settings = call.settings;
    [
        ("_ansible_check_mode", json!(settings.check)),
        ("_ansible_no_log", json!(settings.no_log)),
        ("_ansible_debug", json!(false)),
        ("_ansible_diff", json!(settings.diff)),
        ("_ansible_verbosity", json!(0)),
        ("_ansible_version", json!("2.19.0")),
        ("_ansible_module_name", json!(name)),
        ("_ansible_syslog_facility", json!("LOG_USER")),
        (
            "_ansible_selinux_special_fs",
            json!(["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"]),
        ),
        ("_ansible_string_conversion_action", json!("warn")),
        ("_ansible_keep_remote_files", json!(false)),
        ("_ansible_shell_executable", json!("/bin/sh")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// `ansible_python_interpreter` and its kind, for the program that the first
/// line names.
fn interpreter(call: &Call<'_>, content: &[u8]) -> Result<Option<String>, Box<ActionOutcome>> {
    let Some(line) = content.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let mut program = words.next().unwrap_or_default();
    if program.ends_with("/env") {
        program = words.next().unwrap_or_default();
    }
    let base = program.rsplit('/').next().unwrap_or_default();
    let base = if base.starts_with("python") {
        "python"
    } else {
        base
    };
    let name = format!("ansible_{base}_interpreter");
    let Some(value) = call.scope.get(&name) else {
        return Ok(None);
    };
    let value = call
        .shared
        .templar
        .resolve(value, call.scope)
        .map_err(|error| Box::new(ActionOutcome::template(&error)))?;
    let text = value.as_str().unwrap_or_default();
    // Words such as auto_silent ask for a search, which the host does.
    Ok((text.contains('/')).then(|| text.to_owned()))
}

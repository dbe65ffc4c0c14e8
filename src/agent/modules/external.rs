//! `_external`: a program of the playbook's author, run as a module.
//!
//! The program is kept beside the agent under the hash of its content, so it
//! travels once. It gets a file with its arguments and prints one JSON object.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::host::{Command, Explain, Failure, Look, Mode, Return, Settled, Touch, cache, words};

ocplay_protocol::choices! {
    /// How the arguments are written.
    pub(super) enum Style {
        /// One JSON object.
        Json = "json",
        /// `name=value` pairs, quoted for a shell.
        Pairs = "pairs",
    }
}

ocplay_protocol::arguments! {
    /// Runs a program of the controller as a module; used for `library/`.
    pub(super) struct Args {
        /// Name of the module.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
        /// How it wants them.
        style: Style = Style::Json,
        /// Program that shall run it, instead of what its first line says.
        interpreter: Option<String>,
    }
}

pub(super) struct External;

pub(super) struct Plan {
    name: String,
    /// Words in front of the program.
    interpreter: Vec<String>,
    input: Vec<u8>,
    sha1: String,
}

impl Module for External {
    const NAME: &'static str = "_external";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let [blob] = look.blobs() else {
            return Err("the module did not come along; this is a bug of ocplay".into());
        };
        let interpreter = match args.interpreter.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => words::split(text)?,
            None => Vec::new(),
        };
        let input = match args.style {
            Style::Json => Value::Object(args.arguments.clone()).to_string(),
            Style::Pairs => pairs(&args.arguments),
        };
        // Whether it works in check mode is the program's affair: it is told.
        Ok(Verdict::Always(Plan {
            name: args.name.clone(),
            interpreter,
            input: input.into_bytes(),
            sha1: blob.sha1.clone(),
        }))
    }

    fn describe(_: &Plan) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let program = program(touch, &plan.sha1)?;
        let folder = program.parent().unwrap_or(Path::new("/tmp"));
        let mut arguments = touch.stage(folder)?;
        arguments.write(&plan.input)?;
        let arguments = arguments.close_for_running();
        let mut argv: Vec<OsString> = first_words(touch, &plan, &program)?;
        argv.push(program.clone().into());
        argv.push(arguments.path().into());
        let output = touch.run(&Command {
            argv,
            ..Command::default()
        })?;
        let text = output.out();
        match object(&text) {
            Some(mut values) => {
                let is = |value: Option<&Value>| value == Some(&Value::Bool(true));
                let changed = is(values.get("changed"));
                let failed = match values.get("failed") {
                    None => values.get("rc").is_some_and(|rc| rc != &Value::from(0)),
                    failed => is(failed),
                };
                if !failed {
                    return Ok(Return {
                        changed: Some(changed),
                        values, ..Return::default()
                    });
                }
                let message = match values.remove("msg") {
                    Some(Value::String(text)) => text,
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                Err(Failure {
                    message,
                    data: values,
                    changed,
                })
            }
            None => Err(Failure::new(format!(
                "MODULE FAILURE: the module {} printed no JSON object\nSee stdout/stderr for the exact error",
                plan.name
            ))
            .with("module_stdout", text)
            .with("module_stderr", output.err())
            .with("rc", output.code)),
        }
    }
}

/// `name=value` pairs that a shell can read.
fn pairs(arguments: &Map<String, Value>) -> String {
    let mut out = String::new();
    for (name, value) in arguments {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Null => "None".to_owned(),
            other => other.to_string(),
        };
        out.push_str(&format!("{name}={} ", words::quote(&text)));
    }
    out
}

/// The program on this host, fetched unless it is there from before.
fn program(touch: &mut Touch, sha1: &str) -> Result<PathBuf, Failure> {
    let known = sha1.len() == 40 && sha1.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !known {
        return Err("the module has no checksum; this is a bug of ocplay".into());
    }
    let own = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(PathBuf::from));
    let folders = own.into_iter().chain([std::env::temp_dir()]);
    let mut last = None;
    for folder in folders {
        let path = folder.join(format!("module-{sha1}"));
        let same = |touch: &Touch| touch.sha1(&path).is_ok_and(|sum| sum == sha1);
        if let Some(found) = touch.lstat(&path)?
            && found.is_file()
            && std::os::unix::fs::MetadataExt::uid(&found) == rustix::process::geteuid().as_raw()
            && same(touch)
        {
            cache::note_use(&path);
            return Ok(path);
        }
        match touch.stage(&folder) {
            Ok(mut staged) => {
                touch.fill(&mut staged, 0)?;
                let wanted = Settled {
                    mode: Some(Mode::Bits(0o700)),
                    ..Settled::default()
                };
                touch.place(staged, &path, &wanted)?;
                return Ok(path);
            }
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new("there is no place for the module on this host")))
}

/// What stands in front of the program: nothing for one that the kernel runs.
fn first_words(look: &Look, plan: &Plan, program: &Path) -> Result<Vec<OsString>, Failure> {
    if !plan.interpreter.is_empty() {
        return Ok(plan.interpreter.iter().map(Into::into).collect());
    }
    let head = std::fs::read(program).explain(format_args!("read {}", program.display()))?;
    let Some(rest) = head.strip_prefix(b"#!") else {
        return Ok(Vec::new());
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let named: Vec<&str> = line.split_whitespace().collect();
    let Some(first) = named.first() else {
        return Ok(Vec::new());
    };
    if Path::new(first).exists() {
        return Ok(named.iter().map(Into::into).collect());
    }
    // Python lives in many places; any of version 3 will do.
    let base = Path::new(first).file_name().unwrap_or_default();
    if base.to_string_lossy().starts_with("python")
        && let Some(python) = look.which("python3").or_else(|| look.which("python"))
    {
        return Ok(vec![python.into()]);
    }
    Err(
        Failure::new(format!("The module interpreter '{first}' was not found."))
            .with("rc", 127)
            .with("module_stdout", "")
            .with("module_stderr", ""),
    )
}

/// The JSON object in what was printed; lines around it are left out.
fn object(text: &str) -> Option<Map<String, Value>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            break;
        }
        start += line.len();
    }
    let mut values = serde_json::Deserializer::from_str(text.get(start..)?).into_iter::<Value>();
    match values.next()? {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_around_the_object_are_left_out() {
        let found = object("warning: x\n{\"changed\": true}\nbye\n").unwrap();
        assert_eq!(Value::Object(found), json!({"changed": true}));
        assert!(object("nothing").is_none());
        assert!(object("{broken").is_none());
    }

    #[test]
    fn pairs_are_quoted_for_a_shell() {
        let Value::Object(map) = json!({"a": "x y", "b": true}) else {
            unreachable!()
        };
        assert_eq!(pairs(&map), "a='x y' b=True ");
    }
}

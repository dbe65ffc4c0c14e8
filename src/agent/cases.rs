//! Runs every case under `cases/<module>/*.json` against the real file system
//! of a temporary directory: in check mode (which must change nothing), then
//! for real, then again (which must find nothing to do).
//!
//! A case file holds one case or a list of them. `{dir}` stands for the
//! directory. Keys: `files` before (text, or `{"mode", "content", "link",
//! "directory"}`), `args`, `blobs`, `changed` (default true), `failed` (part
//! of the message), `result` and `after` (what must be among the values and
//! files), `diff` (texts that the diff must hold), `again` (default: same).
//!
//! `needs` names programs without which the case is skipped; `setup` is a shell
//! script run before, `verify` one that must succeed after, `cleanup` one for
//! the end; `environment` is for all of them and for the module.
//! `{cases}` stands for the directory of all cases. A case with `host: true` changes the host itself: it is only run
//! where OCPLAY_TEST_DISPOSABLE is set. What is skipped is said.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_protocol::{Blob, BlobKind, Outcome, Request};
use serde_json::{Map, Value, json};

use crate::host::channel::{Channel, Context};
use crate::host::sha1_of;
use crate::modules;

struct Case<'a> {
    name: String,
    module: &'a str,
    spec: &'a Map<String, Value>,
    directory: tempfile::TempDir,
}

/// Where cases, and what they share, are.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    std::env::var("OCPLAY_TEST_ROOT").map_or(own, PathBuf::from)
}

fn substitute(value: &Value, directory: &str) -> Value {
    match value {
        Value::String(text) => Value::String(
            text.replace("{dir}", directory)
                .replace("{cases}", &root().to_string_lossy()),
        ),
        Value::Array(items) => items
            .iter()
            .map(|item| substitute(item, directory))
            .collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    (
                        key.replace("{dir}", directory),
                        substitute(value, directory),
                    )
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

impl Case<'_> {
    fn get(&self, key: &str) -> Value {
        let directory = self.directory.path().to_string_lossy();
        self.spec
            .get(key)
            .map_or(Value::Null, |value| substitute(value, &directory))
    }

    fn prepare(&self) {
        let Value::Object(files) = self.get("files") else {
            return;
        };
        for (name, file) in files {
            let path = self.directory.path().join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match &file {
                Value::String(text) => std::fs::write(&path, text).unwrap(),
                file => {
                    if let Some(target) = file["link"].as_str() {
                        std::os::unix::fs::symlink(target, &path).unwrap();
                        continue;
                    }
                    if file["directory"] == json!(true) {
                        std::fs::create_dir_all(&path).unwrap();
                    } else {
                        std::fs::write(&path, file["content"].as_str().unwrap_or("")).unwrap();
                    }
                    if let Some(mode) = file["mode"].as_str() {
                        let bits = u32::from_str_radix(mode, 8).unwrap();
                        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits))
                            .unwrap();
                    }
                }
            }
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        let Value::Array(blobs) = self.get("blobs") else {
            return Vec::new();
        };
        blobs
            .iter()
            .map(|blob| {
                let content = blob["content"].as_str().unwrap_or("");
                let kind = match (blob["link"].as_str(), &blob["directory"]) {
                    (Some(target), _) => BlobKind::Link(target.to_owned()),
                    (None, Value::Bool(true)) => BlobKind::Directory,
                    _ => BlobKind::File,
                };
                let file = kind == BlobKind::File;
                Blob {
                    name: blob["name"].as_str().unwrap_or("").to_owned(),
                    kind,
                    mode: u32::from_str_radix(blob["mode"].as_str().unwrap_or("644"), 8).unwrap(),
                    size: content.len() as u64,
                    sha1: if file {
                        sha1_of(content.as_bytes())
                    } else {
                        String::new()
                    },
                    inline: file.then(|| content.as_bytes().to_vec()),
                }
            })
            .collect()
    }

    fn run(&self, check: bool) -> Outcome {
        let mut request = Request {
            task: 1,
            heard: 0,
            behind: None,
            module: self.module.to_owned(),
            args: self.get("args").to_string(),
            check,
            diff: true,
            environment: self.environment(),
            blobs: self.blobs(),
            detached: None,
        };
        let channel = Arc::new(Channel::new(std::io::sink()));
        let (context, _handle) = Context::new(&mut request, &channel);
        modules::run(&request.module, &request.args, context)
    }

    fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        list(self.directory.path(), &mut found);
        found
    }

    /// Why the case cannot be run here.
    fn missing(&self) -> Option<String> {
        if self.get("host") == json!(true) && std::env::var_os("OCPLAY_TEST_DISPOSABLE").is_none() {
            return Some("it changes the host itself (OCPLAY_TEST_DISPOSABLE)".to_owned());
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let programs: Vec<String> = match self.get("needs") {
            Value::Array(all) => all
                .iter()
                .map(|name| name.as_str().unwrap().into())
                .collect(),
            _ => Vec::new(),
        };
        programs
            .into_iter()
            .find(|program| crate::host::process::find_program(program, &path).is_none())
            .map(|program| format!("there is no program {program}"))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut all = vec![("CASE".to_owned(), "1".to_owned())];
        if let Value::Object(more) = self.get("environment") {
            let pair = |(name, value): (String, Value)| (name, value.as_str().unwrap().into());
            all.extend(more.into_iter().map(pair));
        }
        all
    }

    fn shell(&self, key: &str) {
        let script = match self.get(key) {
            Value::String(script) => script,
            Value::Array(lines) => lines
                .iter()
                .map(|line| format!("{}\n", line.as_str().unwrap()))
                .collect(),
            _ => return,
        };
        let output = std::process::Command::new("sh")
            .args(["-euc", &script])
            .current_dir(self.directory.path())
            .envs(self.environment())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {key} failed: {}{}",
            self.name,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn verify(&self) {
        self.prepare();
        self.shell("setup");
        self.verify_runs();
        self.shell("cleanup");
    }

    fn verify_runs(&self) {
        let name = &self.name;
        let before = self.snapshot();
        let checked = self.run(true);
        assert_eq!(
            self.snapshot(),
            before,
            "{name}: check mode changed something"
        );
        let outcome = self.run(false);
        let result: Value = serde_json::from_str(&outcome.result).unwrap();
        if let Some(message) = self.get("failed").as_str() {
            assert!(outcome.failed, "{name}: did not fail: {result}");
            let text = result["msg"].as_str().unwrap();
            assert!(text.contains(message), "{name}: the message is: {text}");
        } else {
            assert!(!outcome.failed, "{name}: failed: {result}");
            assert!(
                !checked.failed,
                "{name}: check mode failed: {}",
                checked.result
            );
            let changed = self.get("changed").as_bool().unwrap_or(true);
            assert_eq!(outcome.changed, changed, "{name}: changed, {result}");
            if !checked.skipped {
                assert_eq!(checked.changed, changed, "{name}: changed in check mode");
            }
            if checked.changed {
                assert_eq!(checked.diff, outcome.diff, "{name}: diff in check mode");
            }
        }
        contains(&result, &self.get("result"), name);
        let shown = outcome
            .diff
            .iter()
            .map(|diff| format!("{}\n>>>\n{}{}", diff.before, diff.after, diff.prepared))
            .collect::<String>();
        if let Value::Array(texts) = self.get("diff") {
            for text in texts {
                let text = text.as_str().unwrap();
                assert!(
                    shown.contains(text),
                    "{name}: no {text:?} in the diff: {shown}"
                );
            }
        }
        self.verify_after();
        self.shell("verify");
        if !outcome.failed && self.get("again") != json!("changed") {
            let again = self.run(false);
            assert!(!again.failed, "{name}: failed again: {}", again.result);
            assert!(
                !again.changed,
                "{name}: changed again: {:?} {}",
                again.diff, again.result
            );
            assert_eq!(again.diff, [], "{name}: a diff without a change");
        }
    }

    fn verify_after(&self) {
        let name = &self.name;
        let Value::Object(after) = self.get("after") else {
            return;
        };
        for (file, wanted) in after {
            let path = self.directory.path().join(&file);
            let what = format!("{name}: {file}");
            let Ok(metadata) = path.symlink_metadata() else {
                assert!(wanted.is_null(), "{what} is missing");
                continue;
            };
            match &wanted {
                Value::Null => panic!("{what} is there"),
                Value::String(text) => {
                    assert_eq!(&std::fs::read_to_string(&path).unwrap(), text, "{what}");
                }
                wanted => {
                    if let Some(text) = wanted["content"].as_str() {
                        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{what}");
                    }
                    if let Some(mode) = wanted["mode"].as_str() {
                        let bits = format!("{:o}", metadata.permissions().mode() & 0o7777);
                        assert_eq!(bits, mode, "{what}");
                    }
                    if let Some(target) = wanted["link"].as_str() {
                        assert_eq!(
                            std::fs::read_link(&path).unwrap(),
                            Path::new(target),
                            "{what}"
                        );
                    }
                    if wanted["directory"] == json!(true) {
                        assert!(metadata.is_dir(), "{what}");
                    }
                }
            }
        }
    }
}

fn list(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let content = std::fs::read_link(&path)
            .map(|target| format!("{target:?}"))
            .or_else(|_| std::fs::read(&path).map(|data| format!("{data:?}")))
            .unwrap_or_default();
        let text = format!(
            "{:o} {} {} {:?} {content}",
            metadata.mode(),
            metadata.uid(),
            metadata.ino(),
            metadata.modified()
        );
        let is_dir = metadata.is_dir();
        found.insert(path.clone(), text);
        if is_dir {
            list(&path, found);
        }
    }
}

/// Every value of `wanted` is in `is`; maps may hold more.
fn contains(is: &Value, wanted: &Value, what: &str) {
    match wanted {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                contains(&is[key], value, &format!("{what}.{key}"));
            }
        }
        wanted => assert_eq!(is, wanted, "{what}"),
    }
}

#[test]
fn all_cases() {
    let mut count = 0;
    let mut failures = Vec::new();
    let mut skipped = Vec::new();
    // To run a few only.
    let only = std::env::var("OCPLAY_TEST_CASES").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root())
        .unwrap()
        .flat_map(|module| std::fs::read_dir(module.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    for file in files {
        let module = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let specs: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let specs = match specs {
            Value::Array(specs) => specs,
            one => vec![one],
        };
        for (index, spec) in specs.iter().enumerate() {
            let title = spec["name"].as_str().unwrap_or("");
            let stem = file.file_stem().unwrap().to_string_lossy();
            let case = Case {
                name: format!("{module}/{stem} {} {title}", index + 1),
                module,
                spec: spec.as_object().unwrap(),
                directory: tempfile::tempdir().unwrap(),
            };
            if !case.name.contains(&only) {
                continue;
            }
            if let Some(reason) = case.missing() {
                skipped.push(format!("skipped: {}: {reason}\n", case.name));
                continue;
            }
            count += 1;
            let verified = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.verify()));
            if verified.is_err() {
                failures.push(case.name);
            }
        }
    }
    // Past the test runner, which swallows what is printed.
    std::io::Write::write_all(&mut std::io::stderr(), skipped.concat().as_bytes()).unwrap();
    assert!(count > 0);
    assert_eq!(failures, [""; 0], "of {count} cases these failed");
}

/// Writes a file for a test elsewhere.
pub(crate) fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}

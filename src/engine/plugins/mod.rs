//! Filters, tests and lookups in Python that content brings itself.
//!
//! They run in one side process on the controller, started when the first of
//! them is called. Hosts never need Python.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use ocplay_language::template::Plugins;
use ocplay_language::value::{Map, Value};
use serde_json::{Value as Json, json};

const SIDE: &str = include_str!("side.py");
/// Kinds, the folders that hold them beside playbooks and in roles, and those
/// in collections.
const KINDS: [(&str, &str, &str); 3] = [
    ("filter", "filter_plugins", "plugins/filter"),
    ("test", "test_plugins", "plugins/test"),
    ("lookup", "lookup_plugins", "plugins/lookup"),
];

/// Plug-ins found so far, and the process that runs them.
#[derive(Default)]
pub struct PythonPlugins {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: HashSet<PathBuf>,
    files: Vec<File>,
    /// How many of `files` the process knows.
    loaded: usize,
    side: Option<Side>,
    /// Files that could not be loaded, and why.
    problems: Vec<(String, String)>,
}

struct File {
    kind: &'static str,
    path: PathBuf,
    /// `namespace.collection.` or nothing.
    prefix: String,
    text: String,
}

struct Side {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    names: HashSet<(String, String)>,
}

impl PythonPlugins {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a folder that holds plug-ins of one kind.
    pub fn add(&self, kind: &str, folder: &Path) {
        let kind = KINDS.iter().find(|(name, ..)| *name == kind);
        if let Some((kind, ..)) = kind {
            self.lock().add(kind, folder, "");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugins for PythonPlugins {
    fn look_in(&self, folder: &Path) {
        let mut state = self.lock();
        for (kind, beside, _) in KINDS {
            state.add(kind, &folder.join(beside), "");
        }
        let root = folder.join("collections/ansible_collections");
        for namespace in folders(&root) {
            for collection in folders(&namespace) {
                let name = |path: &Path| {
                    path.file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned()
                };
                let prefix = format!("{}.{}.", name(&namespace), name(&collection));
                for (kind, _, inside) in KINDS {
                    state.add(kind, &collection.join(inside), &prefix);
                }
            }
        }
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        let mut state = self.lock();
        state.has(kind, name) || state.knows(kind, name)
    }

    fn call(
        &self,
        kind: &str,
        name: &str,
        args: &[Value],
        named: &Map,
        variable: &dyn Fn(&str) -> Option<Result<Value, String>>,
    ) -> Result<Value, String> {
        let mut state = self.lock();
        state.load()?;
        let known = state
            .side
            .as_ref()
            .is_some_and(|side| side.names.contains(&(kind.to_owned(), name.to_owned())));
        if !known {
            return Err(state.unknown(kind, name));
        }
        let args: Vec<Json> = args.iter().map(Value::to_json).collect();
        let named = Value::from(named.clone()).to_json();
        let side = state.side.as_mut().ok_or("no side process")?;
        let mut answer = side.ask(&json!({ "call": [kind, name, args, named] }))?;
        loop {
            if let Some(result) = answer.get("result") {
                return Ok(Value::from_json(result));
            }
            if let Some(error) = answer.get("error").and_then(Json::as_str) {
                return Err(error.to_owned());
            }
            let Some(wanted) = answer.get("need").and_then(Json::as_str) else {
                return Err("the side process for Python plug-ins answered nonsense".to_owned());
            };
            let reply = match variable(wanted) {
                Some(Ok(value)) => json!({ "value": value.to_json() }),
                Some(Err(_)) | None => json!({ "missing": true }),
            };
            answer = side.ask(&reply)?;
        }
    }
}

impl State {
    fn add(&mut self, kind: &'static str, folder: &Path, prefix: &str) {
        if !self.seen.insert(folder.to_owned()) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|end| end == "py")
                && path.file_name().is_some_and(|name| name != "__init__.py")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                self.files.push(File {
                    kind,
                    path,
                    prefix: prefix.to_owned(),
                    text,
                });
            }
        }
    }

    /// Whether some file defines the name, as far as its text says: nothing
    /// is run before a host's turn comes.
    fn has(&self, kind: &str, name: &str) -> bool {
        self.files.iter().any(|file| {
            let Some(short) = name.strip_prefix(file.prefix.as_str()) else {
                return false;
            };
            if file.kind != kind || short.contains('.') {
                return false;
            }
            if kind == "lookup" {
                return file.path.file_stem().is_some_and(|stem| stem == short);
            }
            let quoted = [
                format!("'{short}'"),
                format!("\"{short}\""),
                format!("{short}="),
            ];
            quoted.iter().any(|quoted| file.text.contains(quoted))
        })
    }

    /// Whether the process has it: some files say only when they are run what
    /// they hold. A file that cannot be run may hold anything.
    fn knows(&mut self, kind: &str, name: &str) -> bool {
        // Lookups are called after their files.
        if kind == "lookup" || !self.files.iter().any(|file| file.kind == kind) {
            return false;
        }
        if self.load().is_err() {
            return true;
        }
        let key = (kind.to_owned(), name.to_owned());
        let named = |side: &Side| side.names.contains(&key);
        let broken = self.files.iter().any(|file| {
            file.kind == kind
                && self.problems.iter().any(|(path, _)| {
                    std::path::absolute(&file.path).is_ok_and(|full| full == Path::new(path))
                })
        });
        self.side.as_ref().is_some_and(named) || broken
    }

    /// Starts the process where there is none, and hands it what is new.
    fn load(&mut self) -> Result<(), String> {
        if self.side.is_none() {
            self.side = Some(Side::start()?);
            self.loaded = 0;
        }
        if self.loaded == self.files.len() {
            return Ok(());
        }
        let list: Vec<Json> = self.files[self.loaded..]
            .iter()
            .map(|file| {
                let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
                json!([file.kind, path, file.prefix])
            })
            .collect();
        self.loaded = self.files.len();
        let side = self.side.as_mut().ok_or("no side process")?;
        let answer = side.ask(&json!({ "load": list }))?;
        let pairs = |key: &str| -> Vec<(String, String)> {
            let list = answer.get(key).and_then(Json::as_array);
            list.into_iter()
                .flatten()
                .filter_map(|pair| {
                    Some((
                        pair.get(0)?.as_str()?.to_owned(),
                        pair.get(1)?.as_str()?.to_owned(),
                    ))
                })
                .collect()
        };
        side.names = pairs("names").into_iter().collect();
        self.problems.extend(pairs("problems"));
        Ok(())
    }

    fn unknown(&self, kind: &str, name: &str) -> String {
        let files: HashMap<&str, &str> = self
            .problems
            .iter()
            .map(|(path, reason)| (path.as_str(), reason.as_str()))
            .collect();
        let mut out = format!("the {kind} plug-in '{name}' could not be loaded");
        for (path, reason) in files {
            out.push_str(&format!("; {path}: {reason}"));
        }
        out
    }
}

impl Side {
    fn start() -> Result<Self, String> {
        let mut child = Command::new("python3")
            .args(["-u", "-c", SIDE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("Python plug-ins need a python3 on this machine: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("python3 was started without pipes".to_owned());
        };
        Ok(Self {
            child,
            to,
            from: BufReader::new(from),
            names: HashSet::new(),
        })
    }

    fn ask(&mut self, message: &Json) -> Result<Json, String> {
        let gone = |reason: &dyn std::fmt::Display| {
            format!("the side process for Python plug-ins is gone: {reason}")
        };
        writeln!(self.to, "{message}")
            .and_then(|()| self.to.flush())
            .map_err(|error| gone(&error))?;
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(0) => Err(gone(&"it closed its output")),
            Ok(_) => serde_json::from_str(&line).map_err(|error| gone(&error)),
            Err(error) => Err(gone(&error)),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    let mut out: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter, one that looks at variables, a test and a lookup.
    #[test]
    fn plug_ins_run_in_the_side_process() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "filter_plugins/f.py",
            "from ansible.errors import AnsibleFilterError\nfrom jinja2.filters import pass_context\n\
             def twice(x):\n    print('noise')\n    return x * 2\n\
             def bad(x):\n    raise AnsibleFilterError('no %s' % x)\n\
             @pass_context\ndef peek(context, name):\n    return context.get(name, 'none')\n\
             class FilterModule:\n    def filters(self):\n        return {'twice': twice, 'bad': bad, 'peek': peek}\n",
        );
        write(
            "test_plugins/t.py",
            "class TestModule:\n    def tests(self):\n        return {'big': lambda x: x > 9}\n",
        );
        write(
            "lookup_plugins/say.py",
            "from ansible.plugins.lookup import LookupBase\nclass LookupModule(LookupBase):\n    def run(self, terms, variables=None, **kwargs):\n        return [t + kwargs.get('end', '') for t in terms]\n",
        );
        // What this one holds, its text does not say.
        write(
            "filter_plugins/g.py",
            "def get():\n    return {'-'.join(['half', 'way']): lambda x: x / 2}\nclass FilterModule:\n    filters = staticmethod(get)\n",
        );
        let plugins = PythonPlugins::new();
        plugins.look_in(folder.path());
        assert!(plugins.has("filter", "twice") && !plugins.has("filter", "thrice"));
        assert!(plugins.has("filter", "half-way"));
        let none = Map::new();
        let variable = |name: &str| (name == "here").then(|| Ok(Value::from("yes")));
        let call =
            |kind: &str, name: &str, arg: Value| plugins.call(kind, name, &[arg], &none, &variable);
        assert_eq!(call("filter", "twice", Value::Int(4)), Ok(Value::Int(8)));
        assert_eq!(call("filter", "bad", "x".into()), Err("no x".to_owned()));
        assert_eq!(call("filter", "peek", "here".into()), Ok("yes".into()));
        assert_eq!(call("filter", "peek", "gone".into()), Ok("none".into()));
        assert_eq!(call("test", "big", Value::Int(4)), Ok(Value::Bool(false)));
        let terms = Value::from(vec![Value::from("a")]);
        let mut named = Map::new();
        named.insert("end", "!");
        let found = plugins.call("lookup", "say", &[terms], &named, &variable);
        assert_eq!(found, Ok(vec![Value::from("a!")].into()));
    }

    #[test]
    fn a_file_that_cannot_be_loaded_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filter_plugins");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("f.py"), "import not_there\n# 'lost'\n").unwrap();
        let plugins = PythonPlugins::new();
        plugins.look_in(folder.path());
        let error = plugins
            .call("filter", "lost", &[], &Map::new(), &|_| None)
            .unwrap_err();
        assert!(error.contains("No module named 'not_there'"), "{error}");
    }
}

//! JSON as ansible-inventory prints it: four blanks, keys sorted. It is
//! written piece by piece: an inventory may be large.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::value::{Map, Value};

use crate::render::print;

/// So much is collected before it is shown.
const CHUNK: usize = 64 * 1024;

type Done = Result<(), Vec<Diagnostic>>;

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Vec<Diagnostic> {
    vec![Diagnostic::error(
        "output",
        format!(
            "Unable to write to destination file '{}': {error}",
            path.display()
        ),
    )]
}

/// The screen or a file.
pub(super) struct Out {
    text: String,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl Out {
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Vec<Diagnostic>> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|error| unwritable(path, &error))?;
                Some((path.to_owned(), BufWriter::new(file)))
            }
        };
        Ok(Self {
            text: String::new(),
            file,
        })
    }

    pub(super) fn text(&mut self, text: &str) -> Done {
        self.text.push_str(text);
        if self.text.len() < CHUNK {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Done {
        match &mut self.file {
            None => print(&self.text),
            Some((path, file)) => file
                .write_all(self.text.as_bytes())
                .map_err(|error| unwritable(path, &error))?,
        }
        self.text.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Done {
        self.flush()?;
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(|error| unwritable(path, &error)),
            None => Ok(()),
        }
    }

    pub(super) fn line(&mut self, depth: usize, text: &str) -> Done {
        self.text(&format!("\n{:1$}{text}", "", depth * 4))
    }

    pub(super) fn key(&mut self, depth: usize, first: &mut bool, key: &str) -> Done {
        if !std::mem::replace(first, false) {
            self.text(",")?;
        }
        self.line(depth, &format!("{}: ", quoted(key)))
    }

    /// A list of names.
    pub(super) fn names<'a>(
        &mut self,
        depth: usize,
        names: impl Iterator<Item = &'a Arc<str>>,
    ) -> Done {
        self.text("[")?;
        let mut first = true;
        for name in names {
            if !std::mem::replace(&mut first, false) {
                self.text(",")?;
            }
            self.line(depth + 1, &quoted(name))?;
        }
        if !first {
            self.line(depth, "")?;
        }
        self.text("]")
    }

    /// Any value; plain text that looks like a template may be marked so that
    /// a reader does not take it for one.
    pub(super) fn value(&mut self, value: &Value, depth: usize, mark: bool) -> Done {
        match value {
            Value::Map(map) => self.map(map, depth, mark),
            Value::List(items) if items.is_empty() => self.text("[]"),
            Value::List(items) => {
                self.text("[")?;
                for (index, item) in items.iter().enumerate() {
                    self.line_of(index, depth)?;
                    self.value(item, depth + 1, mark)?;
                }
                self.line(depth, "]")
            }
            Value::Vault(sealed) => self.marked("__ansible_vault", &sealed.text, depth),
            Value::Str(text) if mark => self.marked("__ansible_unsafe", text, depth),
            Value::Float(number) if number.is_finite() => {
                self.text(&ocplay_language::python::repr(&Value::Float(*number)))
            }
            Value::Float(number) if number.is_nan() => self.text("NaN"),
            Value::Float(number) => self.text(if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            Value::BigInt(number) => self.text(&number.to_string()),
            Value::Str(text) | Value::Trusted(text) | Value::Date(text) => self.text(&quoted(text)),
            Value::Template(template) => self.text(&quoted(&template.text)),
            other => self.text(&other.to_json().to_string()),
        }
    }

    fn line_of(&mut self, index: usize, depth: usize) -> Done {
        if index > 0 {
            self.text(",")?;
        }
        self.line(depth + 1, "")
    }

    fn map(&mut self, map: &Map, depth: usize, mark: bool) -> Done {
        if map.is_empty() {
            return self.text("{}");
        }
        let mut entries: Vec<(Arc<str>, &Value)> =
            map.iter().map(|(key, value)| (key.text(), value)).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        self.text("{")?;
        let mut first = true;
        for (key, value) in entries {
            self.key(depth + 1, &mut first, &key)?;
            self.value(value, depth + 1, mark)?;
        }
        self.line(depth, "}")
    }

    fn marked(&mut self, mark: &str, text: &str, depth: usize) -> Done {
        self.text("{")?;
        self.key(depth + 1, &mut true, mark)?;
        self.text(&quoted(text))?;
        self.line(depth, "}")
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! The engine: parsed texts by their text, and running them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::context::{self, Context, lock};
use super::error::{self, TemplateError};
use super::marker::Marker;
use super::options::FileOptions;
use super::plugins::Plugins;
use super::run::{Code, Unit, Vm};
use super::syntax::{self, Mistake};
use super::{Jinja, python};
use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::source::{Source, Span};
use crate::value::Encrypted;
use crate::vars::Scope;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Text with templates in it.
    Template,
    /// A bare expression.
    Expression,
    /// A whole file, as text.
    File,
    /// A whole file; one expression alone keeps its type.
    Whole,
}

/// Where a text comes from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A scalar, and the offset of the text in it where offsets map.
    Scalar(Span, Option<u32>),
    File(Arc<Source>),
}

impl Place {
    pub(super) fn part(&self, range: Option<std::ops::Range<usize>>) -> Span {
        match (self, range) {
            (Self::Scalar(span, Some(offset)), Some(range)) => {
                let offset = *offset as usize;
                span.part(offset + range.start..offset + range.end)
            }
            (Self::Scalar(span, _), _) => span.clone(),
            (Self::File(source), Some(range)) => Span::new(source, range),
            (Self::File(source), None) => Span::new(source, 0..0),
        }
    }

    /// The file this is in.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Scalar(span, Some(_)) if !span.is_nowhere() => Some(span.path()),
            Self::Scalar(..) => None,
            Self::File(source) => Some(source.path()),
        }
    }
}

/// One text to evaluate.
pub(super) struct Job<'a> {
    pub(super) mode: Mode,
    pub(super) text: &'a str,
    pub(super) place: Place,
    /// Identifies the template for finding loops; 0 for none.
    pub(super) address: usize,
    pub(super) label: &'a str,
    /// A condition: backslashes escape, text literals may hold templates.
    pub(super) condition: bool,
}

/// Texts that were parsed, by how they are read.
#[derive(Default)]
struct Parsed {
    scalars: HashMap<Box<str>, Arc<Code>>,
    expressions: HashMap<Box<str>, Arc<Code>>,
    conditions: HashMap<Box<str>, Arc<Code>>,
    files: HashMap<FileOptions, HashMap<Box<str>, Arc<Code>>>,
}

/// Messages for the user, each once.
#[derive(Default)]
struct Warnings {
    seen: HashSet<String>,
    waiting: Vec<Diagnostic>,
}

/// What every evaluation of a run shares.
pub(crate) struct Inner {
    parsed: Mutex<Parsed>,
    warnings: Mutex<Warnings>,
    scalar: Arc<FileOptions>,
    pub(super) loader: Arc<dyn Loader>,
    plugins: Option<Arc<dyn Plugins>>,
}

impl Inner {
    pub(super) fn new(loader: Arc<dyn Loader>, plugins: Option<Arc<dyn Plugins>>) -> Self {
        Self {
            parsed: Mutex::default(),
            warnings: Mutex::default(),
            scalar: Arc::new(FileOptions::scalar()),
            loader,
            plugins,
        }
    }

    pub(super) fn plugins(&self) -> Option<Arc<dyn Plugins>> {
        self.plugins.clone()
    }

    /// A form that still works, but should not be used.
    pub(super) fn warn(&self, message: &str) {
        self.remark("deprecated", message);
    }

    /// Something that went wrong and that was to be no error.
    pub(super) fn mishap(&self, message: &str) {
        self.remark("template", message);
    }

    fn remark(&self, code: &'static str, message: &str) {
        let mut warnings = lock(&self.warnings);
        if warnings.seen.insert(message.to_owned()) {
            warnings.waiting.push(Diagnostic::warning(code, message));
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut lock(&self.warnings).waiting)
    }

    /// A text, parsed once.
    fn code(
        &self,
        mode: Mode,
        condition: bool,
        options: &Arc<FileOptions>,
        text: &str,
    ) -> Result<Arc<Code>, Mistake> {
        let known = |parsed: &Parsed| {
            match (mode, condition) {
                (Mode::Template, _) => &parsed.scalars,
                (Mode::Expression, false) => &parsed.expressions,
                (Mode::Expression, true) => &parsed.conditions,
                (Mode::File | Mode::Whole, _) => parsed.files.get(&**options)?,
            }
            .get(text)
            .cloned()
        };
        if let Some(code) = known(&lock(&self.parsed)) {
            return Ok(code);
        }
        let raw = matches!(mode, Mode::Template | Mode::Expression) && !condition;
        let tree = syntax::parse(text, options, mode, raw)?;
        let code = Arc::new(Code {
            tree,
            options: Arc::clone(options),
        });
        let mut parsed = lock(&self.parsed);
        let shelf = match (mode, condition) {
            (Mode::Template, _) => &mut parsed.scalars,
            (Mode::Expression, false) => &mut parsed.expressions,
            (Mode::Expression, true) => &mut parsed.conditions,
            (Mode::File | Mode::Whole, _) => {
                parsed.files.entry(FileOptions::clone(options)).or_default()
            }
        };
        shelf.insert(text.into(), Arc::clone(&code));
        Ok(code)
    }

    /// Evaluates a scalar.
    pub(super) fn run(
        &self,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Jinja, TemplateError> {
        self.run_with(&self.scalar, context, job)
    }

    /// Like [`Self::run`], but what is no value stays what it is.
    pub(super) fn run_marked(
        &self,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Jinja, TemplateError> {
        self.run_raw(&self.scalar, context, job)
    }

    fn run_raw(
        &self,
        options: &Arc<FileOptions>,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Jinja, TemplateError> {
        let code = self
            .code(job.mode, job.condition, options, job.text)
            .map_err(|mistake| error::syntax(&mistake, &job.place, job.mode, job.text))?;
        let unit = Arc::new(Unit {
            code,
            place: job.place.clone(),
        });
        context::framed(context, job, || {
            let mut vm = Vm::new(context, unit, job.condition);
            if job.mode == Mode::Expression {
                vm.only()
            } else {
                vm.main()
            }
        })
        .map_err(|error| error::finish(error, job.place.part(None), context))
    }

    /// Evaluates a text that is read with options.
    pub(super) fn run_with(
        &self,
        options: &Arc<FileOptions>,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Jinja, TemplateError> {
        let value = self.run_raw(options, context, job)?;
        let explain = |error| error::finish(error, job.place.part(None), context);
        if let Some(error) = Marker::of(&value) {
            return Err(error::finished(error.clone(), context));
        }
        if job.mode == Mode::File {
            let mut text = String::new();
            if !value.is_none() {
                python::write_printed(&mut text, &value).map_err(explain)?;
            }
            let text = restore_newlines(text, job.text, &options.newline_sequence);
            return Ok(Jinja::from(text));
        }
        if matches!(job.mode, Mode::Template | Mode::Whole)
            && job.text.ends_with('\n')
            && let Some(text) = value.as_str()
        {
            let text = restore_newlines(text.to_owned(), job.text, &options.newline_sequence);
            return Ok(Jinja::from(text));
        }
        Ok(value)
    }

    /// Runs something that calls filters and lookups without a template.
    pub(super) fn call<T>(&self, context: &Arc<Context>, act: impl FnOnce(&mut Vm<'_>) -> T) -> T {
        let job = Job {
            mode: Mode::Expression,
            text: "",
            place: Place::Scalar(Span::nowhere(), None),
            address: 0,
            label: "",
            condition: false,
        };
        context::framed(context, &job, || act(&mut Vm::idle(context)))
    }

    /// Opens an encrypted value.
    pub(super) fn unlock(&self, sealed: &Encrypted) -> Result<Arc<str>, TemplateError> {
        self.loader.keyring().text(&sealed.text).map_err(|error| {
            let mut found = TemplateError::new("vault", error.to_string(), &sealed.span);
            found.help = Some(
                "give the secret with --vault-password-file, --vault-id or --ask-vault-pass".into(),
            );
            found
        })
    }

    /// Reads a file that a template names.
    pub(super) fn find(&self, name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
        let path = Path::new(name);
        if path.is_absolute() {
            return self.loader.is_file(path).then(|| path.to_owned());
        }
        folders
            .iter()
            .map(|folder| folder.join(path))
            .find(|path| self.loader.is_file(path))
    }

    /// Finds the file that a template names: first beside the template, then
    /// in the folders of the scope.
    pub(super) fn beside(&self, name: &str, place: &Place, scope: &Scope) -> Option<PathBuf> {
        let own = match place {
            Place::File(_) => place.file(),
            Place::Scalar(span, Some(_)) if span.path().extension().is_some_and(|e| e == "j2") => {
                place.file()
            }
            Place::Scalar(..) => None,
        };
        let folders: Vec<PathBuf> = own
            .and_then(Path::parent)
            .map(Path::to_owned)
            .into_iter()
            .chain(
                scope
                    .search()
                    .iter()
                    .flat_map(|folder| [folder.join("templates"), folder.clone()]),
            )
            .collect();
        self.find(name, &folders)
    }

    /// Reads and parses a template file.
    pub(super) fn unit(
        &self,
        path: &Path,
        options: &Arc<FileOptions>,
    ) -> Result<Arc<Unit>, TemplateError> {
        let failed = |message: String| TemplateError::new("template", message, &Span::nowhere());
        let bytes = self
            .loader
            .read(path)
            .map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| failed(format!("{} is not UTF-8 text", path.display())))?;
        let source = Source::new(path, text);
        let place = Place::File(Arc::clone(&source));
        let code = self
            .code(Mode::File, false, options, source.text())
            .map_err(|mistake| error::syntax(&mistake, &place, Mode::File, source.text()))?;
        Ok(Arc::new(Unit { code, place }))
    }
}

/// Text keeps as many line ends as its template had.
fn restore_newlines(mut text: String, template: &str, newline: &str) -> String {
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    for _ in count(&text)..count(template) {
        text.push_str(newline);
    }
    text
}

//! The engine: compiled templates by text, and running them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::context::{self, Context, Root, lock};
use super::error::{self, TemplateError};
use super::literals;
use super::rewrite::{Rewritten, rewrite};
use super::{Jinja, filters, functions, methods, options::FileOptions, python, tests};
use crate::loader::Loader;
use crate::source::{Source, Span};

/// The largest text one template may print.
const MAX_OUTPUT: usize = 256 << 20;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Text with templates in it.
    Template,
    /// A bare expression.
    Expression,
    /// A whole file.
    File,
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
}

/// One text to evaluate.
pub(super) struct Job<'a> {
    pub(super) mode: Mode,
    pub(super) text: &'a str,
    pub(super) place: Place,
    /// Identifies the template for finding loops; 0 for none.
    pub(super) address: usize,
    pub(super) label: &'a str,
}

pub(super) struct Outcome {
    pub(super) value: Jinja,
}

/// What every evaluation of a run shares.
pub(crate) struct Inner {
    scalars: Environment<'static>,
    /// One per set of options, for whole files.
    files: Mutex<HashMap<FileOptions, Arc<Environment<'static>>>>,
    /// Files that were read, for showing places.
    sources: Arc<Mutex<HashMap<PathBuf, Arc<Source>>>>,
    pub(super) loader: Arc<dyn Loader>,
    pub(super) filters: Vec<&'static str>,
    pub(super) tests: Vec<&'static str>,
}

/// Names of compiled texts start with one of these; files have their path.
const TEMPLATE: char = '\u{1}';
const EXPRESSION: char = '\u{2}';
const FILE: char = '\u{3}';

impl Inner {
    pub(super) fn new(loader: Arc<dyn Loader>) -> Self {
        let sources = Arc::default();
        let mut names = (Vec::new(), Vec::new());
        let scalars = environment(&FileOptions::scalar(), &loader, &sources, &mut names);
        Self {
            scalars,
            files: Mutex::default(),
            sources,
            loader,
            filters: names.0,
            tests: names.1,
        }
    }

    fn environment(&self, options: &FileOptions) -> Arc<Environment<'static>> {
        let mut files = lock(&self.files);
        if let Some(known) = files.get(options) {
            return Arc::clone(known);
        }
        let mut names = (Vec::new(), Vec::new());
        let made = Arc::new(environment(
            options,
            &self.loader,
            &self.sources,
            &mut names,
        ));
        files.insert(options.clone(), Arc::clone(&made));
        made
    }

    /// Evaluates a scalar.
    pub(super) fn run(
        &self,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Outcome, TemplateError> {
        self.run_in(&self.scalars, &FileOptions::scalar(), context, job)
    }

    /// Evaluates a whole file.
    pub(super) fn run_file(
        &self,
        options: &FileOptions,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Outcome, TemplateError> {
        let environment = self.environment(options);
        self.run_in(&environment, options, context, job)
    }

    fn run_in(
        &self,
        environment: &Environment<'static>,
        options: &FileOptions,
        context: &Arc<Context>,
        job: &Job<'_>,
    ) -> Result<Outcome, TemplateError> {
        if job.mode == Mode::Expression
            && let Err(error) = minijinja::machinery::parse_expr(job.text)
        {
            return Err(error::explain(
                &error,
                job.place.part(error.range()),
                context,
            ));
        }
        let name = name(job);
        let explain = |error: Error| {
            let span = self.locate(&error, options, &name, job);
            error::explain(&error, span, context)
        };
        let template = environment.get_template(&name).map_err(explain)?;
        let root = Jinja::from_object(Root(Arc::clone(context)));
        let mut output = Limited(Vec::new());
        let (result, printed) = context::framed(context, job, || {
            template
                .render_captured_to(root, &mut output)
                .map(|_captured| ())
        });
        result.map_err(explain)?;
        let text = String::from_utf8(output.0)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if job.mode == Mode::Expression {
            let value = printed.last.unwrap_or_else(|| Jinja::from(()));
            return Ok(Outcome { value });
        }
        if job.mode == Mode::Template {
            if printed.count == 1
                && let Some(value) = printed.last
                && value.kind() != ValueKind::String
                && printed_alone(&value, &text)
            {
                return Ok(Outcome { value });
            }
            if printed.count == 0 && printed.none && text.is_empty() {
                return Ok(Outcome {
                    value: Jinja::from(()),
                });
            }
        }
        Ok(Outcome {
            value: Jinja::from(restore_newlines(text, job)),
        })
    }

    /// The place of an engine error.
    fn locate(&self, error: &Error, options: &FileOptions, own_name: &str, job: &Job<'_>) -> Span {
        let error = error::innermost(error);
        let range = error.range();
        if let Some(name) = error.name()
            && name != own_name
            && !name.is_empty()
            && let Some(source) = lock(&self.sources).get(Path::new(name)).cloned()
        {
            let prepared = Prepared::new(source.text(), Mode::File, options);
            let range = range.map(|range| prepared.original(range));
            return Place::File(source).part(range);
        }
        let prepared = Prepared::new(job.text, job.mode, options);
        let range = range.map(|range| prepared.original(range));
        job.place.part(range)
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
}

/// The name under which a text is compiled once and kept.
fn name(job: &Job<'_>) -> String {
    match (job.mode, &job.place) {
        (Mode::Expression, _) => format!("{EXPRESSION}{}", job.text),
        (Mode::File, Place::File(source)) => {
            format!("{FILE}{}\n{}", source.path().display(), job.text)
        }
        _ => format!("{TEMPLATE}{}", job.text),
    }
}

/// Whether a text is nothing but one printed value.
fn printed_alone(value: &Jinja, text: &str) -> bool {
    let mut shown = String::new();
    python::write_printed(&mut shown, value).is_ok() && shown == text
}

/// Text keeps as many line ends as its template had.
fn restore_newlines(mut text: String, job: &Job<'_>) -> String {
    if job.mode == Mode::Template {
        let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
        for _ in count(&text)..count(job.text) {
            text.push('\n');
        }
    }
    text
}

fn environment(
    options: &FileOptions,
    loader: &Arc<dyn Loader>,
    sources: &Arc<Mutex<HashMap<PathBuf, Arc<Source>>>>,
    names: &mut (Vec<&'static str>, Vec<&'static str>),
) -> Environment<'static> {
    let syntax = options.syntax();
    let mut environment = Environment::empty();
    environment.set_syntax(syntax.clone());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_debug(true);
    environment.set_auto_reload(false);
    environment.set_formatter(|output, _state, value| {
        if value.is_undefined() {
            return Err(python::undefined(value));
        }
        if context::printing(value) && !value.is_none() {
            python::write_printed(&mut Writer(output), value)?;
        }
        Ok(())
    });
    environment.set_unknown_method_callback(methods::unknown);
    environment.set_path_join_callback(|name, parent| {
        resolve_include(name, parent).map_or(Cow::Borrowed(name), Cow::Owned)
    });
    let (loader, sources) = (Arc::clone(loader), Arc::clone(sources));
    let options = options.clone();
    environment.set_loader(move |name| load(name, &options, &*loader, &sources));
    names.0 = filters::install(&mut environment);
    names.1 = tests::install(&mut environment);
    functions::install(&mut environment);
    environment
}

/// Finds the file an include means: first beside the including template,
/// then in the folders of the scope.
fn resolve_include(name: &str, parent: &str) -> Option<String> {
    let context = context::current()?;
    let parent = parent.strip_prefix(FILE).unwrap_or(parent);
    let parent = parent.split_once('\n').map_or(parent, |(path, _)| path);
    let beside = Path::new(parent).parent().map(Path::to_owned);
    let folders: Vec<PathBuf> = beside
        .into_iter()
        .filter(|_| !parent.starts_with([TEMPLATE, EXPRESSION]))
        .chain(
            context
                .scope
                .search()
                .iter()
                .flat_map(|folder| [folder.clone(), folder.join("templates")]),
        )
        .collect();
    let path = context.templar.find(name, &folders)?;
    Some(path.to_string_lossy().into_owned())
}

fn load(
    name: &str,
    options: &FileOptions,
    loader: &dyn Loader,
    sources: &Mutex<HashMap<PathBuf, Arc<Source>>>,
) -> Result<Option<String>, Error> {
    let mut mode = Mode::File;
    let text: Cow<'_, str> = if let Some(text) = name.strip_prefix(TEMPLATE) {
        mode = Mode::Template;
        text.into()
    } else if let Some(text) = name.strip_prefix(EXPRESSION) {
        mode = Mode::Expression;
        text.into()
    } else if let Some(rest) = name.strip_prefix(FILE) {
        rest.split_once('\n').map_or("", |(_, text)| text).into()
    } else {
        let path = Path::new(name);
        if !path.is_absolute() || !loader.is_file(path) {
            return Err(Error::new(
                ErrorKind::TemplateNotFound,
                format!("template '{name}' was not found"),
            ));
        }
        let bytes = loader
            .read(path)
            .map_err(|error| python::fail(format!("cannot read {name}: {error}")))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| python::fail(format!("{name} is not UTF-8 text")))?;
        lock(sources).insert(path.to_owned(), Source::new(path, text.clone()));
        text.into()
    };
    Ok(Some(Prepared::new(&text, mode, options).text))
}

/// A text made ready for the engine, with the way back to its own places.
struct Prepared {
    text: String,
    literals: Rewritten,
    shift: usize,
    operators: Option<Rewritten>,
}

impl Prepared {
    fn new(source: &str, mode: Mode, options: &FileOptions) -> Self {
        let literals = literals::edits(source, options, mode).apply(source);
        let (middle, shift) = if mode == Mode::Expression {
            (format!("{{{{ {} }}}}", literals.text), 3)
        } else {
            (literals.text.clone(), 0)
        };
        // A text with a syntax error goes to the engine as it is, which then
        // reports the same error with the same place.
        let operators = rewrite(&middle, &options.syntax()).ok();
        let text = operators
            .as_ref()
            .map_or(middle, |operators| operators.text.clone());
        Self {
            text,
            literals,
            shift,
            operators,
        }
    }

    fn original(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let range = match &self.operators {
            Some(operators) => operators.original(range),
            None => range,
        };
        self.literals
            .original(range.start.saturating_sub(self.shift)..range.end.saturating_sub(self.shift))
    }
}

/// Collects output up to the limit.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("the template prints more than 256 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats into the engine's output.
struct Writer<'a, 'b>(&'a mut minijinja::Output<'b>);

impl std::fmt::Write for Writer<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write_str(text)
    }
}

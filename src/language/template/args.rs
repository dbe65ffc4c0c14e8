//! Arguments of filters, tests, functions and methods, bound to names as
//! Python does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::marker::Missing;
use super::{Jinja, python};

/// Arguments as a call gives them.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) positional: Vec<Jinja>,
    pub(super) named: Vec<(Arc<str>, Jinja)>,
}

impl Given {
    /// The first argument that is no value.
    pub(super) fn marker(&self) -> Option<Jinja> {
        self.positional
            .iter()
            .chain(self.named.iter().map(|(_, value)| value))
            .find(|value| value.is_missing())
            .cloned()
    }
}

/// The names that arguments are bound to. They are written as a list such as
/// `value default_value boolean`; `*` takes further positional ones, `**`
/// further named ones, and a leading `?` lets arguments be undefined.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) lenient: bool,
    names: Vec<&'static str>,
    /// Names after `*` are taken by name only.
    in_order: usize,
    more: bool,
    more_named: bool,
}

impl Spec {
    pub(super) fn new(text: &'static str) -> Self {
        let (lenient, text) = match text.strip_prefix('?') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let words = || text.split_whitespace();
        Self {
            lenient,
            names: words().filter(|word| !word.starts_with('*')).collect(),
            in_order: words().take_while(|word| !word.starts_with('*')).count(),
            more: words().any(|word| word == "*"),
            more_named: words().any(|word| word == "**"),
        }
    }

    /// The names of a text that is part of the program.
    pub(super) fn of(text: &'static str) -> &'static Self {
        thread_local! {
            static KNOWN: RefCell<HashMap<(usize, usize), &'static Spec>> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| {
            let spec: &'static Self = known
                .entry((text.as_ptr() as usize, text.len()))
                .or_insert_with(|| Box::leak(Box::new(Self::new(text))));
            spec
        })
    }
}

/// Bound arguments.
pub(super) struct Args<'a> {
    of: &'a str,
    spec: &'a Spec,
    bound: Vec<Option<Jinja>>,
    rest: Vec<Jinja>,
    extra: Vec<(Arc<str>, Jinja)>,
}

impl<'a> Args<'a> {
    pub(super) fn bind(of: &'a str, spec: &'a Spec, given: &Given) -> Result<Self, Error> {
        let mut args = Self {
            of,
            spec,
            bound: vec![None; spec.names.len()],
            rest: Vec::new(),
            extra: Vec::new(),
        };
        if !spec.lenient
            && let Some(marker) = given.marker()
        {
            return Err(python::undefined(&marker));
        }
        for (index, value) in given.positional.iter().enumerate() {
            match args.bound.get_mut(index).filter(|_| index < spec.in_order) {
                Some(slot) => *slot = Some(value.clone()),
                None if spec.more => args.rest.push(value.clone()),
                None => {
                    return Err(Error::new(
                        ErrorKind::TooManyArguments,
                        format!(
                            "{of}() takes {} positional arguments but {} were given",
                            spec.in_order,
                            given.positional.len()
                        ),
                    ));
                }
            }
        }
        for (name, value) in &given.named {
            match spec.names.iter().position(|known| *known == &**name) {
                Some(index) => {
                    if let Some(slot) = args.bound.get_mut(index) {
                        if slot.is_some() {
                            return Err(Error::new(
                                ErrorKind::TooManyArguments,
                                format!("{of}() got multiple values for argument '{name}'"),
                            ));
                        }
                        *slot = Some(value.clone());
                    }
                }
                None if spec.more_named => args.extra.push((Arc::clone(name), value.clone())),
                None => {
                    let mut message = format!("{of}() got an unexpected keyword argument '{name}'");
                    if let Some(near) = crate::suggest::nearest(name, spec.names.iter().copied()) {
                        message.push_str(&format!(", did you mean '{near}'?"));
                    }
                    return Err(Error::new(ErrorKind::TooManyArguments, message));
                }
            }
        }
        Ok(args)
    }

    /// What the arguments are for.
    pub(super) fn of(&self) -> &'a str {
        self.of
    }

    /// An argument as given; undefined ones count as given.
    pub(super) fn raw(&self, index: usize) -> Option<&Jinja> {
        self.bound.get(index)?.as_ref()
    }

    /// An argument, absent when left out or undefined.
    pub(super) fn get(&self, index: usize) -> Option<&Jinja> {
        self.raw(index).filter(|value| !value.is_absent())
    }

    /// An argument that is neither left out nor None.
    pub(super) fn some(&self, index: usize) -> Option<&Jinja> {
        self.get(index).filter(|value| !value.is_none())
    }

    pub(super) fn need(&self, index: usize) -> Result<&Jinja, Error> {
        match self.raw(index) {
            Some(value) if value.is_missing() => Err(python::undefined(value)),
            Some(value) => Ok(value),
            None => Err(Error::new(
                ErrorKind::MissingArgument,
                format!(
                    "{}() missing 1 required positional argument: '{}'",
                    self.of,
                    self.name(index)
                ),
            )),
        }
    }

    fn name(&self, index: usize) -> &'static str {
        self.spec.names.get(index).copied().unwrap_or("value")
    }

    pub(super) fn rest(&self) -> &[Jinja] {
        &self.rest
    }

    pub(super) fn extra(&self) -> impl Iterator<Item = (&str, &Jinja)> {
        self.extra.iter().map(|(name, value)| (&**name, value))
    }

    /// An argument as text, as `str()` makes it.
    pub(super) fn text(&self, index: usize) -> Result<String, Error> {
        python::text(self.need(index)?)
    }

    pub(super) fn text_or(&self, index: usize, default: &str) -> Result<String, Error> {
        self.some(index)
            .map_or_else(|| Ok(default.to_owned()), python::text)
    }

    pub(super) fn flag(&self, index: usize, default: bool) -> Result<bool, Error> {
        self.get(index).map_or(Ok(default), python::truth)
    }

    pub(super) fn int(&self, index: usize, default: i64) -> Result<i64, Error> {
        let Some(value) = self.some(index) else {
            return Ok(default);
        };
        python::whole(value)
            .or_else(|| python::number(value).map(|number| number as i128))
            .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
            .and_then(|number| i64::try_from(number).ok())
            .ok_or_else(|| {
                python::fail(format!(
                    "'{}' must be a whole number, not {}",
                    self.name(index),
                    python::type_name(value)
                ))
            })
    }

    /// The items of a list argument.
    pub(super) fn items(&self, index: usize) -> Result<Vec<Jinja>, Error> {
        python::items(self.need(index)?)
    }

    /// The items of a list argument; some may be no value.
    pub(super) fn raw_items(&self, index: usize) -> Result<Vec<Jinja>, Error> {
        python::raw_items(self.need(index)?)
    }

    pub(super) fn fail(&self, message: impl std::fmt::Display) -> Error {
        python::fail(message.to_string())
    }
}

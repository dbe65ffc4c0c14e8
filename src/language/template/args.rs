//! Arguments of filters, tests, functions and methods, bound to names as
//! Python does.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind};

use super::{Jinja, python};

/// Bound arguments. The names are a list such as `value default_value
/// boolean`; `*` takes further positional ones, `**` further named ones, and
/// a leading `?` lets the first be undefined.
pub(super) struct Args<'a> {
    of: &'a str,
    names: &'static str,
    bound: Vec<Option<Jinja>>,
    rest: Vec<Jinja>,
    extra: Vec<(String, Jinja)>,
}

impl<'a> Args<'a> {
    pub(super) fn bind(of: &'a str, names: &'static str, values: &[Jinja]) -> Result<Self, Error> {
        let (lenient, names) = match names.strip_prefix('?') {
            Some(names) => (true, names),
            None => (false, names),
        };
        let plain = || {
            names
                .split_whitespace()
                .filter(|name| !name.starts_with('*'))
        };
        let takes = |star: &str| names.split_whitespace().any(|name| name == star);
        let count = plain().count();
        // Names after `*` are taken by name only.
        let in_order = names
            .split_whitespace()
            .take_while(|name| !name.starts_with('*'))
            .count();
        let (positional, named) = match values.split_last() {
            Some((last, before)) if last.is_kwargs() => {
                (before, Some(Kwargs::try_from(last.clone())?))
            }
            _ => (values, None),
        };
        if let Some(first) = positional.first()
            && !lenient
            && first.kind() == ValueKind::Undefined
        {
            return Err(python::undefined(first));
        }
        let mut args = Self {
            of,
            names,
            bound: vec![None; count],
            rest: Vec::new(),
            extra: Vec::new(),
        };
        for (index, value) in positional.iter().enumerate() {
            match args.bound.get_mut(index).filter(|_| index < in_order) {
                Some(slot) => *slot = Some(value.clone()),
                None if takes("*") => args.rest.push(value.clone()),
                None => {
                    return Err(Error::new(
                        ErrorKind::TooManyArguments,
                        format!(
                            "{of} takes {in_order} arguments, {} were given",
                            positional.len()
                        ),
                    ));
                }
            }
        }
        if let Some(named) = named {
            for name in named.args() {
                let value: Jinja = named.peek(name)?;
                match plain().position(|known| known == name) {
                    Some(index) => {
                        if let Some(slot) = args.bound.get_mut(index) {
                            *slot = Some(value);
                        }
                    }
                    None if takes("**") => args.extra.push((name.to_owned(), value)),
                    None => {
                        let mut message = format!("{of} has no argument '{name}'");
                        if let Some(near) = crate::suggest::nearest(name, plain()) {
                            message.push_str(&format!(", did you mean '{near}'?"));
                        }
                        return Err(Error::new(ErrorKind::TooManyArguments, message));
                    }
                }
            }
        }
        Ok(args)
    }

    /// An argument as given; undefined ones count as given.
    pub(super) fn raw(&self, index: usize) -> Option<&Jinja> {
        self.bound.get(index)?.as_ref()
    }

    /// An argument, absent when left out or undefined.
    pub(super) fn get(&self, index: usize) -> Option<&Jinja> {
        self.raw(index).filter(|value| !value.is_undefined())
    }

    /// An argument that is neither left out nor None.
    pub(super) fn some(&self, index: usize) -> Option<&Jinja> {
        self.get(index).filter(|value| !value.is_none())
    }

    pub(super) fn need(&self, index: usize) -> Result<&Jinja, Error> {
        match self.raw(index) {
            Some(value) if value.is_undefined() => Err(python::undefined(value)),
            Some(value) => Ok(value),
            None => Err(Error::new(
                ErrorKind::MissingArgument,
                format!("{} needs the argument '{}'", self.of, self.name(index)),
            )),
        }
    }

    fn name(&self, index: usize) -> &'static str {
        self.names.split_whitespace().nth(index).unwrap_or("value")
    }

    pub(super) fn rest(&self) -> &[Jinja] {
        &self.rest
    }

    pub(super) fn extra(&self) -> impl Iterator<Item = (&str, &Jinja)> {
        self.extra
            .iter()
            .map(|(name, value)| (name.as_str(), value))
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
        Ok(self.get(index).map_or(default, Jinja::is_true))
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
                    "{}: '{}' must be a whole number, not {}",
                    self.of,
                    self.name(index),
                    python::type_name(value)
                ))
            })
    }

    /// The items of a list argument.
    pub(super) fn items(&self, index: usize) -> Result<Vec<Jinja>, Error> {
        python::items(self.need(index)?)
    }

    pub(super) fn fail(&self, message: impl std::fmt::Display) -> Error {
        python::fail(format!("{}: {message}", self.of))
    }
}

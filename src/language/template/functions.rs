//! Global functions.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind};

use super::args::{Args, Given, Spec};
use super::objects::{Namespace, Omitted, entries_of};
use super::run::{Callable, Vm};
use super::{Jinja, lookups, python};

/// A function of the language.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    pub(super) work: fn(&mut Vm<'_>, &Given) -> Result<Jinja, Error>,
    /// Arguments may be undefined, and texts that hold templates.
    pub(super) direct: bool,
}

/// Largest range a template may ask for.
const MAX_RANGE: i128 = 10_000_000;

static BUILTINS: &[Builtin] = &[
    plain("range", |_, given| range(given)),
    plain("dict", |_, given| dict(given)),
    plain("namespace", |_, given| namespace(given)),
    plain("cycler", |_, given| {
        Ok(Jinja::from_object(Cycler {
            items: given.positional.clone(),
            at: AtomicUsize::new(0),
        }))
    }),
    plain("joiner", |_, given| {
        let args = Args::bind("joiner", Spec::of("sep"), given)?;
        Ok(Jinja::from_object(Joiner {
            separator: args.text_or(0, ", ")?,
            used: AtomicBool::new(false),
        }))
    }),
    plain("now", |_, given| {
        let args = Args::bind("now", Spec::of("utc fmt"), given)?;
        super::filters::time::now(args.flag(0, false)?, args.some(1))
    }),
    plain("lipsum", |_, given| lipsum(given)),
    direct("undef", |_, given| {
        let args = Args::bind("undef", Spec::of("hint"), given)?;
        let hint = args.text_or(0, "Mandatory variable has not been overridden")?;
        Err(Error::new(ErrorKind::UndefinedError, hint))
    }),
    direct("lookup", |vm, given| lookup(vm, given, false)),
    direct("query", |vm, given| lookup(vm, given, true)),
    direct("q", |vm, given| lookup(vm, given, true)),
];

const fn plain(
    name: &'static str,
    work: fn(&mut Vm<'_>, &Given) -> Result<Jinja, Error>,
) -> Builtin {
    Builtin {
        name,
        work,
        direct: false,
    }
}

const fn direct(
    name: &'static str,
    work: fn(&mut Vm<'_>, &Given) -> Result<Jinja, Error>,
) -> Builtin {
    Builtin {
        name,
        work,
        direct: true,
    }
}

static GLOBALS: LazyLock<HashMap<&'static str, Jinja>> = LazyLock::new(|| {
    let mut all: HashMap<&'static str, Jinja> = BUILTINS
        .iter()
        .map(|builtin| (builtin.name, Jinja::from_object(Callable::Builtin(builtin))))
        .collect();
    all.insert("omit", Jinja::from_object(Omitted));
    all
});

/// What a name means that no variable has.
pub(super) fn global(name: &str) -> Option<Jinja> {
    GLOBALS.get(name).cloned()
}

fn range(given: &Given) -> Result<Jinja, Error> {
    let args = Args::bind("range", Spec::of("start stop step"), given)?;
    let number = |index: usize| -> Result<i64, Error> {
        let value = args.need(index)?;
        match python::whole(value).and_then(|whole| i64::try_from(whole).ok()) {
            Some(number) => Ok(number),
            None => Err(python::fail(format!(
                "'{}' object cannot be interpreted as an integer",
                python::type_name(value)
            ))),
        }
    };
    let (start, stop) = match args.get(1) {
        Some(_) => (number(0)?, number(1)?),
        None => (0, number(0)?),
    };
    let step = match args.get(2) {
        Some(_) => number(2)?,
        None => 1,
    };
    if step == 0 {
        return Err(args.fail("range() arg 3 must not be zero"));
    }
    Ok(Jinja::from_object(Range {
        start: i128::from(start),
        step: i128::from(step),
        count: {
            let span = i128::from(stop) - i128::from(start);
            let step = i128::from(step);
            if span != 0 && (span > 0) == (step > 0) {
                (span.abs() + step.abs() - 1) / step.abs()
            } else {
                0
            }
        },
    }))
}

/// `range(...)`: numbers that are made when they are looked at.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) start: i128,
    pub(super) step: i128,
    pub(super) count: i128,
}

impl Range {
    pub(super) fn at(&self, index: i128) -> Option<i128> {
        (0..self.count)
            .contains(&index)
            .then(|| self.start + index * self.step)
    }

    /// Every number, unless there are too many.
    pub(super) fn items(&self) -> Result<Vec<Jinja>, Error> {
        if self.count > MAX_RANGE {
            return Err(python::fail(format!(
                "a range of more than {MAX_RANGE} numbers"
            )));
        }
        Ok((0..self.count)
            .filter_map(|index| self.at(index).map(python::int))
            .collect())
    }

    pub(super) fn contains(&self, number: i128) -> bool {
        let distance = number - self.start;
        distance % self.step == 0 && self.at(distance / self.step).is_some()
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.at(i128::try_from(key.as_usize()?).ok()?)
            .map(python::int)
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(usize::try_from(self.count).unwrap_or(0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stop = self.start + self.count * self.step;
        if self.step == 1 {
            write!(f, "range({}, {stop})", self.start)
        } else {
            write!(f, "range({}, {stop}, {})", self.start, self.step)
        }
    }
}

fn dict(given: &Given) -> Result<Jinja, Error> {
    let args = Args::bind("dict", Spec::of("* **"), given)?;
    let mut entries = match args.rest() {
        [] => Vec::new(),
        [value] => entries_of(value)?,
        more => {
            return Err(args.fail(format!(
                "dict expected at most 1 argument, got {}",
                more.len()
            )));
        }
    };
    entries.extend(
        args.extra()
            .map(|(name, value)| (Jinja::from(name), value.clone())),
    );
    Ok(python::dict(entries))
}

fn namespace(given: &Given) -> Result<Jinja, Error> {
    let mut members: Vec<(Arc<str>, Jinja)> = Vec::new();
    for value in &given.positional {
        for (key, value) in entries_of(value)? {
            members.push((python::text(&key)?.into(), value));
        }
    }
    members.extend(given.named.iter().cloned());
    Ok(Jinja::from_object(Namespace::new(members)))
}

/// Words without a meaning, for filling pages.
fn lipsum(given: &Given) -> Result<Jinja, Error> {
    const WORDS: &str = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua";
    let args = Args::bind("lipsum", Spec::of("n html min max"), given)?;
    let count = args.int(0, 5)?.clamp(0, 100);
    let html = args.flag(1, true)?;
    let paragraph = format!("{}.", super::text_methods::capitalize(WORDS));
    let text: Vec<String> = (0..count)
        .map(|_| {
            if html {
                format!("<p>{paragraph}</p>")
            } else {
                paragraph.clone()
            }
        })
        .collect();
    Ok(Jinja::from(text.join(if html { "\n" } else { "\n\n" })))
}

fn lookup(vm: &mut Vm<'_>, given: &Given, as_list: bool) -> Result<Jinja, Error> {
    let (name, terms) = match given.positional.split_first() {
        Some((name, terms)) => (python::text(name)?, terms.to_vec()),
        None => {
            return Err(python::fail(
                "lookup() missing 1 required positional argument: 'plugin_name'",
            ));
        }
    };
    let mut wantlist = as_list;
    let mut errors = "strict".to_owned();
    let mut options = Vec::new();
    for (key, value) in &given.named {
        match &**key {
            "wantlist" if as_list => {}
            "wantlist" => wantlist = python::truth(value)?,
            "errors" => errors = python::text(value)?,
            _ => options.push((key.to_string(), value.clone())),
        }
    }
    let found = match lookups::run(vm, &name, terms, options) {
        Ok(found) => found,
        Err(error) => {
            // Something undefined is no failure of the lookup.
            let inside = super::TemplateError::inside(&error);
            if inside.is_some_and(|inner| inner.undefined) || errors == "strict" {
                return Err(error);
            }
            if errors == "warn" {
                let reason = inside.map_or_else(
                    || error.detail().unwrap_or_default().to_owned(),
                    |inner| inner.message.clone(),
                );
                vm.context.templar.mishap(&format!(
                    "An error occurred while running the lookup plugin '{name}'. {reason}"
                ));
            } else if errors != "ignore" {
                return Err(error);
            }
            return Ok(if wantlist {
                python::list(Vec::new())
            } else {
                Jinja::from(())
            });
        }
    };
    if wantlist || found.is_empty() {
        return Ok(python::list(found));
    }
    match <[Jinja; 1]>::try_from(found) {
        Ok([single]) => Ok(single),
        Err(found) if found.iter().all(|item| item.as_str().is_some()) => {
            let texts: Vec<&str> = found.iter().filter_map(Jinja::as_str).collect();
            Ok(Jinja::from(texts.join(",")))
        }
        Err(found) => Ok(python::list(found)),
    }
}

/// `cycler(a, b)`: `next()`, `reset()`, `current`.
#[derive(Debug)]
pub(super) struct Cycler {
    items: Vec<Jinja>,
    at: AtomicUsize,
}

impl Cycler {
    pub(super) fn method(&self, method: &str) -> Option<Result<Jinja, Error>> {
        let at = self.at.load(Ordering::Relaxed);
        match method {
            "next" => {
                self.at
                    .store((at + 1) % self.items.len().max(1), Ordering::Relaxed);
                Some(
                    self.items
                        .get(at)
                        .cloned()
                        .ok_or_else(|| python::fail("at least one item has to be provided")),
                )
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Some(Ok(Jinja::from(())))
            }
            _ => None,
        }
    }
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        (key.as_str() == Some("current"))
            .then(|| self.items.get(self.at.load(Ordering::Relaxed)).cloned())
            .flatten()
    }
}

/// `joiner(", ")`: nothing the first time, then the separator.
#[derive(Debug)]
pub(super) struct Joiner {
    separator: String,
    used: AtomicBool,
}

impl Joiner {
    pub(super) fn next(&self) -> Jinja {
        let used = self.used.swap(true, Ordering::Relaxed);
        Jinja::from(if used { self.separator.as_str() } else { "" })
    }
}

impl Object for Joiner {}

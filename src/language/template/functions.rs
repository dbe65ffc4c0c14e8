//! Global functions.

use minijinja::value::{Object, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::args::Args;
use super::objects::{Dict, Omitted, entries_of};
use super::{Jinja, context, lookups, operators, python};

/// Arguments as the engine passes them.
type Given = Rest<ValueOrKwargs>;

/// Largest range a template may ask for.
const MAX_RANGE: i128 = 1_000_000;

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_function("__add", |a: Jinja, b: Jinja| operators::add(&a, &b));
    environment.add_function("__sub", |a: Jinja, b: Jinja| operators::subtract(&a, &b));
    environment.add_function("__mod", |a: Jinja, b: Jinja| operators::modulo(&a, &b));
    environment.add_function("__cat", |a: Jinja, b: Jinja| operators::concat(&a, &b));
    environment.add_function("__lt", |a: Jinja, b: Jinja| {
        operators::compare("<", &a, &b, std::cmp::Ordering::is_lt)
    });
    environment.add_function("__le", |a: Jinja, b: Jinja| {
        operators::compare("<=", &a, &b, std::cmp::Ordering::is_le)
    });
    environment.add_function("__gt", |a: Jinja, b: Jinja| {
        operators::compare(">", &a, &b, std::cmp::Ordering::is_gt)
    });
    environment.add_function("__ge", |a: Jinja, b: Jinja| {
        operators::compare(">=", &a, &b, std::cmp::Ordering::is_ge)
    });
    environment.add_function("__list", |items: Jinja| {
        python::items(&items).map(python::list)
    });
    environment.add_function("__dict", |map: Jinja| {
        Ok::<_, Error>(python::dict(entries_of(&map)?))
    });
    environment.add_function("range", |args: Given| range(&args.into_values()));
    environment.add_function("dict", |args: Given| dict(&args.into_values()));
    environment.add_function("namespace", minijinja::functions::namespace);
    environment.add_function("lookup", |args: Given| lookup(&args.into_values(), false));
    environment.add_function("query", |args: Given| lookup(&args.into_values(), true));
    environment.add_function("q", |args: Given| lookup(&args.into_values(), true));
    environment.add_function("now", |args: Given| {
        let given = args.into_values();
        let args = Args::bind("now", "utc fmt", &given)?;
        super::filters::time::now(args.flag(0, false)?, args.some(1))
    });
    environment.add_function("undef", |args: Given| {
        let given = args.into_values();
        let args = Args::bind("undef", "hint", &given)?;
        let hint = args.text_or(0, "a value must be given")?;
        Err::<Jinja, _>(Error::new(minijinja::ErrorKind::UndefinedError, hint))
    });
    environment.add_function("cycler", |args: Given| {
        Jinja::from_object(Cycler {
            items: args.into_values(),
            at: std::sync::Mutex::new(0),
        })
    });
    environment.add_function("joiner", |args: Given| {
        let given = args.into_values();
        let args = Args::bind("joiner", "sep", &given)?;
        Ok::<_, Error>(Jinja::from_object(Joiner {
            separator: args.text_or(0, ", ")?,
            used: std::sync::atomic::AtomicBool::new(false),
        }))
    });
    environment.add_global("omit", Jinja::from_object(Omitted));
}

fn range(args: &[Jinja]) -> Result<Jinja, Error> {
    let args = Args::bind("range", "start stop step", args)?;
    let (start, stop) = match args.get(1) {
        Some(_) => (args.int(0, 0)?, args.int(1, 0)?),
        None => (0, {
            args.need(0)?;
            args.int(0, 0)?
        }),
    };
    let step = args.int(2, 1)?;
    if step == 0 {
        return Err(args.fail("the step must not be zero"));
    }
    let span = i128::from(stop) - i128::from(start);
    let count = if (span > 0) == (step > 0) && span != 0 {
        (span.abs() + i128::from(step).abs() - 1) / i128::from(step).abs()
    } else {
        0
    };
    if count > MAX_RANGE {
        return Err(args.fail(format!("more than {MAX_RANGE} numbers")));
    }
    let numbers = (0..count)
        .map(|index| python::int(i128::from(start) + index * i128::from(step)))
        .collect();
    Ok(python::list(numbers))
}

fn dict(args: &[Jinja]) -> Result<Jinja, Error> {
    let args = Args::bind("dict", "value **", args)?;
    let mut entries = match args.get(0) {
        Some(value) => entries_of(value)?,
        None => Vec::new(),
    };
    entries.extend(
        args.extra()
            .map(|(name, value)| (Jinja::from(name), value.clone())),
    );
    Ok(Jinja::from_object(Dict::own(entries.into_iter().collect())))
}

fn lookup(values: &[Jinja], as_list: bool) -> Result<Jinja, Error> {
    let args = Args::bind(
        if as_list { "query" } else { "lookup" },
        "name * **",
        values,
    )?;
    let name = args.text(0)?;
    let context = context::current().ok_or_else(|| args.fail("no variables here"))?;
    let mut wantlist = as_list;
    let mut errors = "strict".to_owned();
    let mut options = Vec::new();
    for (key, value) in args.extra() {
        match key {
            "wantlist" => wantlist = value.is_true(),
            "errors" => errors = python::text(value)?,
            _ => options.push((key.to_owned(), value.clone())),
        }
    }
    let found = match lookups::run(&context, &name, args.rest().to_vec(), options) {
        Ok(found) => found,
        Err(error) if errors == "strict" => return Err(error),
        Err(_) if wantlist => Vec::new(),
        Err(_) => return Ok(Jinja::from(())),
    };
    if wantlist {
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
struct Cycler {
    items: Vec<Jinja>,
    at: std::sync::Mutex<usize>,
}

impl Object for Cycler {
    fn get_value(self: &std::sync::Arc<Self>, key: &Jinja) -> Option<Jinja> {
        (key.as_str() == Some("current"))
            .then(|| self.items.get(*context::lock(&self.at)).cloned())
            .flatten()
    }

    fn call_method(
        self: &std::sync::Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Jinja],
    ) -> Result<Jinja, Error> {
        let mut at = context::lock(&self.at);
        match method {
            "next" => {
                let item = self.items.get(*at).cloned();
                *at = (*at + 1) % self.items.len().max(1);
                item.ok_or_else(|| python::fail("cycler: no items"))
            }
            "reset" => {
                *at = 0;
                Ok(Jinja::from(()))
            }
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}

/// `joiner(", ")`: nothing the first time, then the separator.
#[derive(Debug)]
struct Joiner {
    separator: String,
    used: std::sync::atomic::AtomicBool,
}

impl Object for Joiner {
    fn call(
        self: &std::sync::Arc<Self>,
        _: &mut State<'_, '_>,
        _: &[Jinja],
    ) -> Result<Jinja, Error> {
        let used = self.used.swap(true, std::sync::atomic::Ordering::Relaxed);
        Ok(Jinja::from(if used { self.separator.as_str() } else { "" }))
    }
}

//! Methods that Python's own types have.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind};

use super::args::{Args, Given, Spec};
use super::functions::{Cycler, Joiner};
use super::objects::{Dict, List, Namespace, entries_of};
use super::run::{Loop, Module};
use super::{Jinja, python};
use crate::template::run::Vm;

pub(super) fn bind<'a>(
    method: &'a str,
    names: &'static str,
    given: &Given,
) -> Result<Args<'a>, Error> {
    Args::bind(method, Spec::of(names), given)
}

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
    "decode",
];
const MAPPING: &[&str] = &[
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];
const LIST: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];
const TUPLE: &[&str] = &["count", "index"];
const INT: &[&str] = &[
    "bit_length",
    "bit_count",
    "is_integer",
    "conjugate",
    "__and__",
    "__or__",
    "__xor__",
    "__lshift__",
    "__rshift__",
];
const FLOAT: &[&str] = &["is_integer", "conjugate", "hex"];

/// Whether a value has a method of a name.
pub(super) fn known(value: &Jinja, name: &str) -> bool {
    match value.kind() {
        ValueKind::String => TEXT.contains(&name),
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() => MAPPING.contains(&name),
        ValueKind::Map if plain_object(value) => object_method(value, name),
        ValueKind::Map => matches!(name, "get" | "items" | "keys" | "values"),
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => TUPLE.contains(&name),
        ValueKind::Seq | ValueKind::Iterable => LIST.contains(&name),
        ValueKind::Number if value.is_integer() => INT.contains(&name),
        ValueKind::Bool => INT.contains(&name),
        ValueKind::Number => FLOAT.contains(&name),
        ValueKind::Bytes => name == "decode",
        _ => object_method(value, name),
    }
}

/// Objects of templates that look like mappings to the engine's values.
fn plain_object(value: &Jinja) -> bool {
    value.downcast_object_ref::<Loop>().is_some()
        || value.downcast_object_ref::<Cycler>().is_some()
        || value.downcast_object_ref::<Joiner>().is_some()
        || value.downcast_object_ref::<Module>().is_some()
        || value.downcast_object_ref::<Namespace>().is_some()
}

fn object_method(value: &Jinja, name: &str) -> bool {
    if value.downcast_object_ref::<Loop>().is_some() {
        return matches!(name, "cycle" | "changed");
    }
    if value.downcast_object_ref::<Cycler>().is_some() {
        return matches!(name, "next" | "reset");
    }
    super::filters::time::methods(value).contains(&name)
}

/// Calls a method that [`known`] knows.
pub(super) fn call(
    vm: &mut Vm<'_>,
    value: &Jinja,
    method: &str,
    given: &Given,
) -> Result<Jinja, Error> {
    let _ = &vm;
    if let Some(dict) = value.downcast_object::<Dict>()
        && let Some(result) = dict.method(method, given)
    {
        return result;
    }
    if let Some(list) = value.downcast_object::<List>()
        && let Some(result) = list.method(method, given)
    {
        return result;
    }
    if let Some(state) = value.downcast_object_ref::<Loop>() {
        return match method {
            "cycle" => state.cycle(&given.positional),
            _ => Ok(Jinja::from(state.changed(&given.positional))),
        };
    }
    if let Some(joiner) = value.downcast_object_ref::<Joiner>() {
        return Ok(joiner.next());
    }
    if let Some(cycler) = value.downcast_object_ref::<Cycler>()
        && let Some(result) = cycler.method(method)
    {
        return result;
    }
    let found = match value.kind() {
        ValueKind::String => super::text_methods::call(value, method, given),
        ValueKind::Map => mapping(value, method, given),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, given),
        ValueKind::Number | ValueKind::Bool => number(value, method, given),
        ValueKind::Bytes => bytes(value, method),
        _ => super::filters::time::method(value, method, given),
    };
    found.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::UnknownMethod,
            format!(
                "object of type '{}' has no attribute '{method}'",
                python::type_name(value)
            ),
        ))
    })
}

/// Methods of lists and tuples that change nothing.
pub(super) fn sequence(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "count" => bind(method, "value", args).and_then(|args| {
            let wanted = args.need(0)?;
            let items = python::items(value)?;
            Ok(Jinja::from(
                items.iter().filter(|item| *item == wanted).count(),
            ))
        }),
        "index" => bind(method, "value start stop", args).and_then(|args| {
            let wanted = args.need(0)?;
            let items = python::items(value)?;
            let (start, stop) = bounds(&args, 1, items.len())?;
            items
                .iter()
                .enumerate()
                .take(stop)
                .skip(start)
                .find(|(_, item)| *item == wanted)
                .map(|(index, _)| Jinja::from(index))
                .ok_or_else(|| {
                    python::fail(format!(
                        "{} is not in list",
                        python::repr(wanted).unwrap_or_default()
                    ))
                })
        }),
        "copy" => python::items(value).map(python::list),
        _ => return None,
    })
}

/// Start and stop of a search, as Python clamps them.
pub(super) fn bounds(
    args: &Args<'_>,
    first: usize,
    length: usize,
) -> Result<(usize, usize), Error> {
    let clamp = |index: i64| {
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        if index < 0 {
            length.saturating_sub(distance)
        } else {
            distance.min(length)
        }
    };
    Ok((
        clamp(args.int(first, 0)?),
        clamp(args.int(first + 1, i64::MAX)?),
    ))
}

/// Methods of mappings that change nothing.
pub(super) fn mapping(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "items" => entries_of(value).map(|entries| {
            python::list(
                entries
                    .into_iter()
                    .map(|(key, item)| python::tuple(vec![key, item]))
                    .collect(),
            )
        }),
        "keys" => python::items(value).map(python::list),
        "values" => entries_of(value)
            .map(|entries| python::list(entries.into_iter().map(|(_, item)| item).collect())),
        "get" => bind(method, "key default", args).and_then(|args| {
            let key = args.need(0)?;
            python::hashable(key)?;
            let found = match value.downcast_object_ref::<Dict>() {
                Some(dict) => dict.find(key),
                None => Some(value.get_item(key)?).filter(|found| !found.is_undefined()),
            };
            Ok(found
                .or_else(|| args.raw(1).cloned())
                .unwrap_or_else(|| Jinja::from(())))
        }),
        "copy" => entries_of(value).map(python::dict),
        _ => return None,
    })
}

fn number(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "is_integer" => Ok(Jinja::from(
            python::number(value).is_some_and(|number| number.fract() == 0.0),
        )),
        "bit_length" => {
            Ok(Jinja::from(python::whole(value).map_or(0, |number| {
                128 - number.unsigned_abs().leading_zeros()
            })))
        }
        "bit_count" => Ok(Jinja::from(
            python::whole(value).map_or(0, |number| number.unsigned_abs().count_ones()),
        )),
        "conjugate" => Ok(value.clone()),
        "__and__" | "__or__" | "__xor__" | "__lshift__" | "__rshift__" => {
            bind(method, "other", args).and_then(|args| {
                let (Some(a), Some(b)) = (python::whole(value), python::whole(args.need(0)?))
                else {
                    return Err(python::fail("whole numbers are needed"));
                };
                let result = match method {
                    "__and__" => Some(a & b),
                    "__or__" => Some(a | b),
                    "__xor__" => Some(a ^ b),
                    "__rshift__" => Some(a >> b.clamp(0, 127)),
                    _ => u32::try_from(b)
                        .ok()
                        .filter(|by| *by < 100)
                        .and_then(|by| a.checked_mul(1_i128.checked_shl(by)?)),
                };
                result
                    .map(python::int)
                    .ok_or_else(|| python::fail("the number is too large"))
            })
        }
        _ => return None,
    })
}

fn bytes(value: &Jinja, method: &str) -> Option<Result<Jinja, Error>> {
    (method == "decode").then(|| {
        Ok(Jinja::from(
            String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned(),
        ))
    })
}

//! What a value is, and how it compares.

use minijinja::Error;
use minijinja::value::ValueKind;

use super::Row;
use crate::template::args::Args;
use crate::template::objects::{Dict, List};
use crate::template::{Jinja, operators, python};

pub(super) const ROWS: &[Row] = &[
    (&["defined"], "?value", |_, args| Ok(args.get(0).is_some())),
    (&["undefined"], "?value", |_, args| {
        Ok(args.get(0).is_none())
    }),
    (&["none"], "value", |_, args| Ok(args.need(0)?.is_none())),
    (&["boolean"], "value", |_, args| kind(args, ValueKind::Bool)),
    (&["true"], "value", |_, args| is_bool(args, true)),
    (&["false"], "value", |_, args| is_bool(args, false)),
    (&["string"], "value", |_, args| {
        kind(args, ValueKind::String)
    }),
    (&["mapping"], "value", |_, args| kind(args, ValueKind::Map)),
    (&["number"], "value", |_, args| {
        Ok(python::number(args.need(0)?).is_some())
    }),
    (&["integer"], "value", |_, args| {
        let value = args.need(0)?;
        Ok(value.kind() == ValueKind::Number && value.is_integer())
    }),
    (&["float"], "value", |_, args| {
        let value = args.need(0)?;
        Ok(value.kind() == ValueKind::Number && !value.is_integer())
    }),
    (&["sequence", "iterable"], "value", |_, args| {
        let value = args.need(0)?;
        Ok(value.as_str().is_some() || python::is_list(value) || python::is_map(value))
    }),
    (&["callable"], "value", |_, args| {
        Ok(args.need(0)?.kind() == ValueKind::Plain)
    }),
    (&["sameas"], "value other", |_, args| {
        let (a, b) = (args.need(0)?, args.need(1)?);
        let same = match (a.as_object(), b.as_object()) {
            (Some(_), Some(_)) => same_object(a, b),
            (None, None) => python::type_name(a) == python::type_name(b) && a == b,
            _ => false,
        };
        Ok(same)
    }),
    (&["eq", "==", "equalto"], "value other", |_, args| {
        operators::equal(args.need(0)?, args.need(1)?)
    }),
    (&["ne", "!="], "value other", |_, args| {
        operators::equal(args.need(0)?, args.need(1)?).map(|equal| !equal)
    }),
    (&["lt", "<", "lessthan"], "value other", |_, args| {
        compare("<", args, std::cmp::Ordering::is_lt)
    }),
    (&["le", "<="], "value other", |_, args| {
        compare("<=", args, std::cmp::Ordering::is_le)
    }),
    (&["gt", ">", "greaterthan"], "value other", |_, args| {
        compare(">", args, std::cmp::Ordering::is_gt)
    }),
    (&["ge", ">="], "value other", |_, args| {
        compare(">=", args, std::cmp::Ordering::is_ge)
    }),
    (&["in"], "value seq", |_, args| {
        operators::contains(args.need(1)?, args.need(0)?)
    }),
    (&["contains"], "value item", |_, args| {
        operators::contains(args.need(0)?, args.need(1)?)
    }),
    (&["odd"], "value", |_, args| Ok(whole(args)? % 2 != 0)),
    (&["even"], "value", |_, args| Ok(whole(args)? % 2 == 0)),
    (&["divisibleby"], "value num", |_, args| {
        let divisor = args.int(1, 1)?;
        if divisor == 0 {
            return Err(args.fail("integer modulo by zero"));
        }
        Ok(whole(args)? % i128::from(divisor) == 0)
    }),
    (&["nan", "isnan"], "value", |_, args| {
        Ok(python::number(args.need(0)?).is_some_and(f64::is_nan))
    }),
    (&["truthy"], "value convert_bool", |_, args| truth(args)),
    (&["falsy"], "value convert_bool", |_, args| {
        truth(args).map(|truth| !truth)
    }),
    (&["any"], "value", |_, args| {
        Ok(args.items(0)?.iter().any(Jinja::is_true))
    }),
    (&["all"], "value", |_, args| {
        Ok(args.items(0)?.iter().all(Jinja::is_true))
    }),
    (&["subset", "issubset"], "value other", |_, args| {
        let other = args.items(1)?;
        Ok(args.items(0)?.iter().all(|item| other.contains(item)))
    }),
    (&["superset", "issuperset"], "value other", |_, args| {
        let items = args.items(0)?;
        Ok(args.items(1)?.iter().all(|item| items.contains(item)))
    }),
    (&["filter"], "value", |_, args| {
        let name = args.text(0)?;
        Ok(crate::template::filters::find(name.rsplit('.').next().unwrap_or(&name)).is_some())
    }),
    (&["test"], "value", |_, args| {
        let name = args.text(0)?;
        Ok(super::find(name.rsplit('.').next().unwrap_or(&name)).is_some())
    }),
    (&["escaped"], "value", |_, _| Ok(false)),
];

fn kind(args: &Args<'_>, wanted: ValueKind) -> Result<bool, Error> {
    Ok(args.need(0)?.kind() == wanted)
}

fn is_bool(args: &Args<'_>, wanted: bool) -> Result<bool, Error> {
    let value = args.need(0)?;
    Ok(value.kind() == ValueKind::Bool && value.is_true() == wanted)
}

fn whole(args: &Args<'_>) -> Result<i128, Error> {
    let value = args.need(0)?;
    python::whole(value).ok_or_else(|| {
        args.fail(format!(
            "a whole number is needed, not {}",
            python::type_name(value)
        ))
    })
}

fn compare(
    sign: &str,
    args: &Args<'_>,
    holds: fn(std::cmp::Ordering) -> bool,
) -> Result<bool, Error> {
    operators::compare(sign, args.need(0)?, args.need(1)?, holds)
}

fn truth(args: &Args<'_>) -> Result<bool, Error> {
    let value = args.need(0)?;
    if args.flag(1, false)?
        && let Some(truth) = crate::template::filters::truth(value)
    {
        return Ok(truth);
    }
    Ok(value.is_true())
}

fn same_object(a: &Jinja, b: &Jinja) -> bool {
    match (a.downcast_object::<List>(), b.downcast_object::<List>()) {
        (Some(a), Some(b)) => return std::sync::Arc::ptr_eq(&a, &b),
        (None, None) => {}
        _ => return false,
    }
    match (a.downcast_object::<Dict>(), b.downcast_object::<Dict>()) {
        (Some(a), Some(b)) => std::sync::Arc::ptr_eq(&a, &b),
        _ => false,
    }
}

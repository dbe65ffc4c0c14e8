//! Operators whose Python meaning differs from the engine's, and the order of
//! values.

use std::cmp::Ordering;

use minijinja::Error;
use minijinja::value::ValueKind;

use super::filters::time::Moment;
use super::{Jinja, percent, python};

fn defined<'a>(a: &'a Jinja, b: &'a Jinja) -> Result<(), Error> {
    for value in [a, b] {
        if value.is_undefined() {
            return Err(python::undefined(value));
        }
    }
    Ok(())
}

pub(super) fn add(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(Jinja::from(format!("{a}{b}")));
    }
    if let (Some(a), Some(b)) = (python::whole(a), python::whole(b)) {
        return a
            .checked_add(b)
            .map(python::int)
            .ok_or_else(|| python::fail("the sum is too large"));
    }
    if let (Some(a), Some(b)) = (python::number(a), python::number(b)) {
        return Ok(Jinja::from(a + b));
    }
    if python::is_list(a) && python::is_list(b) && a.is_tuple() == b.is_tuple() {
        let mut items = python::items(a)?;
        items.extend(python::items(b)?);
        return Ok(if a.is_tuple() {
            python::tuple(items)
        } else {
            python::list(items)
        });
    }
    let (left, right) = (python::type_name(a), python::type_name(b));
    Err(python::fail(match left {
        "str" | "list" | "tuple" => {
            format!("can only concatenate {left} (not \"{right}\") to {left}")
        }
        _ => format!("unsupported operand type(s) for +: '{left}' and '{right}'"),
    }))
}

pub(super) fn subtract(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(a), Some(b)) = (python::whole(a), python::whole(b)) {
        return a
            .checked_sub(b)
            .map(python::int)
            .ok_or_else(|| python::fail("the difference is too large"));
    }
    if let (Some(a), Some(b)) = (python::number(a), python::number(b)) {
        return Ok(Jinja::from(a - b));
    }
    if let (Some(a), Some(b)) = (
        a.downcast_object_ref::<Moment>(),
        b.downcast_object_ref::<Moment>(),
    ) {
        return Ok(a.minus(b));
    }
    Err(python::fail(format!(
        "unsupported operand type(s) for -: '{}' and '{}'",
        python::type_name(a),
        python::type_name(b)
    )))
}

pub(super) fn modulo(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let Some(format) = a.as_str() {
        return percent::format(format, b).map(Jinja::from);
    }
    if let (Some(a), Some(b)) = (python::whole(a), python::whole(b)) {
        if b == 0 {
            return Err(python::fail("integer modulo by zero"));
        }
        let rest = a.checked_rem(b).unwrap_or(0);
        let rest = if rest != 0 && (rest < 0) != (b < 0) {
            rest + b
        } else {
            rest
        };
        return Ok(python::int(rest));
    }
    if let (Some(a), Some(b)) = (python::number(a), python::number(b)) {
        if b == 0.0 {
            return Err(python::fail("float modulo by zero"));
        }
        let rest = a % b;
        let rest = if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
            rest + b
        } else {
            rest
        };
        return Ok(Jinja::from(rest));
    }
    Err(python::fail(format!(
        "unsupported operand type(s) for %: '{}' and '{}'",
        python::type_name(a),
        python::type_name(b)
    )))
}

pub(super) fn concat(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    let mut text = String::new();
    python::write_text(&mut text, a)?;
    python::write_text(&mut text, b)?;
    Ok(Jinja::from(text))
}

/// The order of two values, where Python has one.
pub(super) fn order(a: &Jinja, b: &Jinja) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (python::whole(a), python::whole(b)) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (python::number(a), python::number(b)) {
        return a.partial_cmp(&b);
    }
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Some(a.cmp(b));
    }
    if python::is_list(a) && python::is_list(b) {
        let (a, b) = (python::items(a).ok()?, python::items(b).ok()?);
        for (a, b) in a.iter().zip(&b) {
            if a != b {
                return order(a, b);
            }
        }
        return Some(a.len().cmp(&b.len()));
    }
    None
}

pub(super) fn compare(
    sign: &str,
    a: &Jinja,
    b: &Jinja,
    holds: impl Fn(Ordering) -> bool,
) -> Result<Jinja, Error> {
    defined(a, b)?;
    match order(a, b) {
        Some(order) => Ok(Jinja::from(holds(order))),
        None if a.kind() == ValueKind::Number && b.kind() == ValueKind::Number => {
            Ok(Jinja::from(false))
        }
        None => Err(no_order(sign, a, b)),
    }
}

fn no_order(sign: &str, a: &Jinja, b: &Jinja) -> Error {
    python::fail(format!(
        "'{sign}' not supported between instances of '{}' and '{}'",
        python::type_name(a),
        python::type_name(b)
    ))
}

/// Sorts as Python does; fails where two items have no order.
pub(super) fn sort(items: &mut [Jinja]) -> Result<(), Error> {
    sort_by_key(items, |item| Ok(item.clone()))
}

pub(super) fn sort_by_key(
    items: &mut [Jinja],
    key: impl Fn(&Jinja) -> Result<Jinja, Error>,
) -> Result<(), Error> {
    let mut keyed = items
        .iter()
        .map(|item| Ok((key(item)?, item.clone())))
        .collect::<Result<Vec<_>, Error>>()?;
    sort_pairs(&mut keyed)?;
    for (slot, (_, item)) in items.iter_mut().zip(keyed) {
        *slot = item;
    }
    Ok(())
}

/// Sorts pairs by their first half.
pub(super) fn sort_pairs<T>(pairs: &mut [(Jinja, T)]) -> Result<(), Error> {
    // Checked before, because a sort needs a total order.
    if let [(first, _), rest @ ..] = &*pairs {
        for (other, _) in rest {
            if order(first, other).is_none() && first != other {
                return Err(no_order("<", other, first));
            }
        }
    }
    pairs.sort_by(|(a, _), (b, _)| order(a, b).unwrap_or(Ordering::Equal));
    Ok(())
}

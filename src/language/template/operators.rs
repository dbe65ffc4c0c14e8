//! Operators whose Python meaning differs from the engine's, and the order of
//! values.

use std::cmp::Ordering;

use minijinja::Error;
use minijinja::value::ValueKind;

use super::filters::time::Moment;
use super::functions::Range;
use super::objects::{Dict, entries_of};
use super::{Jinja, percent, python};
use crate::template::marker::Missing;

fn defined<'a>(a: &'a Jinja, b: &'a Jinja) -> Result<(), Error> {
    for value in [a, b] {
        if value.is_missing() {
            return Err(python::undefined(value));
        }
    }
    Ok(())
}

pub(super) fn add(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        python::fits(a.len() + b.len())?;
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
        let mut items = python::raw_items(a)?;
        items.extend(python::raw_items(b)?);
        python::few(items.len())?;
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

/// `a * b`: numbers, or text and lists several times.
pub(super) fn multiply(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(x), Some(y)) = (python::whole(a), python::whole(b)) {
        return x
            .checked_mul(y)
            .map(python::int)
            .ok_or_else(|| python::fail("the product is too large"));
    }
    if let (Some(x), Some(y)) = (python::number(a), python::number(b)) {
        return Ok(Jinja::from(x * y));
    }
    let (many, times) = match (python::whole(a), python::whole(b)) {
        (None, Some(times)) => (a, times),
        (Some(times), None) => (b, times),
        _ => return Err(unsupported("*", a, b)),
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = many.as_str() {
        python::fits(text.len().saturating_mul(times))?;
        return Ok(Jinja::from(text.repeat(times)));
    }
    if python::is_list(many) {
        let items = python::raw_items(many)?;
        python::few(items.len().saturating_mul(times))?;
        let all: Vec<Jinja> = (0..times).flat_map(|_| items.iter().cloned()).collect();
        return Ok(if many.is_tuple() {
            python::tuple(all)
        } else {
            python::list(all)
        });
    }
    Err(unsupported("*", a, b))
}

fn unsupported(sign: &str, a: &Jinja, b: &Jinja) -> Error {
    python::fail(format!(
        "unsupported operand type(s) for {sign}: '{}' and '{}'",
        python::type_name(a),
        python::type_name(b)
    ))
}

pub(super) fn divide(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    let (Some(x), Some(y)) = (python::number(a), python::number(b)) else {
        return Err(unsupported("/", a, b));
    };
    if y == 0.0 {
        let whole = python::whole(a).is_some() && python::whole(b).is_some();
        return Err(python::fail(if whole {
            "division by zero"
        } else {
            "float division by zero"
        }));
    }
    Ok(Jinja::from(x / y))
}

pub(super) fn floor_divide(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(x), Some(y)) = (python::whole(a), python::whole(b)) {
        if y == 0 {
            return Err(python::fail("integer division or modulo by zero"));
        }
        let quotient = x
            .checked_div(y)
            .ok_or_else(|| python::fail("the quotient is too large"))?;
        let inexact = x.checked_rem(y).unwrap_or(0) != 0;
        return Ok(python::int(if inexact && (x < 0) != (y < 0) {
            quotient - 1
        } else {
            quotient
        }));
    }
    let (Some(x), Some(y)) = (python::number(a), python::number(b)) else {
        return Err(unsupported("//", a, b));
    };
    if y == 0.0 {
        return Err(python::fail("float floor division by zero"));
    }
    Ok(Jinja::from((x / y).floor()))
}

pub(super) fn power(a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    defined(a, b)?;
    if let (Some(x), Some(y)) = (python::whole(a), python::whole(b))
        && y >= 0
    {
        return u32::try_from(y)
            .ok()
            .and_then(|y| x.checked_pow(y))
            .map(python::int)
            .ok_or_else(|| python::fail("the power is too large"));
    }
    let (Some(x), Some(y)) = (python::number(a), python::number(b)) else {
        return Err(unsupported("** or pow()", a, b));
    };
    if x == 0.0 && y < 0.0 {
        return Err(python::fail("0.0 cannot be raised to a negative power"));
    }
    Ok(Jinja::from(x.powf(y)))
}

fn signed(sign: &str, a: &Jinja, factor: i128) -> Result<Jinja, Error> {
    if a.is_missing() {
        return Err(python::undefined(a));
    }
    if let Some(whole) = python::whole(a) {
        return Ok(python::int(whole.saturating_mul(factor)));
    }
    python::number(a)
        .map(|number| Jinja::from(if factor < 0 { -number } else { number }))
        .ok_or_else(|| {
            python::fail(format!(
                "bad operand type for unary {sign}: '{}'",
                python::type_name(a)
            ))
        })
}

pub(super) fn negate(a: &Jinja) -> Result<Jinja, Error> {
    signed("-", a, -1)
}

pub(super) fn positive(a: &Jinja) -> Result<Jinja, Error> {
    signed("+", a, 1)
}

/// `a == b`, with every lazy part evaluated.
pub(super) fn equal(a: &Jinja, b: &Jinja) -> Result<bool, Error> {
    equal_at(a, b, 0)
}

fn equal_at(a: &Jinja, b: &Jinja, depth: usize) -> Result<bool, Error> {
    defined(a, b)?;
    if depth > python::MAX_DEPTH {
        return Err(python::fail("value is nested too deeply"));
    }
    if python::is_list(a) && python::is_list(b) {
        if a.is_tuple() != b.is_tuple() {
            return Ok(false);
        }
        let (x, y) = (python::raw_items(a)?, python::raw_items(b)?);
        if x.len() != y.len() {
            return Ok(false);
        }
        for (x, y) in x.iter().zip(&y) {
            if !equal_at(x, y, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if python::is_map(a) && python::is_map(b) {
        let (x, y) = (entries_of(a)?, entries_of(b)?);
        if x.len() != y.len() {
            return Ok(false);
        }
        let y: indexmap::IndexMap<Jinja, Jinja> = y.into_iter().collect();
        for (key, x) in &x {
            match y.get(key) {
                Some(y) if equal_at(x, y, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    if let (Some(x), Some(y)) = (python::whole(a), python::whole(b)) {
        return Ok(x == y);
    }
    if let (Some(x), Some(y)) = (python::number(a), python::number(b)) {
        return Ok(x == y);
    }
    Ok(a == b)
}

/// `item in container`.
pub(super) fn contains(container: &Jinja, item: &Jinja) -> Result<bool, Error> {
    defined(container, item)?;
    if let Some(text) = container.as_str() {
        return match item.as_str() {
            Some(part) => Ok(text.contains(part)),
            None => Err(python::fail(format!(
                "'in <string>' requires string as left operand, not {}",
                python::type_name(item)
            ))),
        };
    }
    if let Some(dict) = container.downcast_object_ref::<Dict>() {
        python::hashable(item)?;
        return Ok(dict.has(item));
    }
    if let (Some(range), Some(number)) = (
        container.downcast_object_ref::<Range>(),
        python::whole(item),
    ) {
        return Ok(range.contains(number));
    }
    if python::is_map(container) {
        return Ok(!container.get_item(item)?.is_undefined());
    }
    if !python::is_list(container) {
        return Err(python::fail(format!(
            "argument of type '{}' is not iterable",
            python::type_name(container)
        )));
    }
    for own in python::raw_items(container)? {
        if equal(&own, item)? {
            return Ok(true);
        }
    }
    Ok(false)
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
    if let (Some(a), Some(b)) = (
        a.downcast_object_ref::<Moment>(),
        b.downcast_object_ref::<Moment>(),
    ) {
        return Some(a.time().cmp(&b.time()));
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
) -> Result<bool, Error> {
    defined(a, b)?;
    match order(a, b) {
        Some(order) => Ok(holds(order)),
        None if a.kind() == ValueKind::Number && b.kind() == ValueKind::Number => Ok(false),
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

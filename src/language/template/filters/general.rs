//! Conversions and choices between values.

use minijinja::Error;
use minijinja::value::ValueKind;

use super::Row;
use crate::template::args::Args;
use crate::template::error::shown;
use crate::template::marker::Missing;
use crate::template::run::Vm;
use crate::template::{Jinja, convert, percent, python};

pub(super) const ROWS: &[Row] = &[
    ("default", "?value default_value boolean", default),
    ("d", "?value default_value boolean", default),
    ("bool", "value", boolean),
    ("int", "?value default base", int),
    ("float", "?value default", float),
    ("string", "value", |_, args| args.text(0).map(Jinja::from)),
    ("type_debug", "?value", type_debug),
    ("mandatory", "?value msg", mandatory),
    ("ternary", "?value true_val false_val none_val", ternary),
    ("undefined_or", "?value default", default),
    ("abs", "value", absolute),
    ("round", "value precision method", round),
    ("log", "value base", log),
    ("pow", "value power", pow),
    ("root", "value base", root),
    ("human_readable", "value isbits unit", human_readable),
    (
        "human_to_bytes",
        "value default_unit isbits",
        human_to_bytes,
    ),
    ("filesizeformat", "value binary", filesizeformat),
    ("finalize", "value", |_, args| {
        super::encoding::inside(&convert::settle(args.need(0)?)?)
    }),
    ("unmask", "value *", |_, args| args.need(0).cloned()),
    ("safe", "value", |_, args| args.need(0).cloned()),
    ("pprint", "value", |_, args| {
        python::repr(args.need(0)?).map(Jinja::from)
    }),
];

fn default(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let fallback = || args.raw(1).cloned().unwrap_or_else(|| Jinja::from(""));
    match args.raw(0) {
        Some(value) if value.is_absent() => Ok(fallback()),
        Some(value) if args.flag(2, false)? && !python::truth(value)? => Ok(fallback()),
        Some(value) => Ok(value.clone()),
        None => Ok(fallback()),
    }
}

/// The words that mean true and false.
pub(in crate::template) fn truth(value: &Jinja) -> Option<bool> {
    match value.kind() {
        ValueKind::Bool => Some(value.is_true()),
        ValueKind::Number => match python::number(value) {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        ValueKind::String => match value.as_str()?.to_lowercase().as_str() {
            "yes" | "on" | "1" | "true" => Some(true),
            "no" | "off" | "0" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn boolean(vm: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    if truth(value).is_none() {
        vm.context.templar.warn(&format!(
            "the filter bool takes words such as yes and no; {} counts as false",
            shown(value)
        ));
    }
    // None and anything unknown counts as false, as it always has.
    Ok(Jinja::from(truth(value).unwrap_or(false)))
}

fn int(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = match args.raw(0) {
        Some(value) if value.is_missing() => return Err(python::undefined(value)),
        Some(value) => value,
        None => return args.need(0).cloned(),
    };
    let fallback = || args.raw(1).cloned().unwrap_or_else(|| Jinja::from(0));
    if let Some(number) = python::whole(value) {
        return Ok(python::int(number));
    }
    if let Some(number) = python::number(value) {
        return Ok(if number.is_finite() {
            python::int(number.trunc() as i128)
        } else {
            fallback()
        });
    }
    let Some(text) = value.as_str() else {
        return Ok(fallback());
    };
    let base = u32::try_from(args.int(2, 10)?).unwrap_or(10);
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.replace('_', "");
    let lower = digits.to_lowercase();
    let (digits, base) = match (lower.get(..2), base) {
        (Some("0x"), 16 | 0) => (&lower[2..], 16),
        (Some("0o"), 8 | 0) => (&lower[2..], 8),
        (Some("0b"), 2 | 0) => (&lower[2..], 2),
        (_, 0) => (lower.as_str(), 10),
        (_, base) => (lower.as_str(), base),
    };
    if (2..=36).contains(&base)
        && !digits.starts_with(['+', '-'])
        && let Ok(number) = i128::from_str_radix(digits, base)
    {
        return Ok(python::int(sign * number));
    }
    Ok(match text.parse::<f64>() {
        Ok(number) if number.is_finite() => python::int(number.trunc() as i128),
        _ => fallback(),
    })
}

fn float(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = match args.raw(0) {
        Some(value) if value.is_missing() => return Err(python::undefined(value)),
        Some(value) => value,
        None => return args.need(0).cloned(),
    };
    let number = python::number(value).or_else(|| value.as_str()?.trim().parse().ok());
    Ok(number.map_or_else(
        || args.raw(1).cloned().unwrap_or_else(|| Jinja::from(0.0)),
        Jinja::from,
    ))
}

fn type_debug(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    Ok(Jinja::from(
        args.raw(0).map_or("Undefined", python::type_name),
    ))
}

fn mandatory(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    match args.get(0) {
        Some(value) => Ok(value.clone()),
        None => match args.some(1) {
            Some(message) => Err(python::fail(python::text(message)?)),
            None => Err(python::fail("Mandatory variable not defined.")),
        },
    }
}

fn ternary(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let chosen = match args.some(3) {
        Some(none) if value.is_none() => Some(none),
        _ if python::truth(value)? => args.raw(1),
        _ => args.raw(2),
    };
    chosen
        .cloned()
        .ok_or_else(|| args.fail("two values to choose from are needed"))
}

/// A number argument, or an error that names it.
pub(super) fn real(args: &Args<'_>, index: usize) -> Result<f64, Error> {
    let value = args.need(index)?;
    python::number(value)
        .or_else(|| value.as_str()?.trim().parse().ok())
        .ok_or_else(|| args.fail(format!("{} is not a number", shown(value))))
}

fn absolute(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    match python::whole(value) {
        Some(number) => Ok(python::int(number.saturating_abs())),
        None => match python::number(value) {
            Some(number) => Ok(Jinja::from(number.abs())),
            None => Err(args.fail(format!(
                "bad operand type for abs(): '{}'",
                python::type_name(value)
            ))),
        },
    }
}

fn round(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let number = real(args, 0)?;
    let precision = args.int(1, 0)?.clamp(-300, 300) as i32;
    let method = args.text_or(2, "common")?;
    let scale = 10f64.powi(precision);
    let rounded = match method.as_str() {
        "ceil" => (number * scale).ceil() / scale,
        "floor" => (number * scale).floor() / scale,
        "common" if precision >= 0 => format!("{number:.0$}", precision as usize)
            .parse()
            .unwrap_or(number),
        "common" => (number * scale).round_ties_even() / scale,
        _ => return Err(args.fail("the method must be common, ceil or floor")),
    };
    // Whole numbers stay whole where Python's round() is what counts.
    if method == "common" && python::whole(args.need(0)?).is_some() {
        return Ok(python::int(rounded as i128));
    }
    Ok(Jinja::from(rounded))
}

/// A number for the filter of a name; text is none.
fn exact(args: &Args<'_>, index: usize) -> Result<f64, Error> {
    let value = args.need(index)?;
    python::number(value).ok_or_else(|| {
        args.fail(format!(
            "{}() can only be used on numbers: must be real number, not {}",
            args.of(),
            python::type_name(value)
        ))
    })
}

fn outside(args: &Args<'_>) -> Error {
    args.fail(format!(
        "{}() can only be used on numbers: math domain error",
        args.of()
    ))
}

fn log(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let number = exact(args, 0)?;
    if number <= 0.0 {
        return Err(outside(args));
    }
    Ok(Jinja::from(match args.some(1) {
        None => number.ln(),
        Some(_) => match exact(args, 1)? {
            10.0 => number.log10(),
            2.0 => number.log2(),
            base => number.ln() / base.ln(),
        },
    }))
}

fn pow(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    // As math.pow: always a float.
    Ok(Jinja::from(exact(args, 0)?.powf(exact(args, 1)?)))
}

fn root(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let number = exact(args, 0)?;
    if number < 0.0 {
        return Err(outside(args));
    }
    Ok(Jinja::from(match args.some(1) {
        None => number.sqrt(),
        Some(_) => match exact(args, 1)? {
            2.0 => number.sqrt(),
            base => number.powf(1.0 / base),
        },
    }))
}

const UNITS: [(char, u32); 8] = [
    ('Y', 80),
    ('Z', 70),
    ('E', 60),
    ('P', 50),
    ('T', 40),
    ('G', 30),
    ('M', 20),
    ('K', 10),
];

fn human_readable(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let size = python::number(args.need(0)?).ok_or_else(|| {
        args.fail(format!(
            "human_readable() failed on bad input: {} is no number",
            shown(args.raw(0).unwrap_or(&Jinja::from(())))
        ))
    })?;
    let bits = args.flag(1, false)?;
    let base = if bits { "bits" } else { "Bytes" };
    let wanted = args.some(2).map(python::text).transpose()?;
    for (letter, power) in UNITS {
        let limit = 2f64.powi(power as i32);
        let hit = match &wanted {
            Some(unit) => unit.to_uppercase().starts_with(letter),
            None => size >= limit,
        };
        if hit {
            let suffix = if bits { 'b' } else { 'B' };
            return Ok(Jinja::from(format!("{:.2} {letter}{suffix}", size / limit)));
        }
    }
    Ok(Jinja::from(format!("{size:.2} {base}")))
}

fn human_to_bytes(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let text = text.trim();
    let bits = args.flag(2, false)?;
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (digits, unit) = (&text[..split], text[split..].trim());
    let number: f64 = digits
        .parse()
        .map_err(|_| args.fail(format!("can't interpret the number in '{text}'")))?;
    let unit = if unit.is_empty() {
        args.text_or(1, "B")?
    } else {
        unit.to_owned()
    };
    let first = unit.chars().next().map_or('B', |c| c.to_ascii_uppercase());
    let rest = unit.get(1..).unwrap_or_default();
    let power = match first {
        'B' => 0,
        letter => {
            UNITS
                .iter()
                .find(|(known, _)| *known == letter)
                .ok_or_else(|| args.fail(format!("unknown unit in '{text}'")))?
                .1
        }
    };
    let expected = if bits { ["b", "bit"] } else { ["B", "byte"] };
    let fits = power == 0
        || rest.is_empty()
        || rest == expected[0]
        || rest.to_lowercase() == expected[1]
        || rest.to_lowercase() == format!("{}s", expected[1]);
    if !fits {
        return Err(args.fail(format!("'{text}' has a unit of the other kind or none")));
    }
    Ok(python::int(
        (number * 2f64.powi(power as i32)).round_ties_even() as i128,
    ))
}

fn filesizeformat(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let size = real(args, 0)?;
    let binary = args.flag(1, false)?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if size == 1.0 {
        return Ok(Jinja::from("1 Byte"));
    }
    if size < base {
        return Ok(Jinja::from(format!("{size:.0} Bytes")));
    }
    let letters = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut unit = base;
    let mut text = String::new();
    for (index, letter) in letters.iter().enumerate() {
        unit *= base;
        if size < unit || index == letters.len() - 1 {
            let name = if binary {
                format!("{}iB", letter.to_uppercase())
            } else {
                format!("{letter}B")
            };
            text = format!("{} {name}", percent::real('f', base * size / unit, 1));
            break;
        }
    }
    Ok(Jinja::from(text))
}

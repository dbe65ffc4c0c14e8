//! Dates and times.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::Error;

use super::Row;
use crate::template::args::{Args, Given, Spec};
use crate::template::run::Vm;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    ("strftime", "string_format second utc", strftime),
    ("to_datetime", "value format", to_datetime),
];

/// `now()`: text in Python's spelling, or in a format.
pub(in crate::template) fn now(utc: bool, format: Option<&Jinja>) -> Result<Jinja, Error> {
    let zone = if utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let now = jiff::Timestamp::now().to_zoned(zone);
    match format {
        Some(format) => write(&python::text(format)?, &now),
        None => Ok(Jinja::from_object(Moment(now.datetime()))),
    }
}

/// A time in a format of Python's datetime, which knows parts of a second.
fn write(format: &str, time: &Zoned) -> Result<Jinja, Error> {
    write_with(format, time, "%6f")
}

fn write_with(format: &str, time: &Zoned, micros: &str) -> Result<Jinja, Error> {
    let format = pythonic(format, micros);
    strtime::format(&format, time)
        .map(Jinja::from)
        .map_err(|error| python::fail(format!("the time format '{format}': {error}")))
}

/// Directives that the library reads in another way.
fn pythonic(format: &str, micros: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '%' {
            match chars.next() {
                Some('f') => {
                    out.pop();
                    out.push_str(micros);
                }
                Some(c) => out.push(c),
                None => out.push('%'),
            }
        }
    }
    out
}

fn strftime(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let zone = if args.flag(2, false)? {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let time = match args.some(1) {
        None => jiff::Timestamp::now(),
        Some(_) => {
            let seconds = super::general::real(args, 1).map_err(|_| {
                args.fail(format!(
                    "Invalid value for epoch value ({})",
                    args.text(1).unwrap_or_default()
                ))
            })?;
            jiff::Timestamp::from_nanosecond((seconds * 1e9) as i128)
                .map_err(|error| args.fail(format!("{seconds} is no time: {error}")))?
        }
    };
    // The C library has no parts of a second.
    write_with(&args.text(0)?, &time.to_zoned(zone), "%%f")
}

fn to_datetime(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (text, format) = (args.text(0)?, args.text_or(1, "%Y-%m-%d %H:%M:%S")?);
    let failed = |error: jiff::Error| {
        args.fail(format!(
            "time data '{text}' does not match format '{format}': {error}"
        ))
    };
    let parsed = strtime::parse(&format, &text).map_err(failed)?;
    let date = parsed.to_date().map_err(failed)?;
    let time = parsed.to_time().unwrap_or(jiff::civil::Time::midnight());
    Ok(Jinja::from_object(Moment(date.to_datetime(time))))
}

/// Python's datetime, without a zone.
#[derive(Debug)]
pub(in crate::template) struct Moment(DateTime);

impl Moment {
    pub(in crate::template) fn time(&self) -> DateTime {
        self.0
    }

    pub(in crate::template) fn minus(&self, other: &Self) -> Jinja {
        Jinja::from_object(Span(
            self.0
                .to_zoned(TimeZone::UTC)
                .and_then(|a| {
                    Ok(a.timestamp().as_microsecond()
                        - other
                            .0
                            .to_zoned(TimeZone::UTC)?
                            .timestamp()
                            .as_microsecond())
                })
                .unwrap_or(0),
        ))
    }
}

impl minijinja::value::Object for Moment {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let time = self.0;
        Some(match key.as_str()? {
            "year" => Jinja::from(time.year()),
            "month" => Jinja::from(time.month()),
            "day" => Jinja::from(time.day()),
            "hour" => Jinja::from(time.hour()),
            "minute" => Jinja::from(time.minute()),
            "second" => Jinja::from(time.second()),
            "microsecond" => Jinja::from(time.subsec_nanosecond() / 1000),
            _ => return None,
        })
    }

    fn custom_cmp(
        self: &std::sync::Arc<Self>,
        other: &minijinja::value::DynObject,
    ) -> Option<std::cmp::Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.date(), self.0.time())
    }
}

/// The methods of a time or of a distance between two.
pub(in crate::template) fn methods(value: &Jinja) -> &'static [&'static str] {
    if value.downcast_object_ref::<Moment>().is_some() {
        &[
            "strftime",
            "isoformat",
            "timestamp",
            "weekday",
            "isoweekday",
            "date",
            "time",
            "ctime",
            "replace",
        ]
    } else if value.downcast_object_ref::<Span>().is_some() {
        &["total_seconds"]
    } else {
        &[]
    }
}

/// Python's name of the type.
pub(in crate::template) fn type_name(value: &Jinja) -> Option<&'static str> {
    if value.downcast_object_ref::<Moment>().is_some() {
        Some("datetime")
    } else if value.downcast_object_ref::<Span>().is_some() {
        Some("timedelta")
    } else {
        None
    }
}

/// A time in a format of `str.format`.
pub(in crate::template) fn formatted(value: &Jinja, spec: &str) -> Option<Result<String, Error>> {
    let time = value.downcast_object_ref::<Moment>()?.0;
    Some(
        time.to_zoned(TimeZone::system())
            .map_err(|error| python::fail(error.to_string()))
            .and_then(|zoned| write(spec, &zoned))
            .and_then(|text| python::text(&text)),
    )
}

/// Calls a method of a time or of a distance between two.
pub(in crate::template) fn method(
    value: &Jinja,
    method: &str,
    given: &Given,
) -> Option<Result<Jinja, Error>> {
    if let Some(span) = value.downcast_object_ref::<Span>() {
        return (method == "total_seconds").then(|| Ok(Jinja::from(span.0 as f64 / 1e6)));
    }
    let time = value.downcast_object_ref::<Moment>()?.0;
    let zoned = || {
        time.to_zoned(TimeZone::system())
            .map_err(|error| python::fail(error.to_string()))
    };
    Some(match method {
        "strftime" => Args::bind("strftime", Spec::of("format"), given)
            .and_then(|args| write(&args.text(0)?, &zoned()?)),
        "isoformat" => Ok(Jinja::from(isoformat(time))),
        "timestamp" => {
            zoned().map(|zoned| Jinja::from(zoned.timestamp().as_microsecond() as f64 / 1e6))
        }
        "weekday" => Ok(Jinja::from(time.weekday().to_monday_zero_offset())),
        "isoweekday" => Ok(Jinja::from(time.weekday().to_monday_one_offset())),
        "date" => Ok(Jinja::from(time.date().to_string())),
        "time" => Ok(Jinja::from(time.time().to_string())),
        "ctime" => zoned().and_then(|zoned| write("%a %b %e %H:%M:%S %Y", &zoned)),
        "replace" => replaced(time, given),
        _ => return None,
    })
}

fn isoformat(time: DateTime) -> String {
    let micros = time.subsec_nanosecond() / 1000;
    let mut text = format!(
        "{}T{:02}:{:02}:{:02}",
        time.date(),
        time.hour(),
        time.minute(),
        time.second()
    );
    if micros > 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    text
}

fn replaced(time: DateTime, given: &Given) -> Result<Jinja, Error> {
    let args = Args::bind(
        "replace",
        Spec::of("year month day hour minute second microsecond"),
        given,
    )?;
    let part = |index: usize, old: i64| args.int(index, old);
    let small = |number: i64| i8::try_from(number).unwrap_or(-1);
    let year = i16::try_from(part(0, time.year().into())?).unwrap_or(0);
    DateTime::new(
        year,
        small(part(1, time.month().into())?),
        small(part(2, time.day().into())?),
        small(part(3, time.hour().into())?),
        small(part(4, time.minute().into())?),
        small(part(5, time.second().into())?),
        i32::try_from(part(6, i64::from(time.subsec_nanosecond() / 1000))? * 1000).unwrap_or(0),
    )
    .map(|time| Jinja::from_object(Moment(time)))
    .map_err(|error| python::fail(error.to_string()))
}

/// Python's timedelta, in microseconds.
#[derive(Debug)]
pub(in crate::template) struct Span(i64);

const DAY: i64 = 86_400_000_000;

impl minijinja::value::Object for Span {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Jinja) -> Option<Jinja> {
        Some(match key.as_str()? {
            "days" => Jinja::from(self.0.div_euclid(DAY)),
            "seconds" => Jinja::from(self.0.rem_euclid(DAY) / 1_000_000),
            "microseconds" => Jinja::from(self.0.rem_euclid(1_000_000)),
            _ => return None,
        })
    }

    fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY) / 1_000_000);
        match days {
            0 => {}
            1 | -1 => write!(f, "{days} day, ")?,
            days => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

//! Local time without a time zone library: the C library reads
//! /etc/localtime itself, also when it is linked statically.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in broken-down form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moment {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
    /// Sunday is 0.
    pub(crate) weekday: i32,
    /// January 1st is 0.
    pub(crate) yearday: i32,
    /// Seconds east of UTC.
    pub(crate) offset: i64,
    /// Abbreviation of the time zone.
    pub(crate) zone: String,
    pub(crate) micros: u32,
}

#[expect(unsafe_code, reason = "localtime_r and gmtime_r have no safe wrapper")]
fn broken_down(seconds: i64, local: bool) -> libc::tm {
    // SAFETY: both functions only write to the struct that they are given;
    // all-zero is a valid `tm`.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        let time: libc::time_t = seconds;
        if local {
            libc::localtime_r(&raw const time, &raw mut tm);
        } else {
            libc::gmtime_r(&raw const time, &raw mut tm);
        }
        tm
    }
}

#[expect(unsafe_code, reason = "tm_zone is a C string of the C library")]
fn zone_name(tm: &libc::tm) -> String {
    if tm.tm_zone.is_null() {
        return String::new();
    }
    // SAFETY: not null, and points to a static string of the C library.
    unsafe { std::ffi::CStr::from_ptr(tm.tm_zone) }
        .to_string_lossy()
        .into_owned()
}

fn split(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            since.subsec_micros(),
        ),
        Err(_) => (0, 0),
    }
}

impl Moment {
    fn new(time: SystemTime, local: bool) -> Self {
        let (seconds, micros) = split(time);
        let tm = broken_down(seconds, local);
        Self {
            year: tm.tm_year + 1900,
            month: tm.tm_mon + 1,
            day: tm.tm_mday,
            hour: tm.tm_hour,
            minute: tm.tm_min,
            second: tm.tm_sec,
            weekday: tm.tm_wday,
            yearday: tm.tm_yday,
            offset: tm.tm_gmtoff,
            zone: zone_name(&tm),
            micros,
        }
    }

    pub(crate) fn local(time: SystemTime) -> Self {
        Self::new(time, true)
    }

    pub(crate) fn utc(time: SystemTime) -> Self {
        Self::new(time, false)
    }

    pub(crate) fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    pub(crate) fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    /// `2026-11-23 03:33:17.123456`, as Python prints it.
    pub(crate) fn full(&self) -> String {
        format!("{} {}.{:06}", self.date(), self.time(), self.micros)
    }
}

/// Reads a time by a format of `%Y %m %d %H %M %S` and plain characters, as
/// local time.
pub(crate) fn parse(text: &str, format: &str) -> Option<SystemTime> {
    let mut moment = Moment {
        month: 1,
        day: 1,
        ..Moment::default()
    };
    let mut rest = text;
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            rest = rest.strip_prefix(c)?;
            continue;
        }
        let letter = letters.next()?;
        let most = if letter == 'Y' { 4 } else { 2 };
        let end = rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let number = rest[..end].parse().ok()?;
        rest = &rest[end..];
        *(match letter {
            'Y' => &mut moment.year,
            'm' => &mut moment.month,
            'd' => &mut moment.day,
            'H' => &mut moment.hour,
            'M' => &mut moment.minute,
            'S' => &mut moment.second,
            _ => return None,
        }) = number;
    }
    let plausible = (1..=12).contains(&moment.month) && (1..=31).contains(&moment.day);
    (rest.is_empty() && plausible)
        .then(|| from_local(&moment))
        .flatten()
}

#[expect(unsafe_code, reason = "mktime has no safe wrapper")]
fn from_local(moment: &Moment) -> Option<SystemTime> {
    // SAFETY: mktime reads and normalises the struct that it is given;
    // all-zero is a valid `tm`.
    let seconds = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        tm.tm_year = moment.year - 1900;
        tm.tm_mon = moment.month - 1;
        tm.tm_mday = moment.day;
        tm.tm_hour = moment.hour;
        tm.tm_min = moment.minute;
        tm.tm_sec = moment.second;
        tm.tm_isdst = -1;
        libc::mktime(&raw mut tm)
    };
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Mon, 23 Nov 2026 05:37:20 GMT`.
pub(crate) fn http_date(time: SystemTime) -> String {
    let moment = Moment::utc(time);
    let name = |names: &[&'static str], index: i32| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index).copied())
            .unwrap_or_default()
    };
    format!(
        "{}, {:02} {} {:04} {} GMT",
        name(&DAYS, moment.weekday),
        moment.day,
        name(&MONTHS, moment.month - 1),
        moment.year,
        moment.time()
    )
}

/// The reverse of [`http_date`].
pub(crate) fn parse_http_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, _] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<i64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    // Days since 1970 in the proleptic Gregorian calendar, years from March.
    let shifted = if month > 2 { year } else { year - 1 };
    let days = 365 * shifted + shifted.div_euclid(4) - shifted.div_euclid(100)
        + shifted.div_euclid(400)
        + (153 * ((month + 9) % 12) + 2) / 5
        + day
        - 719_469;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// `0:00:01.000234`, as Python prints a time difference.
pub(crate) fn delta(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let days = match seconds / 86_400 {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        more => format!("{more} days, "),
    };
    let rest = seconds % 86_400;
    format!(
        "{days}{}:{:02}:{:02}.{:06}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
        duration.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_text() {
        let time = parse("202611230333.17", "%Y%m%d%H%M.%S").unwrap();
        assert_eq!(Moment::local(time).full(), "2026-11-23 03:33:17.000000");
        assert!(parse("2026", "%Y%m").is_none());
        assert!(parse("20269901", "%Y%m%d").is_none());
    }

    #[test]
    fn http_dates() {
        for seconds in [0, 951_782_400, 1_795_412_240] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse_http_date(&http_date(time)), Some(time));
        }
        let text = "Mon, 23 Nov 2026 05:37:20 GMT";
        assert_eq!(http_date(parse_http_date(text).unwrap()), text);
        assert!(parse_http_date("soon").is_none());
    }

    #[test]
    fn utc_and_delta() {
        let moment = Moment::utc(UNIX_EPOCH + Duration::from_secs(86_400 * 365));
        assert_eq!(moment.full(), "1971-01-01 00:00:00.000000");
        assert_eq!(moment.weekday, 5);
        assert_eq!(
            delta(Duration::from_micros(3_661_000_007)),
            "1:01:01.000007"
        );
        assert_eq!(delta(Duration::from_secs(90_000)), "1 day, 1:00:00.000000");
    }
}

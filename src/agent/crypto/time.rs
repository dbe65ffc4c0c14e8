//! Times of certificates.

use std::time::{SystemTime, UNIX_EPOCH};

use super::der::{self, Der};
use crate::host::Failure;

/// Seconds since 1970, UTC.
pub(crate) type Seconds = i64;

const DAY: i64 = 86_400;

pub(crate) fn now() -> Seconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Days since 1970 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `YYYYMMDDHHMMSSZ`; the seconds and the Z may be left out.
fn absolute(text: &str) -> Option<Seconds> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 12 | 14) {
        return None;
    }
    let part = |from: usize, to: usize| {
        digits
            .get(from..to)
            .and_then(|part| part.parse::<i64>().ok())
    };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14).unwrap_or(0));
    let whole = days(year, month, day);
    let real = (1..=12).contains(&month) && date(whole) == (year, month, day);
    (real && hour < 24 && minute < 60 && second < 60)
        .then_some(whole * DAY + hour * 3600 + minute * 60 + second)
}

/// `+3650d`, `-1w2d3h4m5s`, or an absolute time.
pub(crate) fn parse(text: &str, name: &str) -> Result<Seconds, Failure> {
    let text = text.trim();
    let wrong = || {
        Failure::new(format!(
            "{name}: '{text}' is no time; write YYYYMMDDHHMMSSZ, or a distance from now such as +32w1d2h"
        ))
    };
    let (sign, distance) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return absolute(text).ok_or_else(wrong),
    };
    let (mut sum, mut number, mut last) = (0_i64, String::new(), usize::MAX);
    for letter in distance.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let units = [('s', 1), ('m', 60), ('h', 3600), ('d', DAY), ('w', 7 * DAY)];
        let at = units
            .iter()
            .position(|(unit, _)| unit.eq_ignore_ascii_case(&letter))
            .ok_or_else(wrong)?;
        let count: i64 = number.parse().map_err(|_| wrong())?;
        if at >= last {
            return Err(wrong());
        }
        last = at;
        number.clear();
        sum = count
            .checked_mul(units[at].1)
            .and_then(|more| sum.checked_add(more))
            .filter(|sum| *sum < 9000 * 366 * DAY)
            .ok_or_else(wrong)?;
    }
    if !number.is_empty() || last == usize::MAX {
        return Err(wrong());
    }
    Ok(now() + sign * sum)
}

/// `YYYYMMDDHHMMSSZ`.
pub(crate) fn show(time: Seconds) -> String {
    let (year, month, day) = date(time.div_euclid(DAY));
    let rest = time.rem_euclid(DAY);
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// As certificates hold it: with two digits for the year until 2049.
pub(crate) fn encode(time: Seconds) -> Vec<u8> {
    let text = show(time);
    if (-631_152_000..2_524_608_000).contains(&time) {
        return der::value(der::UTC_TIME, &text.as_bytes()[2..]);
    }
    der::value(der::TIME, text.as_bytes())
}

pub(crate) fn decode(value: Der) -> Option<Seconds> {
    let text = value.text();
    match value.tag {
        der::UTC_TIME => {
            let century = if text.get(..2)?.parse::<u8>().ok()? >= 50 {
                "19"
            } else {
                "20"
            };
            absolute(&format!("{century}{text}"))
        }
        der::TIME => absolute(&text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        for text in [
            "20261130024849Z",
            "19700101000000Z",
            "20490228235959Z",
            "20500101000000Z",
            "99991231235959Z",
        ] {
            let time = parse(text, "x").unwrap();
            assert_eq!(show(time), text);
            assert_eq!(decode(der::parse(&encode(time)).unwrap()), Some(time));
        }
        assert_eq!(parse("19700102000000Z", "x").unwrap(), DAY);
        let near = parse("+1w2d", "x").unwrap() - now() - 9 * DAY;
        assert!((-1..=1).contains(&near));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "+",
            "+1",
            "+d",
            "+1d1w",
            "20260230000000Z",
            "2026",
            "tomorrow",
            "+99999999999w",
        ] {
            assert!(parse(text, "x").is_err(), "{text}");
        }
    }
}

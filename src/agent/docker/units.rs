//! Sizes, durations and ranges as the client writes them.

/// Bytes of a size such as `512m`, `1.5 GiB` or `4096`; steps of 1024.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no size; write it like 512m or 2g");
    let trimmed = text.trim();
    if trimmed == "unlimited" {
        return Ok(-1);
    }
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    let value = number * 1024f64.powi(power);
    if !value.is_finite() || value.abs() > 9.0e18 {
        return Err(wrong());
    }
    Ok(value as i64)
}

/// Nanoseconds of a duration such as `1m30s` or `500ms`.
pub(crate) fn nanoseconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no duration; write it with units, like 30s or 1m30s");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total += number
            * match unit {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return Err(wrong()),
            };
        rest = tail;
    }
    if total > 9.0e18 {
        return Err(wrong());
    }
    Ok(total as i64)
}

/// The numbers of `8000` or `8000-8010`.
pub(crate) fn ports(text: &str) -> Result<std::ops::RangeInclusive<u16>, String> {
    let wrong = || format!("'{text}' is no port and no range of ports");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u16 = first.parse().map_err(|_| wrong())?;
    let last: u16 = last.parse().map_err(|_| wrong())?;
    if first > last {
        return Err(wrong());
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, wanted) in [
            ("0", 0),
            ("10", 10),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("1.5g", 3 << 29),
            ("1 GiB", 1 << 30),
            ("2kb", 2048),
            ("unlimited", -1),
            ("-1", -1),
        ] {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        for text in ["", "m", "1x", "1e99999g", "nan"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, wanted) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("500ms", 500_000_000),
            ("0", 0),
        ] {
            assert_eq!(nanoseconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "30", "s", "1x", "1m30"] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn port_ranges() {
        assert_eq!(ports("80").unwrap().count(), 1);
        assert_eq!(ports("8000-8010").unwrap().count(), 11);
        assert!(ports("9-8").is_err());
        assert!(ports("70000").is_err());
    }
}

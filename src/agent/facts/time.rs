//! Date and time.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::Gather;
use crate::host::clock::Moment;

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

pub(super) fn gather(gather: &mut Gather<'_>) {
    let now = SystemTime::now();
    let local = Moment::local(now);
    let utc = Moment::utc(now);
    let epoch = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .to_string();
    let offset = local.offset.abs();
    let sign = if local.offset < 0 { '-' } else { '+' };
    let compact = |moment: &Moment| moment.date().replace('-', "");
    let compact_time = |moment: &Moment| moment.time().replace(':', "");
    let weekday = usize::try_from(local.weekday).unwrap_or(0) % 7;
    gather.put(
        "date_time",
        json!({
            "year": format!("{:04}", local.year),
            "month": format!("{:02}", local.month),
            "weekday": DAYS[weekday],
            "weekday_number": weekday.to_string(),
            "weeknumber": format!("{:02}", (local.yearday + 7 - (local.weekday + 6) % 7) / 7),
            "day": format!("{:02}", local.day),
            "hour": format!("{:02}", local.hour),
            "minute": format!("{:02}", local.minute),
            "second": format!("{:02}", local.second),
            "epoch": epoch,
            "epoch_int": epoch,
            "date": local.date(),
            "time": local.time(),
            "iso8601_micro": format!("{}T{}.{:06}Z", utc.date(), utc.time(), utc.micros),
            "iso8601": format!("{}T{}Z", utc.date(), utc.time()),
            "iso8601_basic": format!("{}T{}{:06}", compact(&local), compact_time(&local), local.micros),
            "iso8601_basic_short": format!("{}T{}", compact(&local), compact_time(&local)),
            "tz": local.zone,
            "tz_dst": local.zone,
            "tz_offset": format!("{sign}{:02}{:02}", offset / 3600, offset / 60 % 60),
        }),
    );
}

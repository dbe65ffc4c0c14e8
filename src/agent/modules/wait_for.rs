//! `wait_for`: waits until a port, a file or a text is there, or gone.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::pattern::Pattern;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch, net};

ocplay_protocol::choices! {
    /// What to wait for.
    pub(super) enum State {
        /// The port or file is gone.
        Absent = "absent",
        /// No connection uses the port any more.
        Drained = "drained",
        /// The port answers, or the file is there.
        Present = "present",
        /// The same as present.
        Started = "started",
        /// The same as absent.
        Stopped = "stopped",
    }
}

ocplay_protocol::arguments! {
    /// Waits for a condition on the host, or as seen from it.
    pub(super) struct Args {
        /// Host to connect to.
        host: String = "127.0.0.1".to_owned(),
        /// Port to connect to.
        port: Option<i64>,
        /// File to wait for.
        path: Option<PathBuf>,
        /// Expression that the file, or what the port says, must match.
        search_regex: Option<String>,
        /// What to wait for.
        state: State = State::Started,
        /// Seconds to wait at most.
        timeout: i64 = 300,
        /// Seconds for a single try to connect.
        connect_timeout: i64 = 5,
        /// Seconds to wait before the first try.
        delay: i64 = 0,
        /// Seconds between two tries.
        sleep: i64 = 1,
        /// Message of the failure instead of ours.
        msg: Option<String>,
        /// TCP states that count as a connection, for drained.
        active_connection_states: Vec<String> = ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"].map(str::to_owned).to_vec(),
        /// Hosts whose connections do not count, for drained.
        exclude_hosts: Vec<String> = Vec::new(),
    }
}

pub(super) struct WaitFor;

impl Module for WaitFor {
    const NAME: &'static str = "wait_for";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        consistent(args)?;
        if look.is_check() {
            return Ok(Verdict::Skip(Return::new().with(
                "msg",
                "not waited for in check mode, since nothing was started",
            )));
        }
        let seconds = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or(0));
        let start = Instant::now();
        look.sleep(seconds(args.delay))?;
        if args.port.is_none() && args.path.is_none() && args.state != State::Drained {
            look.sleep(seconds(args.timeout))?;
            return Ok(Verdict::Same(result(args, start, None)));
        }
        let pattern = args
            .search_regex
            .as_deref()
            .map(|text| Pattern::with_flags("m", text))
            .transpose()?;
        let limit = seconds(args.timeout);
        let mut last;
        loop {
            match attempt(
                args,
                look,
                pattern.as_ref(),
                limit.saturating_sub(start.elapsed()),
            )? {
                Seen::Yes(matched) => {
                    return Ok(Verdict::Same(result(args, start, matched)));
                }
                Seen::No(why) => last = why,
            }
            if start.elapsed() >= limit {
                break;
            }
            let pause = seconds(args.sleep).max(Duration::from_millis(50));
            look.sleep(pause.min(limit.saturating_sub(start.elapsed())))?;
        }
        let message = match &args.msg {
            Some(message) => message.clone(),
            None => goal(args),
        };
        Err(Failure::new(message)
            .with("elapsed", start.elapsed().as_secs())
            .with("reason", last))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

fn consistent(args: &Args) -> Result<(), Failure> {
    if args.port.is_some() && args.path.is_some() {
        return Err("port and path parameter can not both be passed to wait_for".into());
    }
    if args.path.is_some() && args.state == State::Drained {
        return Err(
            "state=drained should only be used for checking a port in the wait_for module".into(),
        );
    }
    if args.port.is_none() && args.state == State::Drained {
        return Err("state: drained needs port".into());
    }
    match args.port {
        Some(port) if !(0..=65535).contains(&port) => {
            Err(Failure::new(format!("{port} is no port")))
        }
        _ => Ok(()),
    }
}

/// What was not reached, for the failure.
fn goal(args: &Args) -> String {
    let place = match (&args.path, args.port) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(port)) => format!("{}:{port}", args.host),
        (None, None) => "time".to_owned(),
    };
    let thing = match (&args.search_regex, args.state, &args.path) {
        (_, State::Absent | State::Stopped, Some(_)) => format!("{place} to be absent."),
        (_, State::Absent | State::Stopped, None) => format!("{place} to stop."),
        (_, State::Drained, _) => format!("{place} to drain"),
        (Some(regex), _, _) => format!("search string {regex} in {place}"),
        (None, _, Some(_)) => format!("file {place}"),
        (None, _, None) => place,
    };
    format!("Timeout when waiting for {thing}")
}

fn result(args: &Args, start: Instant, matched: Option<(Value, Value)>) -> Return {
    let (groups, named) = matched.unwrap_or_else(|| (json!([]), json!({})));
    Return::new()
        .with("state", args.state.word())
        .with("port", args.port.map_or(Value::Null, Value::from))
        .with("search_regex", json!(args.search_regex))
        .with("match_groups", groups)
        .with("match_groupdict", named)
        .with("path", json!(args.path))
        .with("elapsed", start.elapsed().as_secs())
}

enum Seen {
    /// With the groups of the expression.
    Yes(Option<(Value, Value)>),
    No(String),
}

fn attempt(
    args: &Args,
    look: &Look,
    pattern: Option<&Pattern>,
    left: Duration,
) -> Result<Seen, Failure> {
    let wanted_gone = matches!(args.state, State::Absent | State::Stopped);
    if args.state == State::Drained {
        return drained(args, look);
    }
    let found = match &args.path {
        Some(path) => match look.read_or_there(path)? {
            None => Seen::No("no such file".to_owned()),
            Some(content) => matched(pattern, &content)?,
        },
        None => answer(args, look, pattern, left)?,
    };
    Ok(match (wanted_gone, found) {
        (false, found) => found,
        (true, Seen::Yes(_)) => Seen::No("it is there".to_owned()),
        (true, Seen::No(_)) => Seen::Yes(None),
    })
}

fn matched(pattern: Option<&Pattern>, content: &[u8]) -> Result<Seen, Failure> {
    let Some(pattern) = pattern else {
        return Ok(Seen::Yes(None));
    };
    let text = String::from_utf8_lossy(content);
    let Some(captures) = pattern.captures(&text)? else {
        return Ok(Seen::No("the text does not match".to_owned()));
    };
    let value = |found: Option<&str>| found.map_or(Value::Null, Value::from);
    let groups: Vec<Value> = (1..captures.len())
        .map(|index| value(captures.get(index).map(|found| found.as_str())))
        .collect();
    let named: Map<String, Value> = pattern
        .names()
        .map(|name| {
            let found = captures.name(name).map(|found| found.as_str());
            (name.to_owned(), value(found))
        })
        .collect();
    Ok(Seen::Yes(Some((groups.into(), named.into()))))
}

fn answer(
    args: &Args,
    look: &Look,
    pattern: Option<&Pattern>,
    left: Duration,
) -> Result<Seen, Failure> {
    let port = u16::try_from(args.port.unwrap_or(0)).unwrap_or(0);
    let limit = Duration::from_secs(u64::try_from(args.connect_timeout).unwrap_or(5).max(1));
    let addresses = match net::resolve(look, &args.host) {
        Ok(addresses) => addresses,
        Err(failure) => return Ok(Seen::No(failure.message)),
    };
    let addresses: Vec<SocketAddr> = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    let limit = limit.min(left.max(Duration::from_secs(1)));
    let mut stream = match net::connect(&addresses, limit) {
        Ok(stream) => stream,
        Err(failure) => return Ok(Seen::No(failure.message)),
    };
    if pattern.is_none() {
        return Ok(Seen::Yes(None));
    }
    // What the service says on its own, until it matches or falls silent.
    let end = Instant::now() + limit;
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    stream.flush().ok();
    while Instant::now() < end {
        stream
            .set_read_timeout(Some(
                end.saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1)),
            ))
            .ok();
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => said.extend_from_slice(&buffer[..length]),
        }
        if let Seen::Yes(groups) = matched(pattern, &said)? {
            return Ok(Seen::Yes(groups));
        }
        if said.len() > 1 << 20 {
            break;
        }
    }
    Ok(Seen::No(
        "it answers, but its text does not match".to_owned(),
    ))
}

/// Names of TCP states by the kernel's numbers.
const STATES: [&str; 12] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// Address and port as /proc/net/tcp writes them.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    let address = match address.len() {
        8 => IpAddr::from(word(0)?.to_ne_bytes()),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?.to_ne_bytes());
            }
            let address = std::net::Ipv6Addr::from(bytes);
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, port))
}

fn drained(args: &Args, look: &Look) -> Result<Seen, Failure> {
    let port = u16::try_from(args.port.unwrap_or(0)).unwrap_or(0);
    let local = net::resolve(look, &args.host)?;
    let any = local.iter().any(IpAddr::is_unspecified);
    let mut excluded = Vec::new();
    for host in &args.exclude_hosts {
        excluded.extend(net::resolve(look, host)?);
    }
    let mut count = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = look.read_text(table.as_ref())?.unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(own), Some(peer), Some(state)) =
                (fields.get(1), fields.get(2), fields.get(3))
            else {
                continue;
            };
            let state = usize::from_str_radix(state, 16)
                .ok()
                .and_then(|number| STATES.get(number))
                .copied()
                .unwrap_or("");
            let (Some((address, own_port)), Some((peer, _))) = (endpoint(own), endpoint(peer))
            else {
                continue;
            };
            let counts = own_port == port
                && (any || local.contains(&address))
                && !excluded.contains(&peer)
                && args
                    .active_connection_states
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(state));
            count += usize::from(counts);
        }
    }
    Ok(if count == 0 {
        Seen::Yes(None)
    } else {
        Seen::No(format!("{count} connections"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_tables() {
        assert_eq!(
            endpoint("0100007F:1F90"),
            Some((IpAddr::from([127, 0, 0, 1]), 8080))
        );
        assert_eq!(
            endpoint("0000000000000000FFFF00000100007F:0016"),
            Some((IpAddr::from([127, 0, 0, 1]), 22))
        );
        assert_eq!(endpoint("xyz"), None);
    }
}

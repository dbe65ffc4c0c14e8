//! Names to addresses without the C library's resolver: `getent` knows what
//! the host is configured to ask.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::failure::reason;
use super::{Failure, Look};

/// The addresses of a name, or of an address written as text.
pub(crate) fn resolve(look: &Look, host: &str) -> Result<Vec<IpAddr>, Failure> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    let mut found: Vec<IpAddr> = Vec::new();
    // Fast and always right for names in /etc/hosts, also without getent.
    if let Ok(text) = std::fs::read_to_string("/etc/hosts") {
        found = from_hosts(&text, bare);
    }
    if found.is_empty() {
        let output = look.query(["getent", "ahosts", bare])?;
        for line in output.out().lines() {
            if let Some(Ok(address)) = line.split_whitespace().next().map(str::parse)
                && !found.contains(&address)
            {
                found.push(address);
            }
        }
    }
    if found.is_empty() && bare == "localhost" {
        found.push(IpAddr::from([127, 0, 0, 1]));
    }
    // On a host without IPv6 such addresses only spoil the error message.
    let has_ipv6 = std::fs::read("/proc/net/if_inet6").is_ok_and(|table| !table.is_empty());
    if !has_ipv6 && found.iter().any(IpAddr::is_ipv4) {
        found.retain(IpAddr::is_ipv4);
    }
    if found.is_empty() {
        return Err(Failure::new(format!(
            "the name '{host}' has no address on this host; check /etc/hosts and the name servers \
             in /etc/resolv.conf (getent ahosts {bare})"
        )));
    }
    Ok(found)
}

fn from_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address
            && words.any(|word| word.eq_ignore_ascii_case(name))
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    // IPv4 first, as most services listen there.
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

/// Connects to the first address that answers.
pub(crate) fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Failure> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, limit.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => {
            Failure::new(format!("cannot connect to {address}: {}", reason(&error)))
        }
        None => Failure::new("there is no address to connect to"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file() {
        let text = "127.0.0.1 localhost\n::1 localhost ip6 # x\n10.0.0.1\tNode1 node1.lab\n";
        assert_eq!(from_hosts(text, "node1").len(), 1);
        assert_eq!(from_hosts(text, "localhost").len(), 2);
        assert!(from_hosts(text, "x").is_empty());
    }
}

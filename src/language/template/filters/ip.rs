//! Addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::run::Vm;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    ("ipaddr", "value query version alias", |_, args| {
        each(args, None)
    }),
    ("ipv4", "value query", |_, args| each(args, Some(4))),
    ("ipv6", "value query", |_, args| each(args, Some(6))),
    ("ip", "value query", |_, args| each(args, None)),
    ("ipwrap", "value query", ipwrap),
    ("ipsubnet", "value query index", ipsubnet),
    ("nthhost", "value query", |_, args| {
        let step = args.int(1, 0)?;
        let net = parse(args.need(0)?);
        Ok(net
            .and_then(|net| net.nth(step))
            .map_or_else(no, |ip| Jinja::from(ip.to_string())))
    }),
    ("next_nth_usable", "value offset", |_, args| usable(args, 1)),
    ("previous_nth_usable", "value offset", |_, args| {
        usable(args, -1)
    }),
    ("ipmath", "value amount", ipmath),
    ("network_in_network", "value test", |_, args| {
        let (outer, inner) = (network(args, 0)?, network(args, 1)?);
        Ok(Jinja::from(outer.holds(&inner)))
    }),
    ("network_in_usable", "value test", |_, args| {
        let (outer, inner) = (network(args, 0)?, network(args, 1)?);
        let (first, last) = outer.usable();
        let inside = number(inner.first()) >= first && number(inner.last()) <= last;
        Ok(Jinja::from(inside && outer.holds(&inner)))
    }),
    ("cidr_merge", "value action", cidr_merge),
    ("hwaddr", "value query alias", hwaddr),
    ("macaddr", "value query", hwaddr),
];

fn no() -> Jinja {
    Jinja::from(false)
}

/// The answer to a question that does not fit an address.
fn none() -> Jinja {
    Jinja::from(())
}

/// An address that may have a prefix.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Address {
    net: IpNet,
    prefixed: bool,
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

impl Address {
    fn ip(&self) -> IpAddr {
        self.net.addr()
    }

    fn first(&self) -> IpAddr {
        self.net.network()
    }

    fn last(&self) -> IpAddr {
        self.net.broadcast()
    }

    fn version(&self) -> u8 {
        if self.ip().is_ipv4() { 4 } else { 6 }
    }

    fn whole(&self) -> u8 {
        self.net.max_prefix_len()
    }

    /// An address of the same family.
    fn like(&self, number: u128) -> Option<IpAddr> {
        match self.net {
            IpNet::V4(_) => u32::try_from(number)
                .ok()
                .map(|ip| Ipv4Addr::from(ip).into()),
            IpNet::V6(_) => Some(Ipv6Addr::from(number).into()),
        }
    }

    fn holds(&self, other: &Self) -> bool {
        self.version() == other.version()
            && number(self.first()) <= number(other.first())
            && number(other.last()) <= number(self.last())
    }

    /// The address at a distance from the network's, from its end when
    /// negative.
    fn nth(&self, step: i64) -> Option<IpAddr> {
        let (first, last) = (number(self.first()), number(self.last()));
        let distance = u128::from(step.unsigned_abs());
        let found = if step < 0 {
            last.checked_add(1)?.checked_sub(distance)?
        } else {
            first.checked_add(distance)?
        };
        (first..=last).contains(&found).then(|| self.like(found))?
    }

    /// Whether this names a network rather than a host in it.
    fn is_network(&self) -> bool {
        self.net.prefix_len() < self.whole() && self.ip() == self.first()
    }

    fn usable(&self) -> (u128, u128) {
        let (first, last) = (number(self.first()), number(self.last()));
        if last - first < 2 {
            (first, last)
        } else if self.version() == 4 {
            (first + 1, last - 1)
        } else {
            (first + 1, last)
        }
    }

    fn with_prefix(&self, ip: IpAddr) -> Jinja {
        Jinja::from(format!("{ip}/{}", self.net.prefix_len()))
    }
}

fn parse(value: &Jinja) -> Option<Address> {
    if let Some(number) = python::whole(value).filter(|_| value.is_number()) {
        let number = u128::try_from(number).ok()?;
        let ip: IpAddr = match u32::try_from(number) {
            Ok(small) => Ipv4Addr::from(small).into(),
            Err(_) => Ipv6Addr::from(number).into(),
        };
        return Some(Address {
            net: ip.into(),
            prefixed: false,
        });
    }
    parse_text(value.as_str()?.trim())
}

fn parse_text(text: &str) -> Option<Address> {
    let Some((ip, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(|ip| Address {
            net: ip.into(),
            prefixed: false,
        });
    };
    let ip: IpAddr = match ip.parse() {
        Ok(ip) => ip,
        Err(_) => {
            let number: u128 = ip.parse().ok()?;
            u32::try_from(number).map_or_else(
                |_| Ipv6Addr::from(number).into(),
                |small| Ipv4Addr::from(small).into(),
            )
        }
    };
    let length = match prefix.parse::<u8>() {
        Ok(length) => length,
        Err(_) => {
            let mask = prefix.parse::<IpAddr>().ok()?;
            ipnet::ip_mask_to_prefix(mask).ok()?
        }
    };
    Some(Address {
        net: IpNet::new(ip, length).ok()?,
        prefixed: true,
    })
}

fn network(args: &Args<'_>, index: usize) -> Result<Address, Error> {
    let value = args.need(index)?;
    parse(value).ok_or_else(|| {
        args.fail(format!(
            "{} is no address",
            crate::template::error::shown(value)
        ))
    })
}

/// Applies to one value, or keeps what fits of a list.
fn each(args: &Args<'_>, version: Option<u8>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let query = args.some(1).cloned().unwrap_or_else(|| Jinja::from(""));
    let version = match args.some(2) {
        Some(_) => u8::try_from(args.int(2, 4)?).ok(),
        None => version,
    };
    if python::is_list(value) {
        let mut kept = Vec::new();
        for item in python::items(value)? {
            let found = ask(&item, &query, version)?;
            if found.is_true() {
                kept.push(found);
            }
        }
        return Ok(python::list(kept));
    }
    ask(value, &query, version)
}

fn ask(value: &Jinja, query: &Jinja, version: Option<u8>) -> Result<Jinja, Error> {
    let Some(found) = parse(value) else {
        return Ok(no());
    };
    if version.is_some_and(|version| version != found.version()) {
        return Ok(no());
    }
    if let Some(step) = python::whole(query).and_then(|step| i64::try_from(step).ok()) {
        return Ok(found.nth(step).map_or_else(no, |ip| found.with_prefix(ip)));
    }
    let query = python::text(query)?;
    if let Ok(step) = query.parse::<i64>() {
        return Ok(found.nth(step).map_or_else(no, |ip| found.with_prefix(ip)));
    }
    answer(&found, value, &query)
}

/// The value in its own form.
fn same(found: &Address, value: &Jinja) -> Jinja {
    if value.is_number() {
        return Jinja::from(found.ip().to_string());
    }
    if found.prefixed {
        found.with_prefix(found.ip())
    } else {
        Jinja::from(found.ip().to_string())
    }
}

fn answer(found: &Address, value: &Jinja, query: &str) -> Result<Jinja, Error> {
    let text = |ip: IpAddr| Jinja::from(ip.to_string());
    let when = |holds: bool| if holds { same(found, value) } else { none() };
    let prefix = found.net.prefix_len();
    let single = prefix == found.whole();
    let (first, last) = found.usable();
    let host = !found.is_network();
    let shown = |number: u128| found.like(number).map_or_else(none, text);
    Ok(match query {
        "" => same(found, value),
        "bool" => Jinja::from(true),
        "address" | "ip" => {
            if host {
                text(found.ip())
            } else {
                none()
            }
        }
        "address/prefix" | "ip/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet"
        | "router" => {
            if host && !single {
                found.with_prefix(found.ip())
            } else {
                none()
            }
        }
        "host" => {
            if host {
                found.with_prefix(found.ip())
            } else {
                none()
            }
        }
        "net" => {
            if found.is_network() {
                found.with_prefix(found.first())
            } else {
                none()
            }
        }
        "network" | "network_id" => text(found.first()),
        "network/prefix" | "subnet" => found.with_prefix(found.first()),
        "cidr" => found.with_prefix(found.ip()),
        "prefix" => Jinja::from(prefix),
        "netmask" => text(found.net.netmask()),
        "hostmask" | "wildcard" => text(found.net.hostmask()),
        "broadcast" => {
            if found.whole() - prefix > 1 {
                text(found.last())
            } else {
                none()
            }
        }
        "ip_netmask" | "address_netmask" => {
            Jinja::from(format!("{} {}", found.ip(), found.net.netmask()))
        }
        "network_netmask" => Jinja::from(format!("{} {}", found.first(), found.net.netmask())),
        "ip_wildcard" => Jinja::from(format!("{} {}", found.ip(), found.net.hostmask())),
        "network_wildcard" => Jinja::from(format!("{} {}", found.first(), found.net.hostmask())),
        "size" => size(number(found.last()) - number(found.first())),
        "size_usable" => {
            if single {
                Jinja::from(0)
            } else {
                size(last - first)
            }
        }
        "first_usable" if !single => shown(first),
        "last_usable" if !single => shown(last),
        "range_usable" if !single => Jinja::from(format!(
            "{}-{}",
            python::text(&shown(first))?,
            python::text(&shown(last))?
        )),
        "next_usable" if !single => step(found, 1),
        "previous_usable" if !single => step(found, -1),
        "first_usable" | "last_usable" | "range_usable" | "next_usable" | "previous_usable" => {
            none()
        }
        "peer" => match (prefix + 1 == found.whole(), prefix + 2 == found.whole()) {
            (true, _) => shown(number(found.ip()) ^ 1),
            (_, true) => shown(number(found.ip()) ^ 3),
            _ => return Err(python::fail("ipaddr: not a point-to-point network")),
        },
        "point-to-point" => when(prefix + 1 == found.whole() || prefix + 2 == found.whole()),
        "int" => {
            let own = number(found.ip());
            if single {
                python::int(own.cast_signed())
            } else {
                Jinja::from(format!("{own}/{prefix}"))
            }
        }
        "version" => Jinja::from(found.version()),
        "type" => Jinja::from(if host { "address" } else { "network" }),
        "ipv4" => match (found.ip(), found.version()) {
            (IpAddr::V6(ip), _) => ip
                .to_ipv4()
                .map_or_else(none, |ip| Jinja::from(ip.to_string())),
            _ => same(found, value),
        },
        "ipv6" => match found.ip() {
            IpAddr::V4(ip) => {
                let mapped = ip.to_ipv6_mapped();
                Jinja::from(format!("{mapped}/{}", 96 + prefix))
            }
            IpAddr::V6(_) => same(found, value),
        },
        "wrap" => wrap(found, value),
        "private" => {
            when(private(found.ip()) || (special(found.ip()) && !found.ip().is_multicast()))
        }
        "public" => when(!private(found.ip()) && !special(found.ip())),
        "unicast" => when(!found.ip().is_multicast()),
        "multicast" => when(found.ip().is_multicast()),
        "loopback" | "lo" => when(found.ip().is_loopback()),
        "link-local" => when(link_local(found.ip())),
        "revdns" => Jinja::from(reverse(found.ip())),
        other => match parse_text(other) {
            Some(outer) => when(outer.holds(found)),
            None => return Err(python::fail(format!("ipaddr: unknown query '{other}'"))),
        },
    })
}

fn size(distance: u128) -> Jinja {
    distance
        .checked_add(1)
        .and_then(|size| i128::try_from(size).ok())
        .map_or_else(
            || Jinja::from("340282366920938463463374607431768211456"),
            python::int,
        )
}

fn step(found: &Address, by: i64) -> Jinja {
    let (first, last) = found.usable();
    number(found.ip())
        .checked_add_signed(by.into())
        .filter(|next| (first..=last).contains(next))
        .and_then(|next| found.like(next))
        .map_or_else(no, |ip| Jinja::from(ip.to_string()))
}

fn usable(args: &Args<'_>, sign: i64) -> Result<Jinja, Error> {
    let Some(found) = parse(args.need(0)?) else {
        return Ok(no());
    };
    Ok(step(&found, sign.saturating_mul(args.int(1, 1)?)))
}

fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

fn link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// Addresses that never appear in the public net.
fn special(ip: IpAddr) -> bool {
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || link_local(ip)
        || matches!(ip, IpAddr::V4(ip) if ip.is_documentation() || ip.octets()[0] >= 240 || ip.octets()[0] == 0)
        || matches!(ip, IpAddr::V6(ip) if ip.segments()[0] == 0x2001 && ip.segments()[1] == 0xdb8)
}

fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(ip) => {
            let mut name = String::new();
            for byte in ip.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
            }
            name + "ip6.arpa."
        }
    }
}

fn wrap(found: &Address, value: &Jinja) -> Jinja {
    match (found.version(), found.prefixed) {
        (6, true) => Jinja::from(format!("[{}]/{}", found.ip(), found.net.prefix_len())),
        (6, false) => Jinja::from(format!("[{}]", found.ip())),
        _ => same(found, value),
    }
}

/// Puts version 6 addresses in brackets and leaves everything else alone.
fn ipwrap(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let one = |value: &Jinja| match parse(value).filter(|_| value.as_str().is_some()) {
        Some(found) => wrap(&found, value),
        None => value.clone(),
    };
    let value = args.need(0)?;
    if python::is_list(value) {
        return Ok(python::list(
            python::items(value)?.iter().map(one).collect(),
        ));
    }
    Ok(one(value))
}

fn ipmath(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let found = network(args, 0)?;
    let sum = number(found.ip()).checked_add_signed(args.int(1, 0)?.into());
    sum.and_then(|sum| found.like(sum))
        .map(|ip| Jinja::from(ip.to_string()))
        .ok_or_else(|| args.fail("the result is no address"))
}

/// How many subnets, which one, or where a net stands among them.
fn ipsubnet(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let Some(found) = parse(args.need(0)?) else {
        return Ok(no());
    };
    let Some(query) = args.some(1) else {
        return Ok(found.with_prefix(found.ip()));
    };
    let query = python::text(query)?;
    if query.is_empty() {
        return Ok(found.with_prefix(found.first()));
    }
    if let Ok(length) = query.parse::<u8>() {
        if length > found.whole() {
            return Ok(no());
        }
        if !found.is_network() && found.net.prefix_len() == found.whole() {
            // A host: the net of that length around it.
            let net = IpNet::new(found.ip(), length).map_err(|error| args.fail(error))?;
            return Ok(Jinja::from(net.trunc().to_string()));
        }
        let own = found.net.prefix_len();
        let Some(bits) = length.checked_sub(own) else {
            let net = IpNet::new(found.ip(), length).map_err(|error| args.fail(error))?;
            return Ok(Jinja::from(net.trunc().to_string()));
        };
        let Some(index) = args.some(2) else {
            return Ok(if bits < 127 {
                python::int(1i128 << bits)
            } else {
                no()
            });
        };
        let index: i128 = python::text(index)?
            .parse()
            .map_err(|_| args.fail("the index must be a number"))?;
        let count = 1i128.checked_shl(bits.into()).unwrap_or(i128::MAX);
        let index = if index < 0 { count + index } else { index };
        if !(0..count).contains(&index) {
            return Ok(no());
        }
        let shift = u32::from(found.whole() - length);
        let start = index
            .cast_unsigned()
            .checked_shl(shift)
            .and_then(|offset| number(found.first()).checked_add(offset));
        return Ok(start
            .and_then(|start| found.like(start))
            .map_or_else(no, |ip| Jinja::from(format!("{ip}/{length}"))));
    }
    let Some(outer) = parse_text(&query) else {
        return Ok(no());
    };
    if !outer.holds(&found) {
        return Ok(no());
    }
    // Counted from one.
    let shift = u32::from(found.whole() - found.net.prefix_len());
    let distance = number(found.first()) - number(outer.first());
    Ok(Jinja::from(
        (distance.checked_shr(shift).unwrap_or(0) + 1).to_string(),
    ))
}

fn cidr_merge(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let nets: Vec<IpNet> = args
        .items(0)?
        .iter()
        .filter_map(parse)
        .map(|found| found.net.trunc())
        .collect();
    let action = args.text_or(1, "merge")?;
    if action == "span" {
        let (Some(first), Some(last)) = (
            nets.iter().map(|net| number(net.network())).min(),
            nets.iter().map(|net| number(net.broadcast())).max(),
        ) else {
            return Ok(Jinja::from(()));
        };
        let mut net = nets[0];
        while number(net.network()) > first || number(net.broadcast()) < last {
            match net.supernet() {
                Some(above) => net = above,
                None => break,
            }
        }
        return Ok(Jinja::from(net.to_string()));
    }
    Ok(python::list(
        IpNet::aggregate(&nets)
            .iter()
            .map(|net| Jinja::from(net.to_string()))
            .collect(),
    ))
}

fn hwaddr(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .collect();
    if digits.len() != 12 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(no());
    }
    let digits = digits.to_lowercase();
    let grouped = |size: usize, mark: &str| -> String {
        digits
            .as_bytes()
            .chunks(size)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect::<Vec<_>>()
            .join(mark)
    };
    Ok(match args.text_or(1, "")?.as_str() {
        "" => Jinja::from(text),
        "bool" => Jinja::from(true),
        "unix" | "linux" => Jinja::from(grouped(2, ":")),
        "win" | "eui48" => Jinja::from(grouped(2, "-").to_uppercase()),
        "cisco" => Jinja::from(grouped(4, ".")),
        "bare" => Jinja::from(digits.to_uppercase()),
        "pgsql" | "postgresql" | "psql" => {
            Jinja::from(format!("{}:{}", &digits[..6], &digits[6..]))
        }
        "int" => python::int(i128::from_str_radix(&digits, 16).unwrap_or(0)),
        other => return Err(args.fail(format!("unknown query '{other}'"))),
    })
}

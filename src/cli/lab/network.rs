//! The addresses of a lab: a part of 198.51.100.0/24, kept free for examples everywhere.

use std::net::Ipv4Addr;

/// A lab's part of the range. Its first address is the hosts' gateway, its
/// last one is this machine's end of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    base: u32,
    bits: u32,
}

impl Network {
    /// The whole range: what a lab uses unless its inventory says otherwise.
    pub(super) const WHOLE: Self = Self {
        base: u32::from_be_bytes([198, 51, 100, 0]),
        bits: 24,
    };

    /// Reads `198.51.100.64/26`; nothing outside the range is accepted.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| (24..=29).contains(bits))?;
        let base = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let network = Self { base, bits };
        let aligned = base & (network.size() - 1) == 0;
        (aligned && base >> 8 == Self::WHOLE.base >> 8).then_some(network)
    }

    /// The parts of the range with room for so many hosts, those first that no shipped inventory takes.
    pub(super) fn parts(hosts: usize) -> impl Iterator<Item = Self> {
        let bits = (24..=29)
            .rev()
            .find(|bits| {
                (Self {
                    base: 0,
                    bits: *bits,
                })
                .hosts()
                    >= hosts
            })
            .unwrap_or(24);
        let size = 1 << (32 - bits);
        let count = 256 / size;
        // From the middle on: labs of inventories begin at both ends.
        (0..count)
            .map(move |index| (index + count / 2 + count / 16) % count)
            .map(move |index| Self {
                base: Self::WHOLE.base + index * size,
                bits,
            })
    }

    /// How many hosts have room.
    pub(super) fn hosts(self) -> usize {
        self.size() as usize - 4
    }

    /// The address of the n-th host, from 0 on.
    pub(super) fn nth(self, index: u32) -> Ipv4Addr {
        (self.base + 2 + index).into()
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.base < other.base + other.size() && other.base < self.base + self.size()
    }

    fn size(self) -> u32 {
        1 << (32 - self.bits)
    }

    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    pub(super) fn gateway(self) -> Ipv4Addr {
        (self.base + 1).into()
    }

    pub(super) fn uplink(self) -> Ipv4Addr {
        (self.base + self.size() - 2).into()
    }

    /// Whether a host may have this address.
    pub(super) fn has_room_for(self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        (self.base + 2..self.base + self.size() - 2).contains(&address)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_range_are_read() {
        let network = Network::parse("198.51.100.64/26").unwrap();
        assert_eq!(network.to_string(), "198.51.100.64/26");
        assert_eq!(network.gateway(), Ipv4Addr::new(198, 51, 100, 65));
        assert_eq!(network.uplink(), Ipv4Addr::new(198, 51, 100, 126));
        assert!(network.has_room_for(Ipv4Addr::new(198, 51, 100, 66)));
        assert!(!network.has_room_for(Ipv4Addr::new(198, 51, 100, 126)));
        assert!(!network.has_room_for(Ipv4Addr::new(198, 51, 100, 11)));
        assert_eq!(Network::parse("198.51.100.0/24"), Some(Network::WHOLE));
    }

    #[test]
    fn parts_have_room_and_do_not_overlap() {
        for (hosts, bits) in [(1, 29), (4, 29), (5, 28), (12, 28), (13, 27), (60, 26)] {
            let parts: Vec<_> = Network::parts(hosts).collect();
            assert!(
                parts
                    .iter()
                    .all(|part| part.bits() == bits && part.hosts() >= hosts)
            );
            assert_eq!(parts.len(), 1 << (bits - 24));
            for (index, part) in parts.iter().enumerate() {
                assert!(!parts[index + 1..].iter().any(|other| other.overlaps(*part)));
                assert!(part.has_room_for(part.nth(0)));
                assert!(part.overlaps(Network::WHOLE));
            }
        }
        assert_eq!(
            Network::parts(2).next().unwrap().to_string(),
            "198.51.100.144/29"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "10.0.0.0/24",
            "198.51.100.0/16",
            "198.51.100.8/26",
            "198.51.100.0",
            "x/24",
            "198.51.100.0/31",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}

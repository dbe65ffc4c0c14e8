//! Python's generator of random numbers: the same seed gives the same numbers
//! as it does there.

use sha2::{Digest, Sha512};

use crate::template::{Jinja, python};

const LENGTH: usize = 624;
const SHIFT: usize = 397;

/// A Mersenne twister of 32 bits.
pub(in crate::template) struct Dice {
    state: Vec<u32>,
    next: usize,
}

impl Dice {
    /// Seeded by a value, or differently each time.
    pub(in crate::template) fn new(seed: Option<&Jinja>) -> Self {
        let Some(seed) = seed else {
            use std::hash::{BuildHasher, Hasher};
            let words: Vec<u32> = (0..8)
                .flat_map(|_| {
                    let word = std::collections::hash_map::RandomState::new()
                        .build_hasher()
                        .finish();
                    [word as u32, (word >> 32) as u32]
                })
                .collect();
            return Self::by_words(&words);
        };
        match python::whole(seed) {
            Some(number) => Self::by_bytes(&number.unsigned_abs().to_be_bytes()),
            None => Self::of_text(&python::text(seed).unwrap_or_default()),
        }
    }

    pub(in crate::template) fn of_text(seed: &str) -> Self {
        let mut bytes = seed.as_bytes().to_vec();
        bytes.extend_from_slice(&Sha512::digest(seed.as_bytes()));
        Self::by_bytes(&bytes)
    }

    /// From a number in bytes, the highest first.
    fn by_bytes(bytes: &[u8]) -> Self {
        let mut words: Vec<u32> = bytes
            .rchunks(4)
            .map(|chunk| {
                chunk
                    .iter()
                    .fold(0, |word, byte| word << 8 | u32::from(*byte))
            })
            .collect();
        while words.len() > 1 && words.last() == Some(&0) {
            words.pop();
        }
        Self::by_words(&words)
    }

    fn by_words(key: &[u32]) -> Self {
        let mut state = vec![0u32; LENGTH];
        state[0] = 19_650_218;
        for at in 1..LENGTH {
            let before = state[at - 1];
            state[at] = (before ^ (before >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(at as u32);
        }
        let (mut at, mut used) = (1, 0);
        for _ in 0..LENGTH.max(key.len()) {
            let before = state[at - 1];
            state[at] = (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_664_525))
                .wrapping_add(key[used])
                .wrapping_add(used as u32);
            at += 1;
            used += 1;
            if at >= LENGTH {
                state[0] = state[LENGTH - 1];
                at = 1;
            }
            if used >= key.len() {
                used = 0;
            }
        }
        for _ in 1..LENGTH {
            let before = state[at - 1];
            state[at] = (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_566_083_941))
                .wrapping_sub(at as u32);
            at += 1;
            if at >= LENGTH {
                state[0] = state[LENGTH - 1];
                at = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self {
            state,
            next: LENGTH,
        }
    }

    fn word(&mut self) -> u32 {
        if self.next >= LENGTH {
            for at in 0..LENGTH {
                let joined =
                    (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % LENGTH] & 0x7fff_ffff);
                let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[at] = self.state[(at + SHIFT) % LENGTH] ^ (joined >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn bits(&mut self, count: u32) -> u64 {
        if count <= 32 {
            return u64::from(self.word() >> (32 - count));
        }
        let low = u64::from(self.word());
        let high = u64::from(self.word() >> (64 - count));
        high << 32 | low
    }

    /// A number below a limit.
    pub(in crate::template) fn below(&mut self, limit: u64) -> u64 {
        if limit <= 1 {
            return 0;
        }
        let count = 64 - limit.leading_zeros();
        loop {
            let number = self.bits(count);
            if number < limit {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_pythons_numbers() {
        let mut dice = Dice::of_text("seed");
        let numbers: Vec<u64> = (0..5).map(|_| dice.below(100)).collect();
        assert_eq!(numbers, [17, 7, 30, 44, 36]);
        let mut dice = Dice::new(Some(&Jinja::from(42)));
        let numbers: Vec<u64> = (0..5).map(|_| dice.below(1_000_000)).collect();
        assert_eq!(numbers, [670_487, 116_739, 26_225, 777_572, 288_389]);
    }
}

//! SCRAM-SHA-256: proving to know a password without telling it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::host::{Explain, Failure};

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

type Sum = [u8; 32];

fn hash(parts: &[&[u8]]) -> Sum {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hmac(key: &[u8], data: &[&[u8]]) -> Sum {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&hash(&[key]));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let (inner, outer) = (pad(0x36), pad(0x5c));
    let mut parts: Vec<&[u8]> = vec![&inner];
    parts.extend(data);
    hash(&[&outer, &hash(&parts)])
}

/// The password, stretched.
fn salted(password: &str, salt: &[u8], rounds: u32) -> Sum {
    let mut last = hmac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()]);
    let mut sum = last;
    for _ in 1..rounds {
        last = hmac(password.as_bytes(), &[&last]);
        for (sum, byte) in sum.iter_mut().zip(last) {
            *sum ^= byte;
        }
    }
    sum
}

/// What the server keeps, and what it proves itself with.
fn keys(salted: &Sum) -> (Sum, Sum, Sum) {
    let client = hmac(salted, &[b"Client Key"]);
    (client, hash(&[&client]), hmac(salted, &[b"Server Key"]))
}

/// More rounds than anybody sets.
const MOST_ROUNDS: u32 = 10_000_000;

/// Whether a password belongs to `SCRAM-SHA-256$ROUNDS:SALT$STORED:SERVER`.
pub(super) fn matches(password: &str, kept: &str) -> bool {
    let parts: Vec<&str> = kept.split(['$', ':']).collect();
    let [MECHANISM, rounds, salt, stored, server] = parts.as_slice() else {
        return false;
    };
    let (Ok(rounds), Ok(salt)) = (rounds.parse(), STANDARD.decode(salt)) else {
        return false;
    };
    if rounds > MOST_ROUNDS {
        return false;
    }
    let (_, own, proof) = keys(&salted(password, &salt, rounds));
    STANDARD.encode(own) == *stored && STANDARD.encode(proof) == *server
}

/// One login.
pub(super) struct Exchange {
    password: String,
    nonce: String,
    /// What the server must answer in the end.
    expected: Option<String>,
}

impl Exchange {
    pub(super) fn new(password: &str) -> Result<Self, Failure> {
        let mut random = [0; 18];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .explain("get random bytes")?;
        Ok(Self {
            password: password.to_owned(),
            nonce: STANDARD.encode(random),
            expected: None,
        })
    }

    pub(super) fn first(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    /// The answer to the server's first message.
    pub(super) fn last(&mut self, server: &str) -> Option<String> {
        let part = |letter: &str| server.split(',').find_map(|part| part.strip_prefix(letter));
        let (nonce, salt) = (part("r=")?, STANDARD.decode(part("s=")?).ok()?);
        let rounds: u32 = part("i=")?.parse().ok()?;
        if !nonce.starts_with(&self.nonce) || rounds > MOST_ROUNDS {
            return None;
        }
        let (client, stored, own) = keys(&salted(&self.password, &salt, rounds));
        let plain = format!("c=biws,r={nonce}");
        let all = format!("n=,r={},{server},{plain}", self.nonce);
        let signature = hmac(&stored, &[all.as_bytes()]);
        let proof: Vec<u8> = client
            .iter()
            .zip(signature)
            .map(|(one, other)| one ^ other)
            .collect();
        self.expected = Some(STANDARD.encode(hmac(&own, &[all.as_bytes()])));
        Some(format!("{plain},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server knows the password, too.
    pub(super) fn is_server(&self, last: &str) -> bool {
        let proof = last.split(',').find_map(|part| part.strip_prefix("v="));
        proof.is_some() && proof == self.expected.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        let mut exchange = Exchange {
            password: "pencil".to_owned(),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            expected: None,
        };
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (_, stored, server) = keys(&salted("pencil", &salt, 4096));
        let kept = format!(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${}:{}",
            STANDARD.encode(stored),
            STANDARD.encode(server)
        );
        assert!(matches("pencil", &kept));
        assert!(!matches("pen", &kept));
        assert!(!matches("pencil", "SCRAM-SHA-256$x"));
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert!(exchange.last(first).is_some());
        assert!(!exchange.is_server("v=x"));
        assert!(
            exchange
                .last("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
                .is_none()
        );
    }

    #[test]
    fn hmac_as_the_standard_has_it() {
        let sum = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            crate::host::hex(&sum),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}

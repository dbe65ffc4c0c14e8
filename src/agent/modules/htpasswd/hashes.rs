//! Hashes of passwords, as files for Apache and nginx keep them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};

use crate::host::{Explain, Failure};

ocplay_protocol::choices! {
    /// How passwords are hashed.
    pub(in crate::modules) enum Scheme {
        Apr1 = "apr_md5_crypt",
        Md5 = "md5_crypt",
        Sha1 = "ldap_sha1",
        Sha256 = "sha256_crypt",
        Sha512 = "sha512_crypt",
        Bcrypt = "bcrypt",
        Plain = "plaintext",
    }
}

const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// As many as the functions of C take by themselves.
const ROUNDS: u32 = 5000;
/// More than anybody sets; each costs time.
const MOST_ROUNDS: u32 = 10_000_000;

/// Hashes a password with a new salt.
pub(super) fn hashed(scheme: Scheme, password: &str) -> Result<String, Failure> {
    let mut random = [0_u8; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .explain("get random bytes")?;
    let salt: String = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 64)]))
        .collect();
    Ok(match scheme {
        Scheme::Apr1 => md5_crypt("$apr1$", password, &salt[..8]),
        Scheme::Md5 => md5_crypt("$1$", password, &salt[..8]),
        Scheme::Sha1 => sha1(password),
        Scheme::Sha256 => sha_crypt::<Sha256>("$5$", password, &salt, None, &ORDER_256),
        Scheme::Sha512 => sha_crypt::<Sha512>("$6$", password, &salt, None, &ORDER_512),
        Scheme::Bcrypt => bcrypt::hash_with_salt(password, 12, random)
            .map_err(|error| Failure::new(format!("cannot hash the password: {error}")))?
            .format_for_version(bcrypt::Version::TwoB),
        Scheme::Plain => password.to_owned(),
    })
}

/// Whether a password belongs to a hash, of whatever scheme.
pub(super) fn fits(password: &str, kept: &str) -> bool {
    let parts: Vec<&str> = kept.split('$').collect();
    let rounds = |text: &str| {
        text.strip_prefix("rounds=")
            .and_then(|count| count.parse::<u32>().ok())
    };
    match parts.as_slice() {
        ["", "apr1", salt, _] => md5_crypt("$apr1$", password, salt) == kept,
        ["", "1", salt, _] => md5_crypt("$1$", password, salt) == kept,
        ["", "5", salt, _] => sha_crypt::<Sha256>("$5$", password, salt, None, &ORDER_256) == kept,
        ["", "6", salt, _] => sha_crypt::<Sha512>("$6$", password, salt, None, &ORDER_512) == kept,
        ["", kind @ ("5" | "6"), count, salt, _] => match rounds(count) {
            Some(count) if count <= MOST_ROUNDS && *kind == "5" => {
                sha_crypt::<Sha256>("$5$", password, salt, Some(count), &ORDER_256) == kept
            }
            Some(count) if count <= MOST_ROUNDS => {
                sha_crypt::<Sha512>("$6$", password, salt, Some(count), &ORDER_512) == kept
            }
            _ => false,
        },
        ["", "2a" | "2b" | "2x" | "2y", ..] => bcrypt::verify(password, kept).unwrap_or(false),
        _ if kept.starts_with("{SHA}") => sha1(password) == kept,
        _ => kept == password,
    }
}

fn sha1(password: &str) -> String {
    format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(password)))
}

/// Three bytes at these places as four letters; fewer give fewer.
fn letters(sum: &[u8], places: &[usize]) -> String {
    let number = places
        .iter()
        .fold(0_u32, |number, at| number << 8 | u32::from(sum[*at]));
    let count = match places.len() {
        3 => 4,
        2 => 3,
        _ => 2,
    };
    (0..count)
        .map(|at| char::from(LETTERS[(number >> (6 * at) & 0x3f) as usize]))
        .collect()
}

fn md5_crypt(magic: &str, password: &str, salt: &str) -> String {
    let salt: String = salt.chars().take(8).collect();
    let (word, grain) = (password.as_bytes(), salt.as_bytes());
    let inner = Md5::digest([word, grain, word].concat());
    let mut first = [word, magic.as_bytes(), grain].concat();
    first.extend(inner.iter().cycle().take(word.len()));
    let mut length = word.len();
    while length > 0 {
        first.push(if length & 1 == 1 { 0 } else { word[0] });
        length >>= 1;
    }
    let mut sum = Md5::digest(first);
    for round in 0..1000 {
        let odd = round % 2 == 1;
        let mut all = if odd { word.to_vec() } else { sum.to_vec() };
        if round % 3 != 0 {
            all.extend(grain);
        }
        if round % 7 != 0 {
            all.extend(word);
        }
        if odd {
            all.extend(sum.as_slice());
        } else {
            all.extend(word);
        }
        sum = Md5::digest(all);
    }
    let order: [&[usize]; 6] = [
        &[0, 6, 12],
        &[1, 7, 13],
        &[2, 8, 14],
        &[3, 9, 15],
        &[4, 10, 5],
        &[11],
    ];
    let shown: String = order.iter().map(|places| letters(&sum, places)).collect();
    format!("{magic}{salt}${shown}")
}

const ORDER_256: [&[usize]; 11] = [
    &[0, 10, 20],
    &[21, 1, 11],
    &[12, 22, 2],
    &[3, 13, 23],
    &[24, 4, 14],
    &[15, 25, 5],
    &[6, 16, 26],
    &[27, 7, 17],
    &[18, 28, 8],
    &[9, 19, 29],
    &[31, 30],
];

const ORDER_512: [&[usize]; 22] = [
    &[0, 21, 42],
    &[22, 43, 1],
    &[44, 2, 23],
    &[3, 24, 45],
    &[25, 46, 4],
    &[47, 5, 26],
    &[6, 27, 48],
    &[28, 49, 7],
    &[50, 8, 29],
    &[9, 30, 51],
    &[31, 52, 10],
    &[53, 11, 32],
    &[12, 33, 54],
    &[34, 55, 13],
    &[56, 14, 35],
    &[15, 36, 57],
    &[37, 58, 16],
    &[59, 17, 38],
    &[18, 39, 60],
    &[40, 61, 19],
    &[62, 20, 41],
    &[63],
];

fn sha_crypt<D: Digest>(
    magic: &str,
    password: &str,
    salt: &str,
    rounds: Option<u32>,
    order: &[&[usize]],
) -> String {
    let hash = |parts: &[&[u8]]| -> Vec<u8> { D::digest(parts.concat()).to_vec() };
    let salt: String = salt.chars().take(16).collect();
    let (word, grain) = (password.as_bytes(), salt.as_bytes());
    let stretched = |sum: &[u8], length: usize| -> Vec<u8> {
        sum.iter().cycle().take(length).copied().collect()
    };
    let inner = hash(&[word, grain, word]);
    let mut first = [word, grain].concat();
    first.extend(stretched(&inner, word.len()));
    let mut length = word.len();
    while length > 0 {
        first.extend(if length & 1 == 1 { &inner } else { word });
        length >>= 1;
    }
    let mut sum = hash(&[&first]);
    let words = stretched(&hash(&[&word.repeat(word.len())]), word.len());
    let grains = stretched(
        &hash(&[&grain.repeat(16 + usize::from(sum[0]))]),
        grain.len(),
    );
    let count = rounds.unwrap_or(ROUNDS).clamp(1000, 999_999_999);
    for round in 0..count {
        let odd = round % 2 == 1;
        let mut all = if odd { words.clone() } else { sum.clone() };
        if round % 3 != 0 {
            all.extend(&grains);
        }
        if round % 7 != 0 {
            all.extend(&words);
        }
        all.extend(if odd { &sum } else { &words });
        sum = hash(&[&all]);
    }
    let shown: String = order.iter().map(|places| letters(&sum, places)).collect();
    let rounds = rounds
        .map(|_| format!("rounds={count}$"))
        .unwrap_or_default();
    format!("{magic}{rounds}{salt}${shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_openssl_made() {
        for kept in [
            "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
            "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
            "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
            "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
        ] {
            assert!(fits("secret", kept), "{kept}");
            assert!(!fits("Secret", kept), "{kept}");
        }
        let long = "a longer password than sixtyfour bytes, since the algorithm differs for those who are long";
        let kept = "$6$rounds=1000$abcdefghijklmnop$GGebqinGA88sgmEdYkxPNgirJrmTFxiVV1pjcTOv.vDpIOHffEIbi0peRrjMCXNfmrcbd7mjZHtqbmtbO9Jny/";
        assert!(fits(long, kept));
    }

    #[test]
    fn what_is_hashed_fits() {
        for scheme in [
            Scheme::Apr1,
            Scheme::Md5,
            Scheme::Sha1,
            Scheme::Sha256,
            Scheme::Sha512,
            Scheme::Plain,
        ] {
            for password in ["", "x", "secret: \u{fc}"] {
                let kept = hashed(scheme, password).unwrap();
                assert!(fits(password, &kept), "{kept}");
                assert!(!fits("other", &kept), "{kept}");
            }
        }
    }

    #[test]
    fn hashes_that_are_none() {
        for kept in [
            "$6$rounds=x$a$b",
            "$6$",
            "$2b$",
            "$5$rounds=4000000000$a$b",
            "$apr1$",
        ] {
            assert!(!fits("x", kept));
        }
    }
}

//! `rpm_key`: keys that rpm trusts.

use super::acts::{Acts, acting, command, need, state};
use super::{Module, Verdict, http};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds and removes keys of rpm's database.
    pub(super) struct Args {
        /// URL or file of the key; its number will do for one that is there.
        key: String,
        /// Fingerprints, of which the key must have one.
        fingerprint: Option<Vec<String>>,
        /// Whether the key shall be there.
        state: State = State::Present,
        /// Check the certificate of an https:// URL.
        validate_certs: bool = true,
    }
}

pub(super) struct RpmKey;

fn plain(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<String>().to_uppercase();
    text.strip_prefix("0X").unwrap_or(&text).to_owned()
}

fn is_number(text: &str) -> bool {
    let text = plain(text);
    matches!(text.len(), 8 | 16 | 40) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Names of installed keys with their numbers, which are short or long
/// depending on rpm's version.
fn installed(look: &Look) -> Result<Vec<(String, String)>, Failure> {
    let format = "%{NAME}-%{VERSION}-%{RELEASE} %{VERSION}\n";
    let output = look.query(["rpm", "-q", "gpg-pubkey", "--qf", format])?;
    Ok(output
        .out()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| name.starts_with("gpg-pubkey-"))
        .map(|(name, id)| (name.to_owned(), id.to_uppercase()))
        .collect())
}

impl Module for RpmKey {
    const NAME: &'static str = "rpm_key";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "rpm", "rpm")?;
        let (id, data) = if is_number(&args.key) {
            if args.state == State::Present {
                return Err("When importing a key, a valid file must be given".into());
            }
            (plain(&args.key), None)
        } else {
            let data = if args.key.contains("://") {
                http::small_file(look, &args.key, args.validate_certs)?
            } else {
                look.read(args.key.as_ref())?
                    .ok_or_else(|| Failure::new(format!("Not a valid key {}", args.key)))?
            };
            let keys = super::openpgp::keys(&data);
            let found: Vec<String> = keys.into_iter().flat_map(|key| key.prints).collect();
            let Some(first) = found.first() else {
                return Err(Failure::new(format!("Not a public key: {}", args.key)));
            };
            if let Some(wanted) = &args.fingerprint
                && !wanted.iter().any(|print| found.contains(&plain(print)))
            {
                return Err(Failure::new(format!(
                    "The specified fingerprint, '{}', does not match any key fingerprint in '{}'",
                    wanted.join(", "),
                    found.join(", ")
                )));
            }
            (first.clone(), Some(data))
        };
        let there = installed(look)?
            .into_iter()
            .find(|(_, number)| id.ends_with(number.as_str()) || number.ends_with(&id));
        let mut acts = Acts::new(Return::new());
        match (args.state, there, data) {
            (State::Present, None, Some(data)) => {
                acts.diff(state("keys of rpm", "", &id));
                acts.body(move |touch| {
                    let mut file = touch.stage(&std::env::temp_dir())?;
                    file.write(&data)?;
                    let path = file.path().to_string_lossy().into_owned();
                    touch.must(&command(["rpm", "--import", &path]), "import the key")?;
                    Ok(Return::new())
                });
            }
            (State::Absent, Some((name, _)), _) => {
                acts.diff(state("keys of rpm", &id, ""));
                acts.run(
                    command(["rpm", "--erase", "--allmatches", &name]),
                    "remove the key",
                );
            }
            _ => {}
        }
        Ok(acts.verdict())
    }
}

//! `openssl_dhparam`: parameters for Diffie and Hellman's exchange of keys.

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::made::{self, Made};
use super::{Module, Verdict};
use crate::crypto::{self, complaint, der, openssl, unwrapped};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography", Openssl = "openssl" }
}

file_arguments! {
    /// Makes parameters for the exchange of keys by Diffie and Hellman, with the program openssl of the host.
    /// Takes minutes for large sizes.
    pub(super) struct Args {
        /// File of the parameters.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Size of the prime number in bits.
        size: i64 = 4096,
        /// Make new ones in any case.
        force: bool = false,
        /// Return the parameters themselves.
        return_content: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslDhparam;

/// Size of the prime number in a file of parameters.
fn size_of(data: &[u8]) -> Option<i64> {
    let data = unwrapped(data, &["DH PARAMETERS"])?;
    let numbers = der::parse(&data)?.is(der::SEQUENCE)?.children();
    let prime = numbers.first()?.is(der::INTEGER)?.body;
    let start = prime.iter().position(|byte| *byte != 0)?;
    let bits = (prime.len() - start) * 8 - prime[start].leading_zeros() as usize;
    i64::try_from(bits).ok()
}

impl Module for OpensslDhparam {
    const NAME: &'static str = "openssl_dhparam";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let made = Made {
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
        };
        let before = look.read(&args.path)?;
        let mut acts = Acts::new(Return::new().with("filename", args.path.to_string_lossy()));
        if args.state == State::Absent {
            made::absent(&made, before.is_some(), &mut acts);
            return Ok(acts.verdict());
        }
        crypto::need(look)?;
        made.check(look)?;
        if !(512..=16_384).contains(&args.size) {
            return Err(Failure::new(format!(
                "size: {} is no size of parameters; 2048 and more are safe",
                args.size
            )));
        }
        let is = before.as_deref().and_then(size_of);
        acts.result(|result| result.with("size", args.size));
        let content = args.return_content;
        if let Some(data) = &before
            && is == Some(args.size)
            && !args.force
        {
            let text = String::from_utf8_lossy(data).into_owned();
            acts.result(|result| result.maybe("dhparams", content.then_some(text)));
            acts.work(made.settle(look, data)?);
            return Ok(acts.verdict());
        }
        let shown = |size: i64| format!("size: {size}\n");
        acts.diff(state_diff(
            &args.path.to_string_lossy(),
            &is.map(shown).unwrap_or_default(),
            &format!("{}(new)\n", shown(args.size)),
        ));
        let size = args.size.to_string();
        acts.body(move |touch| {
            let output = touch.run(&openssl(&["dhparam", &size], None))?;
            if !output.ok() {
                let message = format!("cannot make the parameters: {}", complaint(&output));
                return Err(output.failure(message));
            }
            let text = output.out();
            let result = made.write(touch, output.stdout)?;
            Ok(result.maybe("dhparams", content.then_some(text)))
        });
        Ok(acts.verdict())
    }
}

//! `openstack.cloud.auth` (`os_auth`): a token of a cloud.

use super::acts::{Acts, acting};
use super::openstack::openstack_arguments;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

openstack_arguments! {
    /// Logs in to an OpenStack cloud and returns the token.
    pub(super) struct Args {}
}

pub(super) struct OsAuth;

impl Module for OsAuth {
    const NAME: &'static str = "os_auth";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        Ok(Acts::new(Return::new().with("auth_token", cloud.token())).verdict())
    }
}

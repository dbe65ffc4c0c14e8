//! `openstack.cloud.identity_user` (`os_user`): accounts of a cloud.

use serde_json::{Map, json};

use super::acts::{Acts, acting};
use super::openstack::{Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// When the password is set.
    pub(super) enum Update { Always = "always", OnCreate = "on_create" }
}

openstack_arguments! {
    /// Creates, changes and removes accounts of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the account.
        name: String,
        /// Password.
        password: Option<String>,
        /// Set the password of a new account only, or always.
        update_password: Update = Update::OnCreate,
        /// Address for mail.
        email: Option<String>,
        /// Description.
        description: Option<String>,
        /// Project that the account works in by default.
        default_project: Option<String>,
        /// Domain of the account.
        domain: Option<String>,
        /// Whether the account can be used.
        is_enabled: bool ["enabled"] = true,
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsUser;

pub(super) const USER: Resource = Resource {
    service: "identity",
    path: "/users",
    one: "user",
    many: "users",
    change: "PATCH",
};

impl Module for OsUser {
    const NAME: &'static str = "os_user";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let domain = super::os_keystone_domain::id(&cloud, args.domain.as_deref())?;
        let query: Vec<(&str, &str)> = domain.iter().map(|id| ("domain_id", id.as_str())).collect();
        let project = match &args.default_project {
            Some(name) => Some(super::os_project::PROJECT.id(&cloud, name, &query)?),
            None => None,
        };
        let found = USER.find(&cloud, &args.name, &query)?;
        let mut secret = Map::new();
        let always = args.update_password == Update::Always;
        if let Some(password) = args.password.as_ref().filter(|_| found.is_none() || always) {
            secret.insert("password".to_owned(), password.as_str().into());
        }
        let update = json!({
            "email": args.email, "description": args.description, "enabled": args.is_enabled,
            "default_project_id": project,
        });
        let mut create = update.clone();
        create["name"] = json!(args.name);
        create["domain_id"] = json!(domain);
        let ensure = Ensure {
            cloud,
            resource: USER,
            name: args.name.clone(),
            found,
            present: args.state == State::Present,
            create,
            update,
            secret,
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}

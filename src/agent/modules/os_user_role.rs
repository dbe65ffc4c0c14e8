//! `openstack.cloud.role_assignment` (`os_user_role`): who has which role where.

use super::acts::{Acts, acting, state as state_diff};
use super::openstack::{Resource, openstack_arguments};
use super::os_keystone_domain::id as domain_id;
use super::os_keystone_role::ROLE;
use super::os_project::PROJECT;
use super::os_user::USER;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Gives a role in a project, domain or the whole cloud to a user or a group, or takes it away.
    pub(super) struct Args {
        /// The role.
        role: String,
        /// Domain of the role.
        role_domain: Option<String>,
        /// The user.
        user: Option<String>,
        /// Domain of the user.
        user_domain: Option<String>,
        /// The group.
        group: Option<String>,
        /// Domain of the group.
        group_domain: Option<String>,
        /// The project; with domain but without the other domains, one of that domain.
        project: Option<String>,
        /// Domain of the project.
        project_domain: Option<String>,
        /// The domain.
        domain: Option<String>,
        /// The whole cloud: all.
        system: Option<String>,
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsUserRole;

const GROUP: Resource = Resource {
    service: "identity",
    path: "/groups",
    one: "group",
    many: "groups",
    change: "PATCH",
};

impl Module for OsUserRole {
    const NAME: &'static str = "os_user_role";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.user.is_some() == args.group.is_some() {
            return Err("exactly one of user and group is required".into());
        }
        if args.project.is_none() && args.domain.is_none() && args.system.is_none() {
            return Err("one of the following is required: project, domain, system".into());
        }
        let cloud = args.connect(look)?;
        let domain = domain_id(&cloud, args.domain.as_deref())?;
        // The domain stands for those that are not given, as it always did.
        let within = |given: &Option<String>| -> Result<Option<String>, Failure> {
            Ok(domain_id(&cloud, given.as_deref())?.or_else(|| domain.clone()))
        };
        let find = |resource: Resource, name: &str, domain: Option<String>| {
            let query: Vec<(&str, &str)> =
                domain.iter().map(|id| ("domain_id", id.as_str())).collect();
            resource.id(&cloud, name, &query)
        };
        let role = find(
            ROLE,
            &args.role,
            domain_id(&cloud, args.role_domain.as_deref())?,
        )?;
        let who = match (&args.user, &args.group) {
            (Some(user), _) => format!("users/{}", find(USER, user, within(&args.user_domain)?)?),
            (None, Some(group)) => {
                format!(
                    "groups/{}",
                    find(GROUP, group, within(&args.group_domain)?)?
                )
            }
            (None, None) => String::new(),
        };
        let place = match (&args.project, &domain) {
            (Some(project), _) => {
                format!(
                    "projects/{}",
                    find(PROJECT, project, within(&args.project_domain)?)?
                )
            }
            (None, Some(domain)) => format!("domains/{domain}"),
            (None, None) => "system".to_owned(),
        };
        let path = format!("/{place}/{who}/roles/{role}");
        let there = cloud.get("identity", &path)?.is_some();
        let mut acts = Acts::new(Return::new());
        let name = args.role.clone();
        let (method, before, after) = match (args.state, there) {
            (State::Present, false) => ("PUT", "", name.as_str()),
            (State::Absent, true) => ("DELETE", name.as_str(), ""),
            _ => return Ok(acts.verdict()),
        };
        acts.diff(state_diff(
            &format!("roles of {who} in {place}"),
            before,
            after,
        ));
        acts.body(move |_| {
            cloud.tell(
                method,
                "identity",
                &path,
                None,
                &format!("assign the role {name}"),
            )?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}

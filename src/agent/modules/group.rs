//! `group`: groups of the host.

use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state of an account.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Creates, changes or removes a group.
    pub(super) struct Args {
        /// Name of the group.
        name: String,
        /// Number of the group.
        gid: Option<i64>,
        /// Whether the group shall be there.
        state: State = State::Present,
        /// Give a new group a number from the system range.
        system: bool = false,
        /// Allow a number that another group has.
        non_unique: bool = false,
        /// Remove the group even if it is a user's primary one.
        force: bool = false,
        /// Use only the local files; always so here.
        local: bool = false,
        /// Lowest number for a new group.
        gid_min: Option<i64>,
        /// Highest number for a new group.
        gid_max: Option<i64>,
    }
}

pub(super) struct Group;

pub(super) struct Plan {
    command: Command,
    name: String,
    system: bool,
    before: String,
    after: String,
}

impl Module for Group {
    const NAME: &'static str = "group";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.non_unique && args.gid.is_none() {
            return Err("non_unique is True but all of the following are missing: gid".into());
        }
        if args.force && args.local {
            return Err(
                "force is not a valid option for local, force=True and local=True are mutually \
                 exclusive"
                    .into(),
            );
        }
        for (name, value) in [("gid_min", args.gid_min), ("gid_max", args.gid_max)] {
            if args.local && value.is_some() {
                return Err(Failure::new(format!(
                    "'{name}' can not be used with 'local'"
                )));
            }
        }
        let found = look.group(&args.name);
        let result = Return::new()
            .with("name", args.name.as_str())
            .with("state", args.state.word());
        let gid = args.gid.map(|gid| gid.to_string());
        let mut argv: Vec<String> = Vec::new();
        let mut word = |text: &str| argv.push(text.to_owned());
        let (before, after) = match (args.state, &found) {
            (State::Present, Some(group)) => {
                let same = args.gid.is_none_or(|gid| gid == i64::from(group.gid));
                if same {
                    return Ok(Verdict::Same(
                        result.with("system", args.system).with("gid", group.gid),
                    ));
                }
                word("groupmod");
                (
                    format!("gid: {}\n", group.gid),
                    format!("gid: {}\n", gid.as_deref().unwrap_or_default()),
                )
            }
            (State::Present, None) => {
                word("groupadd");
                if args.system {
                    word("-r");
                }
                for (key, value) in [("GID_MIN", args.gid_min), ("GID_MAX", args.gid_max)] {
                    if let Some(value) = value {
                        word("-K");
                        word(&format!("{key}={value}"));
                    }
                }
                (String::new(), format!("group: {}\n", args.name))
            }
            (State::Absent, None) => return Ok(Verdict::Same(result)),
            (State::Absent, Some(_)) => {
                word("groupdel");
                if args.force {
                    word("-f");
                }
                (format!("group: {}\n", args.name), String::new())
            }
        };
        if let (State::Present, Some(gid)) = (args.state, &gid) {
            word("-g");
            word(gid);
            if args.non_unique {
                word("-o");
            }
        }
        word(&args.name);
        let plan = Plan {
            command: Command::new(argv),
            name: args.name.clone(),
            system: args.system,
            before,
            after,
        };
        Ok(Verdict::Change(plan, result.maybe("gid", args.gid)))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::text(
            &plan.name,
            plan.before.as_str(),
            plan.after.as_str(),
        )]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        touch.must(&plan.command, &format!("change the group {}", plan.name))?;
        let group = touch.group(&plan.name);
        Ok(Return::new()
            .with("name", plan.name.as_str())
            .with("state", if group.is_some() { "present" } else { "absent" })
            .maybe("system", group.as_ref().map(|_| plan.system))
            .maybe("gid", group.map(|group| group.gid)))
    }
}

//! Tasks, or parts of tasks, that the controller does itself. One file each.
//!
//! Everything not named here goes to the host as it is (`host`).

mod add_host;
mod answer;
mod assemble;
mod assert;
mod carried;
mod copy;
mod debug;
pub(crate) mod detached;
mod external;
mod fail;
mod fetch;
mod gather;
mod group_by;
mod host;
mod include;
mod include_vars;
pub(crate) mod meta;
mod pause;
mod reboot;
mod script;
mod set_fact;
mod set_stats;
mod synchronize;
mod template;
mod user;
mod validate_argument_spec;
mod wait_for_connection;

use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::Span;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::{Arguments, ModuleInfo, Place};

use crate::chain::Turn;
use crate::connection::{Become, ConnectError, Kind, Link, Target, Variables};
use crate::forks::Fork;
use crate::outcome::ActionOutcome;
use crate::settings::{Evaluator, Settings};
use crate::task::{Shared, Step};

/// One execution of an action for one host and item.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) step: &'a Arc<Step>,
    pub(crate) host: &'a Arc<str>,
    /// The host's place among those at work.
    pub(crate) fork: &'a Fork,
    /// Its turn among the items of a loop, where they go together.
    pub(crate) turn: Option<&'a Turn>,
    pub(crate) scope: &'a Scope,
    pub(crate) settings: &'a Settings,
    /// Resolved, omitted ones left out.
    pub(crate) args: Map,
    pub(crate) item: Option<&'a Value>,
    /// The module shall run as a job of its own.
    pub(crate) detached: Option<detached::Wish>,
}

/// Descriptions of the actions that are no modules of the agent.
#[must_use]
pub fn catalogue() -> Vec<ModuleInfo> {
    fn info<A: Arguments>(name: &'static str, free_form: bool, open: bool) -> ModuleInfo {
        ModuleInfo {
            name,
            collection: "ansible.builtin",
            doc: A::doc(),
            place: Place::Controller,
            args: A::infos(),
            free_form,
            open,
        }
    }
    vec![
        info::<add_host::Args>("add_host", false, true),
        info::<assert::Args>("assert", false, false),
        info::<debug::Args>("debug", false, false),
        info::<fail::Args>("fail", false, false),
        info::<gather::Args>("gather_facts", false, true),
        info::<group_by::Args>("group_by", false, false),
        info::<include_vars::Args>("include_vars", true, false),
        info::<pause::Args>("pause", false, false),
        info::<reboot::Args>("reboot", false, false),
        info::<set_fact::Args>("set_fact", false, true),
        info::<set_stats::Args>("set_stats", false, false),
        ModuleInfo {
            collection: "ansible.posix",
            ..info::<synchronize::Args>("synchronize", false, false)
        },
        info::<template::Args>("template", false, false),
        info::<validate_argument_spec::Args>("validate_argument_spec", false, false),
        info::<wait_for_connection::Args>("wait_for_connection", false, false),
    ]
}

/// Arguments that an action evaluates itself, each in its own way.
pub(crate) fn keeps_lazy(module: &str, arg: &str) -> bool {
    matches!(
        (module, arg),
        ("assert", "that") | ("debug", "var") | ("include_tasks" | "include_role", "apply")
    )
}

/// Modules whose items may be on their way to the host together: each is one
/// request, made of nothing that an item before it brings.
pub(crate) fn goes_together(info: &ModuleInfo) -> bool {
    // What comes back are facts, which the next item may read.
    const FACTS: [&str; 3] = ["getent", "hostname", "setup"];
    // These ask the host, or look around, before they know what to send.
    const OWN: [&str; 6] = [
        "assemble",
        "async_status",
        "fetch",
        "patch",
        "unarchive",
        "user",
    ];
    let host = info.place == Place::Host || info.name == "template";
    let facts = info.name.ends_with("_facts") || FACTS.contains(&info.name);
    host && !facts && !OWN.contains(&info.name)
}

pub(crate) async fn run(call: &Call<'_>) -> ActionOutcome {
    if let Some(wish) = call.detached {
        return detached::run(call, wish).await;
    }
    let name = &call.step.planned.task.action.name;
    if let Some(program) = call.shared.resolver.catalogue().external(name) {
        return external::run(call, program).await;
    }
    match call.step.planned.module() {
        "add_host" => add_host::run(call),
        "assemble" => assemble::run(call).await,
        "async_status" => detached::status(call).await,
        "assert" => assert::run(call),
        module @ ("unarchive" | "patch") => carried::run(call, module).await,
        "copy" => copy::run(call).await,
        "debug" => debug::run(call),
        "fail" => fail::run(call),
        "fetch" => fetch::run(call).await,
        "gather_facts" | "setup" => gather::run(call).await,
        "group_by" => group_by::run(call),
        "include_tasks" | "include" => include::tasks(call),
        "include_role" => include::role(call),
        "include_vars" => include_vars::run(call),
        "meta" => meta::run(call),
        "pause" => pause::run(call).await,
        "script" => script::run(call).await,
        "set_fact" => set_fact::run(call),
        "reboot" => reboot::run(call).await,
        "set_stats" => set_stats::run(call),
        "synchronize" => synchronize::run(call).await,
        "template" => template::run(call).await,
        "validate_argument_spec" => validate_argument_spec::run(call),
        "wait_for_connection" => wait_for_connection::run(call).await,
        "user" => user::run(call).await,
        module => host::run(call, module).await,
    }
}

/// Variables of a host, rendered one by one when a connection needs them.
struct HostVariables<'a> {
    call: &'a Call<'a>,
    scope: Scope,
}

impl Variables for HostVariables<'_> {
    fn get(&self, name: &str) -> Result<Option<Value>, ConnectError> {
        match self.scope.get(name) {
            None => Ok(None),
            Some(value) => self
                .call
                .shared
                .templar
                .resolve(value, &self.scope)
                .map(Some)
                .map_err(|error| ConnectError::Variable {
                    name: name.to_owned(),
                    reason: error.message,
                }),
        }
    }
}

impl Call<'_> {
    /// Reads typed arguments.
    pub(crate) fn read<A: Arguments>(&self) -> Result<A, Box<ActionOutcome>> {
        let serde_json::Value::Object(map) = Value::from(self.args.clone()).to_json() else {
            return Err(Box::new(ActionOutcome::failure(
                "arguments must be a mapping",
            )));
        };
        let module = self.step.planned.module();
        if let Some(info) = self.shared.resolver.catalogue().get(module)
            && let Some(reason) =
                ocplay_protocol::catalogue::explain(module, &info.args, info.open, &map)
        {
            let unknown = map.keys().find(|key| info.arg(key).is_none());
            // This one has words of its own for it.
            let reason = match unknown.filter(|_| module == "wait_for_connection") {
                Some(key) => format!("Invalid options for {module}: {key}"),
                None => reason,
            };
            return Err(Box::new(ActionOutcome::failure(reason)));
        }
        A::read(map).map_err(|problems| {
            Box::new(ActionOutcome::failure(ocplay_protocol::catalogue::join(
                &problems,
            )))
        })
    }

    /// Warns about something in the content, once in a run.
    pub(crate) fn warn_once(&self, warning: Diagnostic, place: Option<Span>) {
        let warning = match place {
            Some(place) => warning.at(&place),
            None => warning,
        };
        self.shared.warn_once(warning);
    }

    /// The same, waited for.
    fn attended(&self) -> Self {
        Self {
            args: Map::new(),
            detached: None,
            ..*self
        }
    }

    /// The host that does the work: the delegate, if there is one.
    pub(crate) fn worker(&self) -> Arc<str> {
        self.settings
            .delegate_to
            .as_deref()
            .map_or_else(|| Arc::clone(self.host), Arc::from)
    }

    fn connection_scope(&self) -> Scope {
        let worker = self.worker();
        if worker == *self.host {
            return self.scope.clone();
        }
        let known = self.step.snapshot.scopes.get(&worker);
        let mut scope = known.cloned().unwrap_or_default();
        if known.is_none() && is_local_name(&worker) {
            scope = scope.with_var(Level::InventoryHost, "ansible_connection", "local".into());
        }
        for vars in self.step.planned.context.vars() {
            scope = scope.with(Level::TaskVars, vars);
        }
        scope.with_hosts(Arc::clone(&self.step.snapshot) as _)
    }

    /// Where the work is done, and as whom.
    pub(crate) fn target(&self) -> Result<(Target, Option<Become>), Box<ActionOutcome>> {
        let vars = HostVariables {
            call: self,
            scope: self.connection_scope(),
        };
        let options = &self.shared.options.ssh;
        let target = Target::from_variables(
            &self.worker(),
            &vars,
            options,
            self.settings.remote_user.clone(),
            self.settings.connection.clone(),
            self.settings.port,
        )
        .map_err(|error| Box::new(ActionOutcome::unreachable(error.to_string())))?;
        let evaluator = Evaluator {
            templar: &self.shared.templar,
            scope: self.scope,
        };
        let becoming =
            evaluator.becoming(&self.step.planned.context, &self.shared.options, &vars)?;
        let login = if matches!(target.kind, Kind::Local) {
            &options.login
        } else {
            &target.user
        };
        // Becoming the user that one is already needs no sudo.
        let becoming = becoming.filter(|becoming| becoming.user != *login);
        Ok((target, becoming))
    }

    /// The agent that does the work.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, Box<ActionOutcome>> {
        let (target, becoming) = self.target()?;
        let worker = self.worker();
        let link = self.shared.pool.link(&worker, &target, becoming.as_ref());
        let link = self.fork.lend(link).await;
        link.map_err(|error| Box::new(refusal(&error)))
    }
}

/// A host that cannot be worked on: most reasons mean that it was not
/// reached, but a refused password is the task's failure, as in Ansible.
pub(crate) fn refusal(error: &ConnectError) -> ActionOutcome {
    match error {
        ConnectError::Become(_) => ActionOutcome::failure(error.to_string()),
        _ => ActionOutcome::unreachable(error.to_string()),
    }
}

pub(crate) fn is_local_name(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

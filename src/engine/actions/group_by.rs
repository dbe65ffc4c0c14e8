//! `group_by`: groups made of facts.

use ocplay_language::value::Value;
use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

arguments! {
    /// Puts the host into a group, made if need be.
    pub struct Args {
        /// Name of the group; blanks become dashes.
        key: String,
        /// Groups above it.
        parents: Vec<String> = vec!["all".to_owned()],
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let key = args.key.replace(' ', "-");
    let parents: Vec<String> = args
        .parents
        .iter()
        .map(|parent| parent.replace(' ', "-"))
        .collect();
    let groups = call.scope.get("groups").and_then(Value::as_map);
    let members = groups.and_then(|groups| groups.get(&key)?.as_list());
    let member = members.is_some_and(|members| {
        members
            .iter()
            .any(|host| host.as_str() == Some(&**call.host))
    });
    let mut outcome = ActionOutcome::ok()
        .with("add_group", key.as_str())
        .effect(Effect::GroupBy { key, parents });
    outcome.changed = !member;
    outcome
}

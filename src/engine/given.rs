//! What a task was given: the hash of its arguments for the journal, and at
//! `-vvv` the arguments themselves (`invocation` of a result).

use ocplay_language::value::{Map, Value};
use ocplay_protocol::ModuleInfo;
use serde_json::{Map as Json, Value as Item};
use sha2::{Digest, Sha256};

use crate::blobs::hex;

/// What Ansible prints in place of a secret argument.
const HIDDEN: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";

/// Parts of names that secret arguments have.
const SECRET: [&str; 6] = ["pass", "secret", "token", "api_key", "private", "vault"];

/// Arguments that carry whole texts, among them whatever is secret.
const CARRIERS: [&str; 3] = ["content", "responses", "stdin"];

/// From this verbosity on results show their arguments.
const SHOWN_FROM: u8 = 3;

#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) hash: String,
    /// `invocation` of the result.
    pub(crate) invocation: Option<Item>,
}

impl Given {
    /// Notes the arguments of a task whose module is `info`.
    pub(crate) fn new(args: &Map, info: Option<&ModuleInfo>, verbosity: u8) -> Self {
        let given = Value::from(args.clone()).to_json();
        let hash = hex(Sha256::digest(given.to_string()).as_slice());
        let invocation = info
            .filter(|_| verbosity >= SHOWN_FROM)
            .map(|info| invocation(info, given));
        Self { hash, invocation }
    }

    /// The hash of a loop, of the hashes of its items.
    pub(crate) fn of_loop<'a>(items: impl Iterator<Item = &'a Self>) -> Self {
        let mut hash = Sha256::new();
        for item in items {
            hash.update(&item.hash);
        }
        Self {
            hash: hex(hash.finalize().as_slice()),
            invocation: None,
        }
    }
}

/// All arguments of the module, those that were left out with their defaults.
fn invocation(info: &ModuleInfo, given: Item) -> Item {
    let mut shown = Json::new();
    for arg in &info.args {
        let default = arg.default.clone().unwrap_or(Item::Null);
        shown.insert(arg.name.to_owned(), default);
    }
    if let Item::Object(given) = given {
        for (name, value) in given {
            let name = info.arg(&name).map_or(name.as_str(), |arg| arg.name);
            shown.insert(name.to_owned(), value);
        }
    }
    for (name, value) in &mut shown {
        hide(name, value);
    }
    serde_json::json!({ "module_args": shown })
}

/// Replaces secrets, also those inside of mappings.
fn hide(name: &str, value: &mut Item) {
    let name = name.to_lowercase();
    match value {
        Item::Null | Item::Bool(_) => {}
        whole if is_secret(&name) => *whole = HIDDEN.into(),
        Item::Object(inner) => inner.iter_mut().for_each(|(name, value)| hide(name, value)),
        Item::Array(items) if items.iter().any(Item::is_object) => {
            items.iter_mut().for_each(|item| hide(&name, item));
        }
        _ => {}
    }
}

/// Whether all of an argument of this name, in small letters, is hidden.
fn is_secret(name: &str) -> bool {
    CARRIERS.contains(&name) || SECRET.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_defaults_and_without_secrets() {
        let infos = crate::actions::catalogue();
        let info = infos.iter().find(|info| info.name == "debug");
        let mut args = Map::new();
        args.insert("msg", "hello");
        args.insert("login_password", "hunter2");
        let mut inner = Map::new();
        inner.insert("db", "hunter2");
        args.insert("passwords", Value::from(inner));
        args.insert("content", Value::from(vec![Value::from("hunter2")]));
        let given = Given::new(&args, info, 3);
        let shown = given.invocation.unwrap();
        assert_eq!(shown["module_args"]["msg"], "hello");
        assert_eq!(shown["module_args"]["verbosity"], 0);
        assert_eq!(shown["module_args"]["login_password"], HIDDEN);
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
        assert!(Given::new(&args, info, 2).invocation.is_none());
    }
}

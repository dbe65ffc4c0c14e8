//! `getent`: entries of the host's databases as facts.

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Reads users, groups, hosts and the like as the host sees them.
    pub(super) struct Args {
        /// Database such as passwd, group, hosts, services.
        database: String,
        /// Entry to read; by default all.
        key: Option<String>,
        /// Service of the name service switch to ask.
        service: Option<String>,
        /// Character between fields.
        split: Option<String>,
        /// Fail if the key is not there.
        fail_key: bool = true,
    }
}

pub(super) struct Getent;

const NOT_FOUND: &str = "One or more supplied key could not be found in the database.";

impl Module for Getent {
    const NAME: &'static str = "getent";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut argv = vec!["getent"];
        if let Some(service) = &args.service {
            argv.extend(["-s", service]);
        }
        argv.push(&args.database);
        argv.extend(args.key.as_deref());
        let output = look.query(argv)?;
        let fact = format!("getent_{}", args.database);
        let mut message = None;
        let entries = match output.code {
            0 => entries(args, &output.out()),
            1 => return Err("Missing arguments, or database unknown.".into()),
            2 if !args.fail_key => {
                let mut none = Map::new();
                if let Some(key) = &args.key {
                    none.insert(key.clone(), Value::Null);
                }
                message = Some(NOT_FOUND);
                none
            }
            2 => return Err(NOT_FOUND.into()),
            3 => return Err("Enumeration not supported on this database.".into()),
            _ => {
                let message = format!(
                    "getent cannot read the database {}: {}",
                    args.database,
                    output.complaint()
                );
                return Err(output.failure(message));
            }
        };
        let mut facts = Map::new();
        facts.insert(fact, Value::Object(entries));
        Ok(Verdict::Same(
            Return::new()
                .with("ansible_facts", Value::Object(facts))
                .maybe("msg", message),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

fn entries(args: &Args, text: &str) -> Map<String, Value> {
    let by_colon = ["passwd", "shadow", "group", "gshadow"].contains(&args.database.as_str());
    let separator = args.split.as_deref().or(by_colon.then_some(":"));
    let mut found = Map::new();
    let mut many: Vec<&str> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = match separator {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        if let Some((first, rest)) = fields.split_first() {
            let rest = json!(rest);
            // Several entries of one name become a list of them.
            match (found.get_mut(*first), many.contains(first)) {
                (Some(Value::Array(all)), true) => all.push(rest),
                (Some(one), _) => {
                    *one = json!([one.take(), rest]);
                    many.push(first);
                }
                (None, _) => {
                    found.insert((*first).to_owned(), rest);
                }
            }
        }
    }
    found
}

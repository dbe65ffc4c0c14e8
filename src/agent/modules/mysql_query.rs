//! `mysql_query`: statements for a MySQL or MariaDB server.

use std::time::Instant;

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};
use crate::sql::mysql::{Error, Server, mysql_arguments, name, quote};

mysql_arguments! {
    /// Runs statements on a MySQL or MariaDB server and returns what they give.
    pub(super) struct Args {
        /// One statement or a list of them. %s and %(name)s stand for arguments.
        query: Value,
        /// Values for each %s, in order.
        positional_args: Option<Vec<Value>>,
        /// Values for each %(name)s.
        named_args: Option<Map<String, Value>>,
        /// Database to work in.
        login_db: Option<String>,
        /// All statements in one transaction.
        single_transaction: bool = false,
        /// Variables of the session.
        session_vars: Option<Map<String, Value>>,
    }
}

pub(super) struct MysqlQuery;

/// A value as SQL writes it.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("({})", items.join(","))
        }
        other => quote(&coerce::text(other).unwrap_or_default()),
    }
}

/// Puts arguments into a statement; `%%` is a percent sign.
fn filled(args: &Args, query: &str) -> Result<String, Failure> {
    if args.positional_args.is_none() && args.named_args.is_none() {
        return Ok(query.to_owned());
    }
    let mut out = String::with_capacity(query.len());
    let mut positional = args.positional_args.iter().flatten();
    let mut rest = query;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('%') {
            out.push('%');
            rest = tail;
        } else if let (Some(tail), Some(_)) = (after.strip_prefix('s'), &args.positional_args) {
            let value = positional
                .next()
                .ok_or("the query has more %s than there are positional_args")?;
            out.push_str(&literal(value));
            rest = tail;
        } else if let (Some(tail), Some(named)) = (after.strip_prefix('('), &args.named_args) {
            let (key, tail) = tail
                .split_once(")s")
                .ok_or_else(|| Failure::new(format!("the query has an open %( in: {query}")))?;
            let value = named
                .get(key)
                .ok_or_else(|| Failure::new(format!("named_args has no {key}")))?;
            out.push_str(&literal(value));
            rest = tail;
        } else {
            out.push('%');
            rest = after;
        }
    }
    out.push_str(rest);
    if positional.next().is_some() {
        return Err("there are more positional_args than %s in the query".into());
    }
    Ok(out)
}

/// Sets variables of the session.
pub(super) fn set_variables(
    server: &mut Server,
    variables: Option<&Map<String, Value>>,
) -> Result<(), Error> {
    for (key, value) in variables.into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if !key.chars().all(plain) {
            return Err(Failure::new(format!("'{key}' is no name of a variable")).into());
        }
        server.query(&format!("SET SESSION {key} = {}", literal(value)))?;
    }
    Ok(())
}

/// Whether a statement that succeeded may have changed something.
fn changes(query: &str, count: u64) -> bool {
    let words: Vec<String> = query
        .split_whitespace()
        .take(2)
        .map(str::to_uppercase)
        .collect();
    let first = words
        .first()
        .map_or("", String::as_str)
        .trim_start_matches('(');
    match first {
        "CREATE" | "DROP" | "ALTER" | "RENAME" | "TRUNCATE" | "GRANT" | "REVOKE" => true,
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" => count > 0,
        _ => false,
    }
}

impl Module for MysqlQuery {
    const NAME: &'static str = "mysql_query";
    const COLLECTION: &'static str = "community.mysql";
    type Args = Args;
    type Plan = Args;

    fn check(args: &Args, _: &Look) -> Result<Verdict<Args>, Failure> {
        if args.positional_args.is_some() && args.named_args.is_some() {
            return Err("parameters are mutually exclusive: positional_args|named_args".into());
        }
        Ok(Verdict::MustRun(args.clone()))
    }

    fn describe(_: &Args) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(args: Args, touch: &mut Touch) -> Result<Return, Failure> {
        let queries: Vec<String> = match &args.query {
            Value::Array(all) => all.iter().map(coerce::text).collect::<Result<_, _>>()?,
            one => vec![coerce::text(one)?],
        };
        let queries: Vec<String> = queries
            .iter()
            .map(|query| filled(&args, query))
            .collect::<Result<_, _>>()?;
        let mut server = args.login().connect(touch)?;
        if let Some(database) = &args.login_db {
            server.query(&format!("USE {}", name(database)))?;
        }
        set_variables(&mut server, args.session_vars.as_ref())?;
        server.query("SET autocommit = 0")?;
        let (mut results, mut counts, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut changed = false;
        for query in &queries {
            touch.go_on()?;
            let begun = Instant::now();
            let answer = server.query(query).map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    message: format!("Cannot execute SQL '{query}': {}", failure.message),
                    changed,
                    ..failure
                }
            })?;
            times.push(Value::from(
                (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            ));
            changed |= changes(query, answer.count);
            let rows: Vec<Value> = answer.rows.into_iter().map(Value::Object).collect();
            results.push(Value::Array(rows));
            counts.push(Value::from(answer.count));
            if !args.single_transaction {
                server.query("COMMIT")?;
            }
        }
        server.query("COMMIT")?;
        Ok(Return::new()
            .with("executed_queries", queries)
            .with("query_result", results)
            .with("rowcount", counts)
            .with("execution_time_ms", times)
            .changed(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_protocol::Arguments;
    use serde_json::json;

    #[test]
    fn arguments_in_statements() {
        let read =
            |value: Value| <Args as Arguments>::read(value.as_object().unwrap().clone()).unwrap();
        let args = read(json!({"query": "x", "positional_args": [1, "it's", null]}));
        assert_eq!(
            filled(&args, "a %s b %s, %s 5%%").unwrap(),
            "a 1 b 'it''s', NULL 5%"
        );
        assert!(filled(&args, "%s").is_err());
        let args = read(json!({"query": "x", "named_args": {"n": "v"}}));
        assert_eq!(filled(&args, "a = %(n)s").unwrap(), "a = 'v'");
        assert!(filled(&args, "a = %(m)s").is_err());
    }

    #[test]
    fn what_changes() {
        assert!(changes("create table x (y int)", 0));
        assert!(!changes("INSERT INTO x SELECT 1 WHERE 0", 0));
        assert!(changes("delete from x", 2));
        assert!(!changes("SELECT 1", 1));
    }
}

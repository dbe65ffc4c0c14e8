//! `postgresql_query`: statements for a PostgreSQL server.

use std::time::Instant;

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};
use crate::sql::postgresql::{Answer, postgresql_arguments, quote, typed};

postgresql_arguments! {
    /// Runs statements on a PostgreSQL server and returns what they give. In check mode they are undone.
    pub(super) struct Args {
        /// The statement, or a list of them. `%s` and `%(name)s` in it stand for arguments.
        query: Value,
        /// Values for each `%s`, in order.
        positional_args: Option<Vec<Value>>,
        /// Values for `%(name)s`.
        named_args: Option<Map<String, Value>>,
        /// Database to log in to.
        login_db: String ["db"] = String::new(),
        /// Each statement is for itself, for those that a transaction cannot have.
        autocommit: bool = false,
        /// Encoding of the texts; only UTF-8 is supported.
        encoding: Option<String>,
        /// Schemas that names without one are looked for in.
        search_path: Option<Vec<String>>,
    }
}

pub(super) struct PostgresqlQuery;

/// A value in a statement.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quote(text),
        Value::Array(all) if all.is_empty() => "'{}'".to_owned(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(literal).collect();
            format!("ARRAY[{}]", all.join(","))
        }
        Value::Object(_) => quote(&value.to_string()),
    }
}

/// The statement with its arguments in place.
fn filled(args: &Args, query: &str) -> Result<String, Failure> {
    let mut positional = args.positional_args.iter().flatten();
    if args.positional_args.is_none() && args.named_args.is_none() {
        return Ok(query.to_owned());
    }
    let mut out = String::new();
    let mut rest = query;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
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

/// Whether a statement with this status may have changed something.
fn changes(answer: &Answer) -> bool {
    match answer.status.split(' ').next().unwrap_or_default() {
        "" | "SELECT" | "SHOW" | "VALUES" | "TABLE" | "EXPLAIN" | "FETCH" => false,
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => answer.count() > 0,
        _ => true,
    }
}

/// Rows as mappings; an empty one where there are no columns.
fn shown(answer: &Answer) -> Value {
    if answer.columns.is_empty() {
        return json!({});
    }
    let row = |row: &Vec<Option<String>>| {
        let cells = answer.columns.iter().zip(row).map(|((name, kind), cell)| {
            let value = cell.as_ref().map_or(Value::Null, |text| typed(*kind, text));
            (name.clone(), value)
        });
        Value::Object(cells.collect())
    };
    answer.rows.iter().map(row).collect()
}

impl Module for PostgresqlQuery {
    const NAME: &'static str = "postgresql_query";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    type Plan = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Args>, Failure> {
        if args.positional_args.is_some() && args.named_args.is_some() {
            return Err("parameters are mutually exclusive: positional_args|named_args".into());
        }
        if args.autocommit && look.is_check() {
            return Err(
                "Using autocommit is mutually exclusive with check_mode: nothing could be undone"
                    .into(),
            );
        }
        if let Some(encoding) = &args.encoding
            && !matches!(
                encoding
                    .to_ascii_lowercase()
                    .replace(['-', '_'], "")
                    .as_str(),
                "utf8" | "unicode"
            )
        {
            return Err(Failure::new(format!(
                "encoding: '{encoding}' is not supported, only UTF-8 is"
            )));
        }
        Ok(Verdict::Always(args.clone()))
    }

    fn describe(_: &Args) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(args: Args, touch: &mut Touch) -> Result<Return, Failure> {
        let texts: Vec<String> = match &args.query {
            Value::Array(all) => all.iter().map(coerce::text).collect::<Result<_, _>>()?,
            one => vec![coerce::text(one)?],
        };
        let queries = texts
            .iter()
            .map(|text| filled(&args, text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut server = args.login(&args.login_db).connect(touch)?;
        if let Some(path) = &args.search_path {
            let path: Vec<String> = path
                .iter()
                .map(|one| crate::sql::postgresql::name(one.trim()))
                .collect();
            server.query(&format!("SET search_path TO {}", path.join(", ")))?;
        }
        if !args.autocommit {
            server.query("BEGIN")?;
        }
        let (mut results, mut times) = (Vec::new(), Vec::new());
        let (mut changed, mut count, mut status) = (false, 0, String::new());
        for query in &queries {
            touch.go_on()?;
            let begun = Instant::now();
            let answers = server.all(query).map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    message: format!("Cannot execute SQL '{query}': {}", failure.message),
                    // Otherwise all of it is undone.
                    changed: changed && args.autocommit,
                    ..failure
                }
            })?;
            times.push(json!((begun.elapsed().as_secs_f64() * 1e7).round() / 1e4));
            changed |= answers.iter().any(changes);
            let last = answers.into_iter().last().unwrap_or_default();
            count += if last.columns.is_empty() {
                last.count()
            } else {
                i64::try_from(last.rows.len()).unwrap_or(i64::MAX)
            };
            results.push(shown(&last));
            status = last.status;
        }
        if !args.autocommit {
            server.query(if touch.is_check() {
                "ROLLBACK"
            } else {
                "COMMIT"
            })?;
        }
        Ok(Return::new()
            .with("query", queries.last().cloned().unwrap_or_default())
            .with("query_list", texts)
            .with("query_result", results.last().cloned().unwrap_or_default())
            .with("query_all_results", results)
            .with("rowcount", count)
            .with("statusmessage", status)
            .with("execution_time_ms", times)
            .changed(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_protocol::Arguments;

    #[test]
    fn arguments_in_statements() {
        let read =
            |value: Value| <Args as Arguments>::read(value.as_object().unwrap().clone()).unwrap();
        let args =
            read(json!({"query": "x", "positional_args": [1, "it's\\", null, [1, 2], true]}));
        assert_eq!(
            filled(&args, "a %s b %s, %s %s %s 5%%").unwrap(),
            "a 1 b E'it''s\\\\', NULL ARRAY[1,2] true 5%"
        );
        assert!(filled(&args, "%s").is_err());
        let args = read(json!({"query": "x", "named_args": {"n": {"a": 1}}}));
        assert_eq!(filled(&args, "a = %(n)s").unwrap(), "a = '{\"a\":1}'");
        assert!(filled(&args, "a = %(m)s").is_err());
        let args = read(json!({"query": "x"}));
        assert_eq!(filled(&args, "LIKE '%s'").unwrap(), "LIKE '%s'");
    }
}

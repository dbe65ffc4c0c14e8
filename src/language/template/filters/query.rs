//! JMESPath queries.

use crate::template::run::Vm;
use jmespath::Variable;
use minijinja::Error;

use super::Row;
use super::encoding::inside;
use crate::template::args::Args;
use crate::template::{Jinja, convert};
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[("json_query", "value expr", json_query)];

fn json_query(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let data = convert::settle(args.need(0)?)?.to_json();
    let text = args.text(1)?;
    let query = jmespath::compile(&text)
        .map_err(|error| args.fail(format!("'{text}' is no query: {error}")))?;
    let data = Variable::try_from(data).map_err(|error| args.fail(error))?;
    let found = query.search(data).map_err(|error| args.fail(error))?;
    let json = serde_json::to_value(&*found).map_err(|error| args.fail(error))?;
    inside(&Value::from_json(&json))
}

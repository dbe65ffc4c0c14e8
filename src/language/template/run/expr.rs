use minijinja::Error;

use super::{Vm, members};
use crate::template::marker::{Marker, Missing};
use crate::template::syntax::ast::{Binary, Compare, Expr, Node};
use crate::template::{Jinja, functions, operators, python};
use crate::value::is_template;

/// Stack that must be left before an expression goes deeper.
const RED_ZONE: usize = 128 << 10;
const MORE_STACK: usize = 2 << 20;

impl Vm<'_> {
    pub(in crate::template) fn eval(&mut self, expr: &Expr) -> Result<Jinja, Error> {
        match &expr.node {
            Node::Const(value) => {
                if self.embedded
                    && let Some(text) = value.as_str()
                    && is_template(text)
                {
                    return Ok(self.constant(text, expr));
                }
                Ok(value.clone())
            }
            Node::Name(name) => Ok(self.name(name, expr)),
            _ => stacker::maybe_grow(RED_ZONE, MORE_STACK, || self.deep(expr)),
        }
    }

    /// A variable, a function, or what stands for nothing.
    fn name(&mut self, name: &str, expr: &Expr) -> Jinja {
        if let Some(found) = self.locals.get(name) {
            return found;
        }
        if !self.locals.isolated()
            && let Some(found) = self.context.variable(name)
        {
            return match Marker::of(&found) {
                Some(error) if error.inside.is_some() => {
                    Marker::value(self.linked(error.clone(), Some(name), expr.at))
                }
                _ => found,
            };
        }
        functions::global(name)
            .unwrap_or_else(|| self.absent(format!("'{name}' is undefined"), expr.at))
    }

    /// A text literal that holds a template itself.
    fn constant(&mut self, text: &str, expr: &Expr) -> Jinja {
        self.context.templar.warn(
            "text literals inside of templates should not hold templates themselves; use the variable instead",
        );
        let span = self.span(expr.at);
        let value = crate::value::Value::trusted(text, &span, None);
        let found = self.context.live(&value, String::new);
        match Marker::of(&found) {
            Some(error) if error.inside.is_some() => {
                Marker::value(self.linked(error.clone(), None, expr.at))
            }
            _ => found,
        }
    }

    fn deep(&mut self, expr: &Expr) -> Result<Jinja, Error> {
        match &expr.node {
            Node::Const(_) | Node::Name(_) => self.eval(expr),
            Node::Block => Ok(self.printed.clone().unwrap_or_default()),
            Node::List(items) => Ok(python::list(self.all(items)?)),
            Node::Tuple(items) => Ok(python::tuple(self.all(items)?)),
            Node::Dict(items) => {
                let mut entries = Vec::with_capacity(items.len());
                for (key, value) in items {
                    let key = self.eval(key)?;
                    if key.is_missing() {
                        return Err(python::undefined(&key));
                    }
                    python::hashable(&key).map_err(|error| self.placed(error, expr.at))?;
                    entries.push((key, self.eval(value)?));
                }
                Ok(python::dict(entries))
            }
            Node::Not(inner) => {
                let value = self.eval(inner)?;
                Ok(Jinja::from(!self.test_truth(&value, inner)?))
            }
            Node::Neg(inner) => {
                let value = self.eval(inner)?;
                operators::negate(&value).map_err(|error| self.placed(error, expr.at))
            }
            Node::Pos(inner) => {
                let value = self.eval(inner)?;
                operators::positive(&value).map_err(|error| self.placed(error, expr.at))
            }
            Node::Binary(op, left, right) => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                let result = match op {
                    Binary::Add => operators::add(&left, &right),
                    Binary::Sub => operators::subtract(&left, &right),
                    Binary::Mul => operators::multiply(&left, &right),
                    Binary::Div => operators::divide(&left, &right),
                    Binary::FloorDiv => operators::floor_divide(&left, &right),
                    Binary::Mod => operators::modulo(&left, &right),
                    Binary::Pow => operators::power(&left, &right),
                };
                result.map_err(|error| self.placed(error, expr.at))
            }
            Node::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    let value = self.eval(part)?;
                    python::write_text(&mut text, &value)
                        .and_then(|()| python::fits(text.len()))
                        .map_err(|error| self.placed(error, part.at))?;
                }
                Ok(Jinja::from(text))
            }
            Node::And(left, right) => {
                let value = self.eval(left)?;
                if self.test_truth(&value, left)? {
                    self.eval(right)
                } else {
                    Ok(value)
                }
            }
            Node::Or(left, right) => {
                let value = self.eval(left)?;
                if self.test_truth(&value, left)? {
                    Ok(value)
                } else {
                    self.eval(right)
                }
            }
            Node::Compare(first, others) => {
                let mut left = self.eval(first)?;
                let mut holds = true;
                for (op, other) in others {
                    let right = self.eval(other)?;
                    holds =
                        compare(*op, &left, &right).map_err(|error| self.placed(error, expr.at))?;
                    if !holds {
                        break;
                    }
                    left = right;
                }
                Ok(Jinja::from(holds))
            }
            Node::If { test, then, other } => {
                let value = self.eval(test)?;
                if self.test_truth(&value, test)? {
                    return self.eval(then);
                }
                match other {
                    Some(other) => self.eval(other),
                    None => Ok(self.absent(
                        "the inline if-expression evaluated to false and no else section was defined"
                            .to_owned(),
                        expr.at,
                    )),
                }
            }
            Node::Member(owner, name) => {
                let owner = self.eval(owner)?;
                self.found(members::member(&owner, name), name, expr)
            }
            Node::Item(owner, index) => {
                let owner = self.eval(owner)?;
                if let Node::Slice(parts) = &index.node {
                    let mut bounds = [None, None, None];
                    for (bound, part) in bounds.iter_mut().zip(parts) {
                        if let Some(part) = part {
                            let value = self.eval(part)?;
                            *bound = Some(value).filter(|value| !value.is_none());
                        }
                    }
                    return members::slice(&owner, &bounds)
                        .map_err(|error| self.placed(error, expr.at));
                }
                let index = self.eval(index)?;
                if index.is_missing() {
                    return if owner.is_missing() {
                        Ok(owner)
                    } else {
                        Err(python::undefined(&index))
                    };
                }
                let label = python::text(&index).unwrap_or_default();
                self.found(members::item(&owner, &index), &label, expr)
            }
            Node::Slice(_) => {
                Err(self.placed(python::fail("a slice stands only in brackets"), expr.at))
            }
            Node::Call(callee, args) => self.call(callee, args, expr),
            Node::Filter(input, name, args) => self.filter(input, name, args, expr),
            Node::Test(input, name, args) => self.test(input, name, args, expr),
        }
    }

    fn all(&mut self, items: &[Expr]) -> Result<Vec<Jinja>, Error> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    pub(super) fn test_truth(&self, value: &Jinja, expr: &Expr) -> Result<bool, Error> {
        self.truth(value)
            .map_err(|error| self.placed(error, expr.at))
    }

    /// What a look-up gave, with the place where it was made.
    fn found(
        &self,
        found: Result<Jinja, members::Absent>,
        name: &str,
        expr: &Expr,
    ) -> Result<Jinja, Error> {
        match found {
            Ok(value) => match Marker::of(&value) {
                Some(error) if error.inside.is_some() => Ok(Marker::value(self.linked(
                    error.clone(),
                    Some(name),
                    expr.at,
                ))),
                _ => Ok(value),
            },
            Err(members::Absent::Message(message)) => Ok(self.absent(message, expr.at)),
            Err(members::Absent::Failed(error)) => Err(self.placed(error, expr.at)),
        }
    }
}

fn compare(op: Compare, left: &Jinja, right: &Jinja) -> Result<bool, Error> {
    for value in [left, right] {
        if value.is_missing() {
            return Err(python::undefined(value));
        }
    }
    match op {
        Compare::Eq => operators::equal(left, right),
        Compare::Ne => operators::equal(left, right).map(|equal| !equal),
        Compare::Lt => operators::compare("<", left, right, std::cmp::Ordering::is_lt),
        Compare::Le => operators::compare("<=", left, right, std::cmp::Ordering::is_le),
        Compare::Gt => operators::compare(">", left, right, std::cmp::Ordering::is_gt),
        Compare::Ge => operators::compare(">=", left, right, std::cmp::Ordering::is_ge),
        Compare::In => operators::contains(right, left),
        Compare::NotIn => operators::contains(right, left).map(|inside| !inside),
    }
}

//! Calls of functions, methods, filters and tests.

use std::sync::Arc;

use minijinja::Error;

use super::macros::Callable;
use super::{Vm, members};
use crate::template::args::{Args, Given};
use crate::template::error::TemplateError;
use crate::template::marker::{Marker, Missing};
use crate::template::syntax::At;
use crate::template::syntax::ast::{self, Expr, Node};
use crate::template::{Jinja, filters, methods, python, tests};
use crate::value::Value;

/// The last part of a dotted name.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Vm<'_> {
    fn given(&mut self, args: &ast::Args, first: Option<Jinja>) -> Result<Given, Error> {
        let mut given = Given {
            positional: Vec::with_capacity(args.positional.len() + 1),
            named: Vec::with_capacity(args.named.len()),
        };
        given.positional.extend(first);
        for arg in &args.positional {
            given.positional.push(self.eval(arg)?);
        }
        for (name, arg) in &args.named {
            given.named.push((name.clone(), self.eval(arg)?));
        }
        if let Some(star) = &args.star {
            let value = self.eval(star)?;
            let items = python::items(&value).map_err(|error| self.placed(error, star.at))?;
            given.positional.extend(items);
        }
        if let Some(stars) = &args.double_star {
            let value = self.eval(stars)?;
            let entries = crate::template::objects::entries_of(&value)
                .map_err(|error| self.placed(error, stars.at))?;
            for (key, value) in entries {
                let key = python::text(&key).map_err(|error| self.placed(error, stars.at))?;
                given.named.push((key.into(), value));
            }
        }
        Ok(given)
    }

    pub(super) fn call(
        &mut self,
        callee: &Expr,
        args: &ast::Args,
        expr: &Expr,
    ) -> Result<Jinja, Error> {
        let caller = self.caller.take();
        let target = match &callee.node {
            Node::Name(name) if &**name == "super" && self.block.is_some() => {
                return self.call_super(expr.at);
            }
            Node::Member(owner, name) => {
                if matches!(&owner.node, Node::Name(word) if &**word == "self" && self.blocks.contains_key(name))
                {
                    return self.call_block(name, 0);
                }
                let value = self.eval(owner)?;
                if value.is_missing() {
                    return Ok(value);
                }
                if methods::known(&value, name) {
                    let given = self.given(args, None)?;
                    return Ok(self.method(&value, name, &given, expr.at));
                }
                match members::member(&value, name) {
                    Ok(found) => found,
                    Err(members::Absent::Message(message)) => self.absent(message, callee.at),
                    Err(members::Absent::Failed(error)) => {
                        return Err(self.placed(error, callee.at));
                    }
                }
            }
            _ => self.eval(callee)?,
        };
        if target.is_missing() {
            return Ok(target);
        }
        // The terms of a lookup may be texts that hold templates.
        let direct = matches!(
            target.downcast_object_ref::<Callable>(),
            Some(Callable::Builtin(builtin)) if builtin.direct
        );
        let before = self.embedded;
        self.embedded |= direct;
        let given = self.given(args, None);
        self.embedded = before;
        self.invoke(&target, &given?, caller, expr.at)
    }

    fn method(&mut self, owner: &Jinja, name: &str, given: &Given, at: At) -> Jinja {
        if let Some(marker) = given.marker() {
            return marker;
        }
        methods::call(self, owner, name, given)
            .unwrap_or_else(|error| self.captured(&error, at, None))
    }

    /// Calls a value.
    fn invoke(
        &mut self,
        target: &Jinja,
        given: &Given,
        caller: Option<Jinja>,
        at: At,
    ) -> Result<Jinja, Error> {
        if let Some(state) = target.downcast_object::<super::Loop>() {
            return self.call_loop(&state, given, at);
        }
        if target
            .downcast_object_ref::<crate::template::functions::Joiner>()
            .is_some()
        {
            return Ok(self.method(target, "__call__", given, at));
        }
        let Some(callable) = target.downcast_object::<Callable>() else {
            let error = python::fail(format!(
                "'{}' object is not callable",
                python::type_name(target)
            ));
            return Ok(self.captured(&error, at, None));
        };
        match &*callable {
            Callable::Method(owner, name) => Ok(self.method(owner, name, given, at)),
            Callable::Builtin(builtin) => {
                if !builtin.direct
                    && let Some(marker) = given.marker()
                {
                    return Ok(marker);
                }
                let result = (builtin.work)(self, given);
                Ok(result.unwrap_or_else(|error| self.captured(&error, at, None)))
            }
            Callable::Macro(bound) => {
                let result = self.call_macro(bound, given, caller);
                Ok(result.unwrap_or_else(|error| self.captured(&error, at, None)))
            }
        }
    }

    pub(super) fn filter(
        &mut self,
        input: &Expr,
        name: &str,
        args: &ast::Args,
        expr: &Expr,
    ) -> Result<Jinja, Error> {
        // What is to be opened with a secret of its own is handed on sealed.
        let input = match self.sealed(input).filter(|_| short(name) == "unvault") {
            Some(sealed) => sealed,
            None => self.eval(input)?,
        };
        let given = self.given(args, Some(input))?;
        self.apply(name, &given, expr.at)
    }

    /// The sealed text of a variable that is encrypted.
    fn sealed(&self, input: &Expr) -> Option<Jinja> {
        let Node::Name(variable) = &input.node else {
            return None;
        };
        match self.context.scope.get(variable)? {
            Value::Vault(sealed) if self.locals.get(variable).is_none() => {
                Some(Jinja::from(Arc::clone(&sealed.text)))
            }
            _ => None,
        }
    }

    /// Applies a filter by its name. What it fails with becomes a marker.
    pub(in crate::template) fn apply(
        &mut self,
        name: &str,
        given: &Given,
        at: At,
    ) -> Result<Jinja, Error> {
        let Some(filter) = filters::find(short(name)) else {
            return self.foreign("filter", name, given, at);
        };
        if let Some(old) = filter.old {
            self.context.templar.warn(old);
        }
        if !filter.spec.lenient
            && let Some(marker) = given.marker()
        {
            return Ok(self.relinked(marker, at));
        }
        let result =
            Args::bind(filter.name, filter.spec, given).and_then(|args| (filter.work)(self, &args));
        Ok(match result {
            Ok(value) if value.is_undefined() => {
                self.absent("a filter gave nothing".to_owned(), at)
            }
            Ok(value) => value,
            Err(error) => self.captured(
                &error,
                at,
                Some(("filter", &filters::full_name(filter.name))),
            ),
        })
    }

    fn relinked(&self, marker: Jinja, at: At) -> Jinja {
        match Marker::of(&marker) {
            Some(error) if error.inside.is_some() => {
                Marker::value(self.linked(error.clone(), None, at))
            }
            _ => marker,
        }
    }

    pub(super) fn test(
        &mut self,
        input: &Expr,
        name: &str,
        args: &ast::Args,
        expr: &Expr,
    ) -> Result<Jinja, Error> {
        if short(name) == "vault_encrypted" && self.sealed(input).is_some() {
            return Ok(Jinja::from(true));
        }
        let input = self.eval(input)?;
        let given = self.given(args, Some(input))?;
        self.judge(name, &given, expr.at)
    }

    /// Applies a test by its name.
    pub(in crate::template) fn judge(
        &mut self,
        name: &str,
        given: &Given,
        at: At,
    ) -> Result<Jinja, Error> {
        let Some(test) = tests::find(short(name)) else {
            return self.foreign("test", name, given, at);
        };
        if !test.spec.lenient
            && let Some(marker) = given.marker()
        {
            return Ok(self.relinked(marker, at));
        }
        if test.spec.lenient
            && let Some(first) = given.positional.first()
            && first.is_missing()
            && !first.is_absent()
        {
            // Not undefined but failed: that is no answer.
            return Ok(self.relinked(first.clone(), at));
        }
        let result =
            Args::bind(test.name, test.spec, given).and_then(|args| (test.work)(self, &args));
        Ok(match result {
            Ok(holds) => Jinja::from(holds),
            Err(error) => self.captured(
                &error,
                at,
                Some(("test", &format!("ansible.builtin.{}", test.name))),
            ),
        })
    }

    /// A filter or test that content brings itself.
    fn foreign(&mut self, kind: &str, name: &str, given: &Given, at: At) -> Result<Jinja, Error> {
        if let Some(marker) = given.marker() {
            return Ok(marker);
        }
        if let Some(plugins) = self.context.templar.plugins()
            && plugins.has(kind, name)
        {
            let result = crate::template::plugins::call(&*plugins, kind, name, given, self.context);
            return Ok(result.unwrap_or_else(|error| self.captured(&error, at, Some((kind, name)))));
        }
        let known = if kind == "filter" {
            filters::names()
        } else {
            tests::names()
        };
        let mut error = TemplateError::new(
            if kind == "filter" {
                "unknown-filter"
            } else {
                "unknown-test"
            },
            format!("Syntax error in template: No {kind} named '{name}'."),
            &self.span(at),
        );
        if let Some(near) = crate::suggest::nearest(short(name), known.iter().copied()) {
            error.help = Some(format!("did you mean '{near}'?").into());
        }
        Err(error.into_engine())
    }
}

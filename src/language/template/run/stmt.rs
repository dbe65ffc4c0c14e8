use std::sync::Arc;

use minijinja::Error;

use super::locals::Locals;
use super::{Flow, Output, Unit, Vm};
use crate::template::marker::Missing;
use crate::template::syntax::At;
use crate::template::syntax::ast::{Expr, Kind, Node, Stmt, Target};
use crate::template::{Jinja, python};

impl Vm<'_> {
    /// Runs a whole template, and those it inherits from.
    pub(super) fn root(&mut self, unit: &Arc<Unit>, out: &mut Output) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.unit, Arc::clone(unit));
        let result = self.lineage(out);
        self.unit = before;
        result
    }

    fn lineage(&mut self, out: &mut Output) -> Result<(), Error> {
        loop {
            let unit = Arc::clone(&self.unit);
            for block in &unit.code.tree.blocks {
                self.blocks
                    .entry(Arc::clone(&block.name))
                    .or_default()
                    .push((Arc::clone(&unit), Arc::clone(block)));
            }
            let mute = std::mem::replace(&mut self.mute, false);
            let result = self.exec(&unit.code.tree.body, out);
            self.mute = mute;
            result?;
            let Some(parent) = self.parent.take() else {
                return Ok(());
            };
            self.burn()?;
            self.unit = parent;
        }
    }

    /// Runs the main template.
    pub(in crate::template) fn main(&mut self) -> Result<Jinja, Error> {
        let unit = Arc::clone(&self.unit);
        let mut out = Output::default();
        self.root(&unit, &mut out)?;
        Ok(out.finish())
    }

    /// Evaluates the single expression of a bare one.
    pub(in crate::template) fn only(&mut self) -> Result<Jinja, Error> {
        let unit = Arc::clone(&self.unit);
        match &unit.code.tree.body[..] {
            [
                Stmt {
                    kind: Kind::Print(expr),
                    ..
                },
            ] => self.eval(expr),
            _ => Ok(Jinja::from(())),
        }
    }

    pub(super) fn exec(&mut self, body: &[Stmt], out: &mut Output) -> Result<Flow, Error> {
        for stmt in body {
            match &stmt.kind {
                Kind::Data(text) => {
                    if !self.mute {
                        out.data(text)
                            .map_err(|error| self.placed(error, stmt.at))?;
                    }
                }
                Kind::Print(expr) => {
                    if !self.mute {
                        let value = self.eval(expr)?;
                        out.value(value)
                            .map_err(|error| self.placed(error, expr.at))?;
                    }
                }
                _ => match self.statement(stmt, out)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, stmt: &Stmt, out: &mut Output) -> Result<Flow, Error> {
        self.burn()?;
        match &stmt.kind {
            Kind::Data(_) | Kind::Print(_) => {}
            Kind::Do(expr) => {
                let value = self.eval(expr)?;
                value
                    .present()
                    .map_err(|error| self.placed(error, expr.at))?;
            }
            Kind::Set(target, expr) => {
                let value = self.eval(expr)?;
                self.assign(target, value, stmt.at)?;
            }
            Kind::SetBlock(target, expr, body) => {
                let value = self.captured_body(expr, body)?;
                self.assign(target, value, stmt.at)?;
            }
            Kind::FilterBlock(expr, body) => {
                let value = self.captured_body(expr, body)?;
                if !self.mute {
                    out.value(value)
                        .map_err(|error| self.placed(error, expr.at))?;
                }
            }
            Kind::For(node) => self.run_for(node, out)?,
            Kind::If(arms, other) => {
                for (test, body) in arms {
                    let value = self.eval(test)?;
                    if self.test_truth(&value, test)? {
                        return self.exec(body, out);
                    }
                }
                return self.exec(other, out);
            }
            Kind::With(values, body) => return self.with(values, body, stmt.at, out),
            Kind::Scope(body) => return self.scoped(body, out),
            Kind::Block(block) => {
                if !self.mute {
                    self.print_block(&block.name, 0, out)?;
                }
            }
            Kind::Extends(name) => self.extend(name)?,
            Kind::Include {
                name,
                ignore_missing,
                with_context,
            } => {
                if !self.mute {
                    self.include(name, *ignore_missing, *with_context, out)?;
                }
            }
            Kind::Import {
                name,
                target,
                with_context,
            } => {
                let module = self.import(name, *with_context)?;
                self.locals.set(target, module);
            }
            Kind::FromImport {
                name,
                names,
                with_context,
            } => self.import_names(name, names, *with_context)?,
            Kind::Macro(def) => {
                let bound = self.bound(def);
                self.locals.set(&def.name, bound);
            }
            Kind::CallBlock(call, def) => {
                let caller = self.bound(def);
                let value = self.call_with(call, caller)?;
                if !self.mute {
                    out.value(value)
                        .map_err(|error| self.placed(error, call.at))?;
                }
            }
            Kind::Break => return Ok(Flow::Break),
            Kind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn scoped(&mut self, body: &[Stmt], out: &mut Output) -> Result<Flow, Error> {
        let inner = Locals::inside(&self.locals);
        let outer = std::mem::replace(&mut self.locals, inner);
        let result = self.exec(body, out);
        self.locals = outer;
        result
    }

    fn with(
        &mut self,
        values: &[(Target, Expr)],
        body: &[Stmt],
        at: At,
        out: &mut Output,
    ) -> Result<Flow, Error> {
        // The values do not see each other.
        let mut given = Vec::with_capacity(values.len());
        for (_, expr) in values {
            given.push(self.eval(expr)?);
        }
        let inner = Locals::inside(&self.locals);
        let outer = std::mem::replace(&mut self.locals, inner);
        let mut result = Ok(Flow::Next);
        for ((target, _), value) in values.iter().zip(given) {
            result = result.and_then(|flow| self.assign(target, value, at).map(|()| flow));
        }
        let result = result.and_then(|_| self.exec(body, out));
        self.locals = outer;
        result
    }

    /// What a body prints, through the filters of its tag.
    fn captured_body(&mut self, expr: &Expr, body: &[Stmt]) -> Result<Jinja, Error> {
        let mute = std::mem::replace(&mut self.mute, false);
        let mut out = Output::default();
        let result = self.scoped(body, &mut out);
        self.mute = mute;
        result?;
        let before = self.printed.replace(out.finish());
        let value = self.eval(expr);
        self.printed = before;
        value
    }

    /// A `call` block: a call that is also given the block as `caller`.
    fn call_with(&mut self, call: &Expr, caller: Jinja) -> Result<Jinja, Error> {
        let Node::Call(callee, args) = &call.node else {
            return Err(self.placed(python::fail("expected call"), call.at));
        };
        self.caller = Some(caller);
        self.call(callee, args, call)
    }

    /// Prints a block, the nearest definition or one further away.
    pub(super) fn print_block(
        &mut self,
        name: &str,
        index: usize,
        out: &mut Output,
    ) -> Result<(), Error> {
        self.burn()?;
        let Some((unit, block)) = self
            .blocks
            .get(name)
            .and_then(|all| all.get(index))
            .cloned()
        else {
            return Err(python::fail(format!("there is no block '{name}'")));
        };
        if block.required {
            return Err(python::fail(format!("Required block '{name}' not found")));
        }
        if self.calls >= super::MAX_CALLS {
            return Err(python::fail("maximum recursion depth exceeded"));
        }
        let around = if block.scoped {
            &self.locals
        } else {
            &self.top
        };
        let inner = Locals::inside(around);
        let before = (
            std::mem::replace(&mut self.unit, unit),
            std::mem::replace(&mut self.locals, inner),
            self.block.replace((name.into(), index)),
            std::mem::replace(&mut self.mute, false),
        );
        self.calls += 1;
        let result = self.exec(&block.body, out);
        self.calls -= 1;
        (self.unit, self.locals, self.block, self.mute) = before;
        result.map(|_| ())
    }

    pub(super) fn call_block(&mut self, name: &str, index: usize) -> Result<Jinja, Error> {
        let mut out = Output::default();
        self.print_block(name, index, &mut out)?;
        Ok(out.finish())
    }

    pub(super) fn call_super(&mut self, at: At) -> Result<Jinja, Error> {
        let Some((name, index)) = self.block.clone() else {
            return Ok(self.absent("'super' is undefined".to_owned(), at));
        };
        if self
            .blocks
            .get(&name)
            .is_none_or(|all| all.len() <= index + 1)
        {
            return Ok(self.absent(format!("there is no parent block called '{name}'."), at));
        }
        self.call_block(&name, index + 1)
    }
}

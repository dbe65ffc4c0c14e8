use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use minijinja::Error;
use minijinja::value::Object;

use super::locals::Locals;
use super::{Flow, MAX_CALLS, Output, Unit, Vm};
use crate::template::args::Given;
use crate::template::context::lock;
use crate::template::marker::{Marker, Missing};
use crate::template::syntax::At;
use crate::template::syntax::ast::{For, Name, Target};
use crate::template::{Jinja, python};

static LOOP: LazyLock<Name> = LazyLock::new(|| "loop".into());

/// The `loop` variable.
pub(in crate::template) struct Loop {
    items: Arc<Vec<Jinja>>,
    at: AtomicUsize,
    depth0: usize,
    changed: Mutex<Option<Vec<Jinja>>>,
    /// For `loop(items)` in a recursive loop.
    again: Option<(Arc<For>, Arc<Unit>, Arc<Locals>)>,
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<LoopContext {}>", self.at.load(Ordering::Relaxed))
    }
}

impl Object for Loop {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let at = self.at.load(Ordering::Relaxed);
        let length = self.items.len();
        let beside = |index: Option<usize>, what: &str| {
            Some(
                index
                    .and_then(|index| self.items.get(index).cloned())
                    .unwrap_or_else(|| {
                        let mut error = crate::template::TemplateError::new(
                            "undefined-variable",
                            format!("there is no {what} item"),
                            &crate::source::Span::nowhere(),
                        );
                        error.undefined = true;
                        Marker::value(error)
                    }),
            )
        };
        Some(match key.as_str()? {
            "index" => Jinja::from(at + 1),
            "index0" => Jinja::from(at),
            "revindex" => Jinja::from(length - at),
            "revindex0" => Jinja::from(length - at - 1),
            "first" => Jinja::from(at == 0),
            "last" => Jinja::from(at + 1 == length),
            "length" => Jinja::from(length),
            "depth" => Jinja::from(self.depth0 + 1),
            "depth0" => Jinja::from(self.depth0),
            "previtem" => return beside(at.checked_sub(1), "previous"),
            "nextitem" => return beside(Some(at + 1), "next"),
            _ => return None,
        })
    }
}

impl Loop {
    pub(in crate::template) fn cycle(&self, values: &[Jinja]) -> Result<Jinja, Error> {
        if values.is_empty() {
            return Err(python::fail("no items for cycling given"));
        }
        let at = self.at.load(Ordering::Relaxed) % values.len();
        Ok(values[at].clone())
    }

    pub(in crate::template) fn changed(&self, values: &[Jinja]) -> bool {
        let mut last = lock(&self.changed);
        if last.as_deref() == Some(values) {
            return false;
        }
        *last = Some(values.to_vec());
        true
    }
}

impl Vm<'_> {
    pub(super) fn run_for(&mut self, node: &Arc<For>, out: &mut Output) -> Result<(), Error> {
        let value = self.eval(&node.iter)?;
        let items = python::raw_items(&value).map_err(|error| self.placed(error, node.iter.at))?;
        self.iterate(node, items, 0, out)
    }

    fn iterate(
        &mut self,
        node: &Arc<For>,
        mut items: Vec<Jinja>,
        depth0: usize,
        out: &mut Output,
    ) -> Result<(), Error> {
        let outer = Arc::clone(&self.locals);
        if let Some(test) = &node.test {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                self.burn()?;
                self.locals = Locals::inside(&outer);
                let holds = self
                    .assign(&node.target, item.clone(), node.iter.at)
                    .and_then(|()| self.eval(test))
                    .and_then(|value| self.test_truth(&value, test));
                self.locals = Arc::clone(&outer);
                if holds? {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            self.locals = Locals::inside(&outer);
            let result = self.exec(&node.other, out);
            self.locals = outer;
            return result.map(|_| ());
        }
        let items = Arc::new(items);
        let state = node.uses_loop.then(|| {
            Arc::new(Loop {
                items: Arc::clone(&items),
                at: AtomicUsize::new(0),
                depth0,
                changed: Mutex::default(),
                again: node
                    .recursive
                    .then(|| (Arc::clone(node), Arc::clone(&self.unit), Arc::clone(&outer))),
            })
        });
        let shown = state
            .as_ref()
            .map(|state| Jinja::from_dyn_object(Arc::clone(state)));
        let mut locals = Locals::inside(&outer);
        for (index, item) in items.iter().enumerate() {
            self.burn()?;
            // Used again where no macro holds on to it.
            match Arc::get_mut(&mut locals) {
                Some(own) => own.clear(),
                None => locals = Locals::inside(&outer),
            }
            self.locals = Arc::clone(&locals);
            if let (Some(state), Some(shown)) = (&state, &shown) {
                state.at.store(index, Ordering::Relaxed);
                self.locals.set(&LOOP, shown.clone());
            }
            let flow = self
                .assign(&node.target, item.clone(), node.iter.at)
                .and_then(|()| self.exec(&node.body, out));
            self.locals = Arc::clone(&outer);
            if flow? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// `loop(items)`: the loop again, one level deeper.
    pub(super) fn call_loop(
        &mut self,
        state: &Arc<Loop>,
        given: &Given,
        at: At,
    ) -> Result<Jinja, Error> {
        let Some((node, unit, locals)) = &state.again else {
            return Err(self.placed(
                python::fail("the loop must have the word 'recursive' to be called"),
                at,
            ));
        };
        let [items] = &given.positional[..] else {
            return Err(self.placed(python::fail("loop() takes the items to loop over"), at));
        };
        let items = python::raw_items(items).map_err(|error| self.placed(error, at))?;
        if self.calls >= MAX_CALLS {
            return Err(self.placed(python::fail("maximum recursion depth exceeded"), at));
        }
        let before = (
            std::mem::replace(&mut self.unit, Arc::clone(unit)),
            std::mem::replace(&mut self.locals, Arc::clone(locals)),
        );
        self.calls += 1;
        let mut out = Output::default();
        let result = self.iterate(node, items, state.depth0 + 1, &mut out);
        self.calls -= 1;
        (self.unit, self.locals) = before;
        result.map(|()| out.finish())
    }

    /// Gives names their values.
    pub(super) fn assign(&mut self, target: &Target, value: Jinja, at: At) -> Result<(), Error> {
        match target {
            Target::Name(name) => {
                self.locals.set(name, value);
                Ok(())
            }
            Target::Member(name, member, at) => {
                let found = self.locals.get(name);
                let Some(space) = found.as_ref().and_then(|found| {
                    found.downcast_object_ref::<crate::template::objects::Namespace>()
                }) else {
                    return Err(self.placed(
                        python::fail("cannot assign attribute on non-namespace object"),
                        *at,
                    ));
                };
                space.set(member, value);
                Ok(())
            }
            Target::Tuple(targets) => {
                let value = value.present().map_err(|error| self.placed(error, at))?;
                let items = python::raw_items(&value).map_err(|error| self.placed(error, at))?;
                if items.len() != targets.len() {
                    let message = if items.len() > targets.len() {
                        format!("too many values to unpack (expected {})", targets.len())
                    } else {
                        format!(
                            "not enough values to unpack (expected {}, got {})",
                            targets.len(),
                            items.len()
                        )
                    };
                    return Err(self.placed(python::fail(message), at));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, at)?;
                }
                Ok(())
            }
        }
    }
}

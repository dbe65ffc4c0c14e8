use minijinja::Error;

use crate::template::marker::Missing;
use crate::template::objects::{Dict, List, Omitted};
use crate::template::{Jinja, python};

/// The largest text one template may print.
const MAX_OUTPUT: usize = 256 << 20;

/// What a template printed: one value keeps its type, several become text.
#[derive(Default)]
pub(in crate::template) struct Output {
    text: String,
    count: usize,
    single: Option<Jinja>,
}

impl Output {
    pub(in crate::template) fn data(&mut self, text: &str) -> Result<(), Error> {
        self.more()?;
        self.text.push_str(text);
        self.limit()
    }

    pub(in crate::template) fn value(&mut self, value: Jinja) -> Result<(), Error> {
        if value.is_none() {
            return Ok(());
        }
        if self.count == 0 {
            self.count = 1;
            self.single = Some(snapshot(value));
            return Ok(());
        }
        self.more()?;
        self.write(&value)
    }

    /// Makes text of a single value before something else follows it.
    fn more(&mut self) -> Result<(), Error> {
        self.count += 1;
        match self.single.take() {
            Some(first) => self.write(&first),
            None => Ok(()),
        }
    }

    fn write(&mut self, value: &Jinja) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            self.text.push_str(text);
        } else if value.is_missing() {
            return Err(python::undefined(value));
        } else if value.downcast_object_ref::<Omitted>().is_none() {
            python::write_printed(&mut self.text, value)?;
        }
        self.limit()
    }

    fn limit(&self) -> Result<(), Error> {
        if self.text.len() > MAX_OUTPUT {
            return Err(python::fail("the template prints more than 256 MiB"));
        }
        Ok(())
    }

    pub(in crate::template) fn finish(self) -> Jinja {
        match self.single {
            Some(value) => value,
            None if self.count == 0 => Jinja::from(()),
            None => Jinja::from(self.text),
        }
    }
}

/// A list or mapping as it is now: it may be changed before it is written.
fn snapshot(value: Jinja) -> Jinja {
    if let Some(list) = value.downcast_object_ref::<List>()
        && list.untouched().is_none()
    {
        return python::list(list.items());
    }
    if let Some(dict) = value.downcast_object_ref::<Dict>()
        && dict.untouched().is_none()
    {
        return python::dict(dict.entries());
    }
    value
}

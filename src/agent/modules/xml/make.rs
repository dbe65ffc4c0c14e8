//! New things in a document.

use std::collections::BTreeMap;

use ocplay_protocol::coerce;
use serde_json::Value as Json;

use crate::host::Failure;
use crate::xml::tree::{Document, Element, Kind, Name};
use crate::xml::xpath::{Axis, Expr, Found, Operator, Path, Search, Start, Step, Test, Value};

pub(super) struct Maker<'a> {
    pub(super) document: &'a mut Document,
    pub(super) spaces: &'a BTreeMap<String, String>,
}

fn refused(what: &str) -> Failure {
    Failure::new(format!(
        "Can't process Xpath in order to spawn nodes: {what}. Names with conditions such as [@a='x'], [text()='x'] and \
         [b='x'] can be made"
    ))
}

/// A path without its last step.
fn split(path: &Path) -> Option<(Path, &Step)> {
    let (last, before) = path.steps.split_last()?;
    let before = Path {
        start: path.start.clone(),
        steps: before.to_vec(),
    };
    Some((before, last))
}

impl Maker<'_> {
    fn found(&self, expr: &Expr, here: Found) -> Result<Vec<Found>, Failure> {
        match Search::new(self.document).value(expr, here)? {
            Value::Found(all) => Ok(all),
            _ => Err(refused("an expression gives a value, not a place")),
        }
    }

    fn elements(&self, expr: &Expr, here: Found) -> Result<Vec<usize>, Failure> {
        Ok(super::elements(&self.found(expr, here)?, self.document))
    }

    /// A name as playbooks write it: `a`, `p:a` or `{space}a`.
    pub(super) fn name(&self, text: &str) -> Result<Name, Failure> {
        let mut name = Name::plain(text);
        if let Some((space, local)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            name = Name {
                local: local.to_owned(),
                space: space.to_owned(),
                prefix: String::new(),
            };
        } else if let Some((prefix, local)) = text.split_once(':') {
            let space = self.spaces.get(prefix).ok_or_else(|| {
                Failure::new(format!(
                    "the prefix {prefix} of '{text}' is not in namespaces"
                ))
            })?;
            name = Name {
                prefix: prefix.to_owned(),
                local: local.to_owned(),
                space: space.clone(),
            };
        }
        let mut letters = name.local.chars();
        let starts = letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_');
        let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
        if !starts || !letters.all(plain) {
            return Err(Failure::new(format!("'{text}' can be no name in XML")));
        }
        Ok(name)
    }

    /// A new element that knows its parent, but is not among its children yet.
    fn element(&mut self, parent: usize, name: &Name) -> usize {
        let element = Element {
            name: name.clone(),
            ..Element::default()
        };
        let node = self.document.add(Some(parent), Kind::Element(element));
        if name.space.is_empty() {
            self.leave_default(node, parent);
        } else {
            let prefix = self
                .document
                .prefix_for(node, &name.space, &name.prefix, true);
            if let Some(element) = self.document.element_mut(node) {
                element.name.prefix = prefix;
            }
        }
        node
    }

    /// An element in no namespace says so where there is one by default.
    fn leave_default(&mut self, node: usize, parent: usize) {
        let mut at = Some(parent);
        while let Some(element) = at.and_then(|at| self.document.element(at)) {
            if let Some((_, space)) = element.spaces.iter().find(|(prefix, _)| prefix.is_empty()) {
                if !space.is_empty()
                    && let Some(own) = self.document.element_mut(node)
                {
                    own.spaces.push((String::new(), String::new()));
                }
                return;
            }
            at = at.and_then(|at| self.document.parent(at));
        }
    }

    /// Makes what a path names where it is not there; tells whether it did.
    pub(super) fn ensure(&mut self, expr: &Expr, here: Found) -> Result<bool, Failure> {
        match expr {
            Expr::Both(Operator::And, one, other) => {
                let first = self.ensure(one, here)?;
                Ok(self.ensure(other, here)? || first)
            }
            Expr::Both(Operator::Equal, one, other) => {
                let (path, text) = match (&**one, &**other) {
                    (Expr::Path(_), Expr::Text(text)) => (&**one, text.clone()),
                    (Expr::Text(text), Expr::Path(_)) => (&**other, text.clone()),
                    (Expr::Path(_), Expr::Number(number)) => (&**one, number.to_string()),
                    _ => {
                        return Err(refused(
                            "a comparison is of something else than a path and a text",
                        ));
                    }
                };
                if Search::new(self.document).value(expr, here)? == Value::Bool(true) {
                    return Ok(false);
                }
                self.ensure(path, here)?;
                self.set(path, here, &text)?;
                Ok(true)
            }
            Expr::Path(path) => self.ensure_path(path, here),
            _ => Err(refused("an expression is no path")),
        }
    }

    fn ensure_path(&mut self, path: &Path, here: Found) -> Result<bool, Failure> {
        if !self.found(&Expr::Path(path.clone()), here)?.is_empty() {
            return Ok(false);
        }
        let Some((before, last)) = split(path) else {
            return Err(refused("a path leads nowhere"));
        };
        if matches!(path.start, Start::Expr(..)) {
            return Err(refused("a path begins with an expression"));
        }
        if before.steps.is_empty() && (path.start == Start::Root || here == Found::Root) {
            return Err(refused(
                "the first element of the document has another name",
            ));
        }
        self.ensure_path_or_here(&before, here)?;
        let parents = self.elements(&Expr::Path(before), here)?;
        match (&last.axis, &last.test) {
            (Axis::Child, Test::Name(name)) => {
                for parent in parents {
                    let node = self.element(parent, name);
                    self.document.append(parent, &[node]);
                    for condition in &last.predicates {
                        self.ensure(condition, Found::Node(node))?;
                    }
                }
                Ok(true)
            }
            (Axis::Attribute, Test::Name(name)) if last.predicates.is_empty() => {
                for parent in parents {
                    self.document.set_attribute(parent, name, "");
                }
                Ok(true)
            }
            // There is none where the text is empty.
            (Axis::Child, Test::Text) if last.predicates.is_empty() => Ok(false),
            _ => Err(refused("a step is no name of an element or an attribute")),
        }
    }

    fn ensure_path_or_here(&mut self, path: &Path, here: Found) -> Result<(), Failure> {
        if !path.steps.is_empty() {
            self.ensure_path(path, here)?;
        }
        Ok(())
    }

    /// Sets the text of what a path names, or the value of the attribute that it is.
    pub(super) fn set(&mut self, expr: &Expr, here: Found, value: &str) -> Result<bool, Failure> {
        let mut expr = expr.clone();
        // The text of an element may be empty, and then there is none.
        if let Expr::Path(path) = &expr
            && let Some((before, last)) = split(path)
            && last.test == Test::Text
            && last.axis == Axis::Child
            && !before.steps.is_empty()
        {
            expr = Expr::Path(before);
        }
        let all = match &expr {
            Expr::Path(_) => self.found(&expr, here)?,
            _ => return Err(refused("a value is for a path")),
        };
        let mut changed = false;
        for one in all {
            match one {
                Found::Node(node) if self.document.element(node).is_some() => {
                    if self.document.lead(node).unwrap_or_default() != value {
                        self.document.set_text(node, value);
                        changed = true;
                    }
                }
                Found::Node(node) if self.document.is_text(node) => {
                    if self.document.string(node) != value {
                        self.document.nodes[node].kind = Kind::Text(value.to_owned());
                        changed = true;
                    }
                }
                Found::Attribute(node, number) => {
                    let element = self.document.element_mut(node);
                    if let Some((_, old)) =
                        element.and_then(|element| element.attributes.get_mut(number))
                        && old != value
                    {
                        value.clone_into(old);
                        changed = true;
                    }
                }
                _ => return Err("only elements, attributes and texts have a value".into()),
            }
        }
        Ok(changed)
    }

    pub(super) fn set_attributes(
        &mut self,
        expr: &Expr,
        name: &Name,
        value: &str,
    ) -> Result<bool, Failure> {
        let mut changed = false;
        for node in self.elements(expr, Found::Root)? {
            if self.document.attribute(node, name) != Some(value) {
                self.document.set_attribute(node, name, value);
                changed = true;
            }
        }
        Ok(changed)
    }

    /// A child as YAML has it: a name, a name with a text, or a name with attributes, a text (`+value`) and children (`_`).
    pub(super) fn child(&mut self, parent: usize, child: &Json) -> Result<usize, Failure> {
        let map = match child {
            Json::String(name) => {
                let name = self.name(name)?;
                return Ok(self.element(parent, &name));
            }
            Json::Object(map) => map,
            _ => {
                return Err(
                    "Invalid child type: it must be a name, or a mapping with one name".into(),
                );
            }
        };
        let Some((name, value)) = map.iter().next().filter(|_| map.len() == 1) else {
            return Err("Can only create children from hashes with one key".into());
        };
        let name = self.name(name)?;
        let node = self.element(parent, &name);
        let Json::Object(parts) = value else {
            let text = match value {
                Json::Null => String::new(),
                other => coerce::text(other)?,
            };
            self.document.set_text(node, &text);
            return Ok(node);
        };
        for (key, value) in parts {
            match (key.as_str(), value) {
                ("_", Json::Array(children)) => {
                    for child in children {
                        let inner = self.child(node, child)?;
                        self.document.append(node, &[inner]);
                    }
                }
                ("_", _) => return Err("Invalid children type: _ must be a list".into()),
                ("+value", value) => {
                    let text = coerce::text(value)?;
                    self.document.set_text(node, &text);
                }
                (key, Json::Object(_) | Json::Array(_)) => {
                    return Err(Failure::new(format!(
                        "the attribute {key} is a text; children of {} are a list under '_'",
                        name.local
                    )));
                }
                (key, value) => {
                    let key = self.name(key)?;
                    let text = coerce::text(value)?;
                    self.document.set_attribute(node, &key, &text);
                }
            }
        }
        Ok(node)
    }

    /// A child as XML has it.
    pub(super) fn parsed(&mut self, text: &str) -> Result<usize, Failure> {
        let other = Document::parse(text.as_bytes(), false, false).map_err(|reason| {
            Failure::new(format!(
                "Error while parsing child element: {text} ({reason})"
            ))
        })?;
        let root = other.root().ok_or("a child has no element")?;
        Ok(self.document.adopt(&other, root))
    }
}

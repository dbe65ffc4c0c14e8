//! `xml`: things in XML files, found by XPath.

mod make;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::{Value as Json, json};

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, edit};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled};
use crate::xml::tree::{Document, Kind, Name};
use crate::xml::xpath::{self, Expr, Found, Search, Value};
use make::Maker;

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// What is returned of the things found.
    pub(super) enum Content { Attribute = "attribute", Text = "text" }
}
ocplay_protocol::choices! {
    /// How new children are written.
    pub(super) enum Input { Xml = "xml", Yaml = "yaml" }
}

ocplay_protocol::arguments! {
    /// Reads and changes things in XML files, found by XPath 1.0. Needs no program on the host.
    pub(super) struct Args {
        /// The file.
        path: Option<PathBuf> ["dest", "file"],
        /// The document itself, in place of a file.
        xmlstring: Option<String>,
        /// Which things: an expression of XPath.
        xpath: Option<String>,
        /// Prefixes in expressions and new names, with their namespaces.
        namespaces: BTreeMap<String, String> = BTreeMap::new(),
        /// Wanted state; what is not there yet is made as the expression says.
        state: State ["ensure"] = State::Present,
        /// Attribute that value is for.
        attribute: Option<String>,
        /// Text of the things found, or value of their attribute.
        value: Option<String>,
        /// Children to add, in any case.
        add_children: Option<Vec<Json>>,
        /// Children that there shall be, and no others.
        set_children: Option<Vec<Json>>,
        /// Return how many things were found.
        count: bool = false,
        /// Return where they are.
        print_match: bool = false,
        /// Return their attributes or texts.
        content: Option<Content>,
        /// Lay the document out in lines.
        pretty_print: bool = false,
        /// How new children are written.
        input_type: Input = Input::Yaml,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Write marked sections as plain text.
        strip_cdata_tags: bool = false,
        /// Put new children before the first thing found.
        insertbefore: bool = false,
        /// Put new children behind the last thing found.
        insertafter: bool = false,
    }
}

pub(super) struct Xml;

fn consistent(args: &Args) -> Result<(), Failure> {
    let exclusive = [
        (
            args.path.is_some(),
            args.xmlstring.is_some(),
            "path|xmlstring",
        ),
        (
            args.value.is_some(),
            args.set_children.is_some(),
            "value|set_children",
        ),
        (
            args.value.is_some(),
            args.add_children.is_some(),
            "value|add_children",
        ),
        (
            args.set_children.is_some(),
            args.add_children.is_some(),
            "set_children|add_children",
        ),
        (
            args.insertbefore,
            args.insertafter,
            "insertbefore|insertafter",
        ),
    ];
    if let Some((.., names)) = exclusive.iter().find(|(one, other, _)| *one && *other) {
        return Err(Failure::new(format!(
            "parameters are mutually exclusive: {names}"
        )));
    }
    if args.path.is_none() && args.xmlstring.is_none() {
        return Err("one of the following is required: path, xmlstring".into());
    }
    let needs_xpath = args.count
        || args.print_match
        || args.content.is_some()
        || args.value.is_some()
        || args.add_children.is_some()
        || args.set_children.is_some();
    if args.xpath.is_none() && needs_xpath {
        return Err("missing parameter(s): xpath; it says which things are meant".into());
    }
    if args.xpath.is_none() && !args.pretty_print {
        return Err("Don't know what to do: give xpath, or pretty_print".into());
    }
    if args.attribute.is_some() && args.value.is_none() {
        return Err("missing parameter(s) required by 'attribute': value".into());
    }
    if (args.insertbefore || args.insertafter) && args.add_children.is_none() {
        return Err("insertbefore and insertafter are for add_children".into());
    }
    Ok(())
}

/// The things that an expression finds.
fn found(document: &Document, expr: &Expr) -> Result<Vec<Found>, Failure> {
    let search = Search::new(document);
    match search.value(expr, Found::Root)? {
        Value::Found(all) => Ok(all),
        _ => Err("the expression gives a value, not things in the document; here only things can be used".into()),
    }
}

fn elements(all: &[Found], document: &Document) -> Vec<usize> {
    let node = |found: &Found| match found {
        Found::Node(node) if document.element(*node).is_some() => Some(*node),
        _ => None,
    };
    all.iter().filter_map(node).collect()
}

/// Where a thing is.
fn place(document: &Document, found: Found) -> String {
    match found {
        Found::Root => "/".to_owned(),
        Found::Node(node) => document.path(node),
        Found::Attribute(node, number) => {
            let element = document.element(node);
            let attribute = element.and_then(|element| element.attributes.get(number));
            let name = attribute
                .map(|(name, _)| name.written())
                .unwrap_or_default();
            format!("{}/@{name}", document.path(node))
        }
    }
}

impl Module for Xml {
    const NAME: &'static str = "xml";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        consistent(args)?;
        let (before, what) = match (&args.path, &args.xmlstring) {
            (Some(path), _) => {
                let data = look.read(path)?.ok_or_else(|| {
                    Failure::new(format!(
                        "The target XML source '{}' does not exist.",
                        path.display()
                    ))
                })?;
                (data, path.display().to_string())
            }
            (None, text) => (
                text.clone().unwrap_or_default().into_bytes(),
                "xmlstring".to_owned(),
            ),
        };
        let mut document = Document::parse(&before, args.pretty_print, args.strip_cdata_tags)
            .map_err(|reason| {
                Failure::new(format!("Error while parsing document: {what} ({reason})"))
            })?;
        let mut result = Return::new();
        let changed = match &args.xpath {
            None => document.text(true).as_bytes() != before,
            Some(text) => {
                result = result.with(
                    "actions",
                    json!({"xpath": text, "namespaces": args.namespaces, "state": args.state.word()}),
                );
                let expr = xpath::parse(text, &args.namespaces)?;
                result = told(args, text, &document, &expr, result)?;
                worked(args, text, &mut document, &expr)?
            }
        };
        let after = document.text(args.pretty_print);
        let Some(path) = &args.path else {
            let shown = Diff::text(
                "xmlstring",
                String::from_utf8_lossy(&before),
                after.as_str(),
            );
            let mut acts = Acts::new(result.with("xmlstring", after));
            if changed {
                acts.diff(shown);
                acts.body(|_| Ok(Return::new()));
            }
            return Ok(acts.verdict());
        };
        let mut acts = Acts::new(result);
        if changed {
            let placement = Placement {
                body: Body::Bytes(Vec::new()),
                path: path.clone(),
                wanted: Settled::default(),
                backup: args.backup,
                validate: None,
            };
            acts.work(edit(look, Some(&before), after.into_bytes(), placement)?);
        }
        Ok(acts.verdict())
    }
}

/// What is only returned.
fn told(
    args: &Args,
    text: &str,
    document: &Document,
    expr: &Expr,
    mut result: Return,
) -> Result<Return, Failure> {
    if args.print_match {
        let places: Vec<String> = found(document, expr)?
            .into_iter()
            .map(|one| place(document, one))
            .collect();
        result = result
            .with("msg", format!("selector '{text}' match: {}", json!(places)))
            .with("matches", places);
    }
    if args.count {
        let count = found(document, expr)?.len();
        result = result
            .with("count", count)
            .with("msg", format!("found {count} nodes"));
    }
    if let Some(content) = args.content {
        let all = elements(&found(document, expr)?, document);
        if all.is_empty() {
            return Err(Failure::new(format!(
                "Xpath {text} does not reference a node!"
            )));
        }
        let matches = all
            .iter()
            .filter_map(|node| document.element(*node).map(|element| (*node, element)));
        let matches: Vec<Json> = matches
            .map(|(node, element)| {
                let value = match content {
                    Content::Text => json!(document.lead(node)),
                    Content::Attribute => {
                        let pairs = element
                            .attributes
                            .iter()
                            .map(|(name, value)| (name.full(), json!(value)));
                        Json::Object(pairs.collect())
                    }
                };
                json!({element.name.full(): value})
            })
            .collect();
        result = result
            .with("count", matches.len())
            .with("msg", matches.len())
            .with("matches", matches);
    }
    Ok(result)
}

/// Changes the document; tells whether anything changed.
fn worked(args: &Args, text: &str, document: &mut Document, expr: &Expr) -> Result<bool, Failure> {
    if args.state == State::Absent {
        return removed(document, expr);
    }
    let nothing = || Failure::new(format!("Xpath {text} does not reference a node!"));
    if let Some(children) = &args.set_children {
        let all = elements(&found(document, expr)?, document);
        if all.is_empty() {
            return Err(nothing());
        }
        let mut changed = false;
        for node in all {
            let new = made(args, document, node, children)?;
            let old: Vec<usize> = document
                .children(Some(node))
                .iter()
                .copied()
                .filter(|child| document.element(*child).is_some())
                .collect();
            if old.len() == new.len()
                && old
                    .iter()
                    .zip(&new)
                    .all(|(one, other)| document.same(*one, *other))
            {
                continue;
            }
            old.into_iter().for_each(|child| document.remove(child));
            document.append(node, &new);
            changed = true;
        }
        return Ok(changed);
    }
    if let Some(children) = &args.add_children {
        let all = elements(&found(document, expr)?, document);
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return Err(nothing());
        };
        if args.insertbefore || args.insertafter {
            let beside = if args.insertbefore { *first } else { *last };
            let parent = document
                .parent(beside)
                .ok_or("nothing can be put beside the first element of a document")?;
            let new = made(args, document, parent, children)?;
            document.insert(beside, args.insertafter, &new);
        } else {
            for node in all {
                let new = made(args, document, node, children)?;
                document.append(node, &new);
            }
        }
        return Ok(!children.is_empty());
    }
    if args.value.is_none() && (args.count || args.print_match || args.content.is_some()) {
        return Ok(false);
    }
    let mut maker = Maker {
        document,
        spaces: &args.namespaces,
    };
    let mut changed = maker.ensure(expr, Found::Root)?;
    if let Some(value) = &args.value {
        changed |= match &args.attribute {
            Some(attribute) => {
                let name = maker.name(attribute)?;
                maker.set_attributes(expr, &name, value)?
            }
            None => maker.set(expr, Found::Root, value)?,
        };
    }
    Ok(changed)
}

fn made(
    args: &Args,
    document: &mut Document,
    parent: usize,
    children: &[Json],
) -> Result<Vec<usize>, Failure> {
    let mut maker = Maker {
        document,
        spaces: &args.namespaces,
    };
    children
        .iter()
        .map(|child| match (args.input_type, child) {
            (Input::Yaml, child) => maker.child(parent, child),
            (Input::Xml, Json::String(text)) => maker.parsed(text),
            (Input::Xml, _) => Err("with input_type xml, children are texts such as <a/>".into()),
        })
        .collect()
}

fn removed(document: &mut Document, expr: &Expr) -> Result<bool, Failure> {
    let all = found(document, expr)?;
    let mut attributes: Vec<(usize, Name)> = Vec::new();
    for one in &all {
        match one {
            Found::Root => {
                return Err("the document itself cannot be removed; remove the file".into());
            }
            Found::Node(node) => {
                if document.parent(*node).is_none()
                    && matches!(document.nodes[*node].kind, Kind::Element(_))
                {
                    return Err(
                        "the first element of a document cannot be removed; remove the file".into(),
                    );
                }
                document.remove(*node);
            }
            Found::Attribute(node, number) => {
                let element = document.element(*node);
                let name = element.and_then(|element| element.attributes.get(*number));
                attributes.extend(name.map(|(name, _)| (*node, name.clone())));
            }
        }
    }
    for (node, name) in attributes {
        if let Some(element) = document.element_mut(node) {
            element.attributes.retain(|(known, _)| !known.is(&name));
        }
    }
    Ok(!all.is_empty())
}

//! Events to nodes: anchors, merge keys, tags, doubled keys, and messages
//! that say what to type.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::{Entry, Kind, Node, Parsed, scalar};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::{Encrypted, Key, Value};
use crate::vault::Envelope;

/// More nodes than any real file has; an alias bomb stops here.
const NODE_LIMIT: usize = 5_000_000;

struct Composer<'a> {
    source: &'a Arc<Source>,
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Arc<Node>>,
    warnings: Vec<Diagnostic>,
    nodes: usize,
    depth: usize,
    /// Inside of a collection tagged `!unsafe`, where nothing is evaluated.
    untrusted: usize,
}

/// Collections nested deeper than this are refused.
const MAX_DEPTH: usize = 200;

type Step<T> = Result<T, Box<Diagnostic>>;

pub(super) fn compose(source: &Arc<Source>) -> Step<Parsed> {
    let text = source.text();
    let mut composer = Composer {
        source,
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        warnings: Vec::new(),
        depth: 0,
        untrusted: 0,
        nodes: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) => composer.anchors.clear(),
            event => {
                let node = composer.node(event, &span)?;
                documents.push(node);
            }
        }
    }
    Ok(Parsed {
        documents,
        warnings: composer.warnings,
    })
}

impl<'a> Composer<'a> {
    /// The next event that is no comment.
    fn next(&mut self) -> Step<(Event<'a>, granit_parser::Span)> {
        loop {
            match self.events.next_event() {
                None => return Ok((Event::StreamEnd, granit_parser::Span::default())),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => return Err(Box::new(syntax_error(self.source, &error))),
            }
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span::new(self.source, range)
    }

    fn node(&mut self, event: Event<'a>, place: &granit_parser::Span) -> Step<Arc<Node>> {
        let untrusted = match &event {
            Event::SequenceStart(_, _, Some(tag)) | Event::MappingStart(_, _, Some(tag)) => {
                tag.original() == "!unsafe"
            }
            _ => false,
        };
        self.depth += 1;
        self.untrusted += usize::from(untrusted);
        let node = self.any_node(event, place);
        self.untrusted -= usize::from(untrusted);
        self.depth -= 1;
        node
    }

    fn any_node(&mut self, event: Event<'a>, place: &granit_parser::Span) -> Step<Arc<Node>> {
        self.nodes += 1;
        let span = self.span(place);
        if self.depth > MAX_DEPTH {
            return Err(Box::new(
                Diagnostic::error("yaml", "the document is nested too deeply").at(&span),
            ));
        }
        if self.nodes > NODE_LIMIT {
            return Err(Box::new(
                Diagnostic::error("yaml", "the document has too many nodes").at(&span),
            ));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), &span)?;
                let kind = Kind::Scalar(value);
                (anchor, Node { span, kind })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), &["seq", "omap", "pairs", "set"], &span)?;
                let mut items = Vec::new();
                let end = loop {
                    let (event, place) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break self.span(&place);
                    }
                    items.push(self.node(event, &place)?);
                };
                let kind = Kind::List(items);
                (
                    anchor,
                    Node {
                        span: cover(&span, &end),
                        kind,
                    },
                )
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), &["map", "set", "omap"], &span)?;
                let (entries, end) = self.mapping(&span)?;
                let kind = Kind::Map(entries);
                (
                    anchor,
                    Node {
                        span: cover(&span, &end),
                        kind,
                    },
                )
            }
            Event::Alias(id) => {
                return self.anchors.get(&id).cloned().ok_or_else(|| {
                    Box::new(
                        Diagnostic::error("yaml", "this alias refers to the node it stands in")
                            .at(&span),
                    )
                });
            }
            other => {
                return Err(Box::new(
                    Diagnostic::error("yaml", format!("unexpected {other:?}")).at(&span),
                ));
            }
        };
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    fn mapping(&mut self, start: &Span) -> Step<(Vec<Entry>, Span)> {
        let mut own: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut seen: HashMap<Key, usize> = HashMap::new();
        let end = loop {
            let (event, place) = self.next()?;
            let key_span = self.span(&place);
            let merges = match event {
                Event::MappingEnd => break key_span,
                Event::Scalar(ref text, ScalarStyle::Plain, _, None) => text == "<<",
                _ => false,
            };
            let collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
            if collection {
                return Err(Box::new(unquoted_braces(start, &key_span)));
            }
            let key_node = self.node(event, &place)?;
            let (event, place) = self.next()?;
            let value = self.node(event, &place)?;
            if merges {
                merge(&mut merged, &value)?;
                continue;
            }
            let key = key_of(&key_node)?;
            if let Some(first) = seen.get(&key) {
                let first: &mut Entry = &mut own[*first];
                self.warnings.push(
                    Diagnostic::warning(
                        "duplicate-key",
                        format!(
                            "Found duplicate mapping key '{}'. The last one counts.",
                            key.text()
                        ),
                    )
                    .label(&key_span, "again here")
                    .label(&first.key_span, "first here"),
                );
                first.value = value;
                first.key_span = key_span;
                continue;
            }
            seen.insert(key.clone(), own.len());
            own.push(Entry {
                key,
                key_span,
                value,
            });
        };
        if merged.is_empty() {
            return Ok((own, end));
        }
        for entry in own {
            put(&mut merged, entry);
        }
        Ok((merged, end))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Step<Value> {
        let trusted = || {
            if self.untrusted > 0 {
                return Value::from(text);
            }
            let slice = span.text();
            let quoted = usize::from(slice.starts_with(['"', '\'']));
            let offset = slice
                .get(quoted..)
                .is_some_and(|rest| rest.starts_with(text))
                .then(|| u32::try_from(quoted).unwrap_or(0));
            Value::trusted(text, span, offset)
        };
        let wrong = |what: &str| {
            Box::new(Diagnostic::error("yaml", format!("'{text}' is not {what}")).at(span))
        };
        let Some(tag) = tag else {
            let plain = style == ScalarStyle::Plain;
            let value = if plain { scalar::resolve(text) } else { None };
            return Ok(value.unwrap_or_else(trusted));
        };
        if let Some(core) = tag.core_suffix() {
            return match core {
                "str" => Ok(trusted()),
                "int" => scalar::integer(text).ok_or_else(|| wrong("a whole number")),
                "float" => scalar::float(text)
                    .or_else(|| text.parse().ok().map(Value::Float))
                    .ok_or_else(|| wrong("a number")),
                "bool" => scalar::resolve(text)
                    .filter(|value| matches!(value, Value::Bool(_)))
                    .ok_or_else(|| wrong("a boolean")),
                "null" => Ok(Value::Null),
                _ => Err(wrong("a collection")),
            };
        }
        match tag.original().as_str() {
            "!" => Ok(trusted()),
            "!unsafe" => Ok(Value::from(text)),
            "!vault" | "!vault-encrypted" => self.encrypted(text, span),
            _ => {
                self.check_tag(Some(tag), &["binary", "timestamp", "str"], span)?;
                Ok(trusted())
            }
        }
    }

    /// An encrypted value; whether a secret fits is seen when it is used.
    fn encrypted(&self, text: &str, span: &Span) -> Step<Value> {
        if let Err(error) = Envelope::parse(text) {
            return Err(Box::new(
                Diagnostic::error("vault", format!("this is no encrypted value: {error}"))
                    .at(span)
                    .help("'ocplay vault encrypt-string' prints one"),
            ));
        }
        Ok(Value::Vault(Arc::new(Encrypted {
            text: text.into(),
            span: span.clone(),
        })))
    }

    fn check_tag(&self, tag: Option<&Tag>, allowed: &[&str], span: &Span) -> Step<()> {
        let Some(tag) = tag else { return Ok(()) };
        let core = tag.suffix_in_namespace("tag:yaml.org,2002:");
        if core.is_some_and(|suffix| allowed.contains(&suffix.as_ref()))
            || matches!(tag.original().as_str(), "!" | "!unsafe")
        {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error("yaml-tag", format!("unknown tag '{}'", tag.original()))
                .at(span)
                .help("known tags are !unsafe, !vault and YAML's own such as !!str"),
        ))
    }
}

fn cover(start: &Span, end: &Span) -> Span {
    Span::new(start.source(), start.range().start..end.range().end)
}

fn key_of(node: &Node) -> Step<Key> {
    match &node.kind {
        Kind::Scalar(Value::Str(text) | Value::Trusted(text) | Value::Date(text)) => {
            Ok(Key::Str(Arc::clone(text)))
        }
        Kind::Scalar(Value::Template(template)) => Ok(Key::Str(Arc::clone(&template.text))),
        Kind::Scalar(Value::Int(number)) => Ok(Key::Int(*number)),
        Kind::Scalar(Value::Bool(truth)) => Ok(Key::Bool(*truth)),
        Kind::Scalar(Value::Null) => Ok(Key::Null),
        Kind::Scalar(Value::Float(number)) => Ok(Key::from(number.to_string())),
        _ => Err(Box::new(
            Diagnostic::error("yaml", "a key must be text or a number").at(&node.span),
        )),
    }
}

/// Takes over the entries of one or several mappings behind `<<`. PyYAML
/// applies a list from the back, so that its first member wins.
fn merge(into: &mut Vec<Entry>, node: &Node) -> Step<()> {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                put(into, entry.clone());
            }
            Ok(())
        }
        Kind::List(items) => items.iter().rev().try_for_each(|item| merge(into, item)),
        Kind::Scalar(_) => Err(Box::new(
            Diagnostic::error("yaml", "'<<' merges mappings, this is none").at(&node.span),
        )),
    }
}

fn put(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|known| known.key == entry.key) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}

fn unquoted_braces(outer: &Span, inner: &Span) -> Diagnostic {
    let text = outer.source().text();
    let at = outer.range().start;
    let braces = text.get(at..).is_some_and(|rest| rest.starts_with("{{"))
        || text.get(..at).is_some_and(|before| before.ends_with('{'));
    if braces {
        Diagnostic::error("yaml", "a value that starts with '{{' must be quoted")
            .at(outer)
            .help("put quotes around the whole value: \"{{ … }}\"")
    } else {
        Diagnostic::error("yaml", "a mapping or a list cannot be a key").at(inner)
    }
}

/// Turns the parser's message into one that helps.
fn syntax_error(source: &Arc<Source>, error: &ScanError) -> Diagnostic {
    let marker = error.marker();
    let text = source.text();
    let at = marker.byte_offset().unwrap_or_else(|| {
        text.char_indices()
            .nth(marker.index())
            .map_or(text.len(), |(at, _)| at)
    });
    let span = Span::new(source, at..at + 1);
    let line_start = text[..at.min(text.len())]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    let diagnostic =
        Diagnostic::error("yaml", format!("this is no valid YAML: {}", error.info())).at(&span);
    if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        return diagnostic.help("indent with spaces; YAML does not allow tabs there");
    }
    if line.contains("{{") && !line.contains('"') && !line.contains('\'') {
        return diagnostic.help("quote a value that holds '{{ … }}'");
    }
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
    if value.contains(": ") && !value.starts_with(['"', '\'', '{', '[']) {
        return diagnostic.help("quote a value that holds ': '");
    }
    if value.starts_with(['"', '\'']) && !value[1..].ends_with(&value[..1]) {
        return diagnostic.help(format!(
            "the value starts with {0} but does not end with it; quote the whole value, or close the quote",
            &value[..1]
        ));
    }
    diagnostic
}

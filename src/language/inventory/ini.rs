//! INI inventories. Values follow Python's literals: `5` is a number, `True`
//! a boolean, `yes` stays text.

use std::sync::Arc;

use indexmap::IndexMap;

use super::literal::literal;
use super::sources::Attempt;
use super::{Inventory, address, host_list};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::Map;

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
    /// Its header was wrong and reported.
    Unknown,
}

/// A group that is used before it is defined.
enum Pending {
    Vars(Span),
    /// The groups whose child it is.
    Children(Span, Vec<String>),
}

struct Reading<'a> {
    inventory: &'a mut Inventory,
    problems: Vec<Diagnostic>,
    warnings: &'a mut Vec<Diagnostic>,
    pending: IndexMap<String, Pending>,
}

pub(super) fn read(
    source: &Arc<Source>,
    inventory: &mut Inventory,
    warnings: &mut Vec<Diagnostic>,
) -> Attempt {
    let mut reading = Reading {
        inventory,
        problems: Vec::new(),
        warnings,
        pending: IndexMap::new(),
    };
    let mut section = Section::Hosts("ungrouped".to_owned());
    let mut at = 0;
    for line in source.text().split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let span = Span::new(source, start..start + text.len());
        if text.starts_with('[') && header_end(text).is_some() {
            section = reading.header(text, &span);
            continue;
        }
        match &section {
            Section::Hosts(group) => reading.host(text, group, &span),
            Section::Children(parent) => reading.child(text, parent, &span),
            Section::Vars(group) => reading.variable(text, group, &span),
            Section::Unknown => {}
        }
    }
    reading.undefined();
    if reading.problems.is_empty() {
        Ok(())
    } else {
        Err(reading.problems)
    }
}

/// Where the closing bracket of a section header is; a host range such as
/// `[a:c].example` is none.
fn header_end(text: &str) -> Option<usize> {
    let close = text.find(']')?;
    let rest = text[close + 1..].trim_start();
    (rest.is_empty() || rest.starts_with('#') || rest.starts_with(';')).then_some(close)
}

/// A line without the remark at its end.
fn without_remark(text: &str) -> &str {
    text.split_once('#')
        .map_or(text, |(name, _)| name)
        .trim_end()
}

impl Reading<'_> {
    fn problem(&mut self, message: impl Into<String>, span: &Span) -> &mut Diagnostic {
        let at = self.problems.len();
        self.problems
            .push(Diagnostic::error("inventory", message).at(span));
        &mut self.problems[at]
    }

    fn help(&mut self, message: impl Into<String>, span: &Span, help: impl Into<String>) {
        self.problem(message, span).help.push(help.into());
    }

    fn header(&mut self, text: &str, span: &Span) -> Section {
        let inside = &text[1..header_end(text).unwrap_or(text.len())];
        let (name, kind) = inside.split_once(':').unwrap_or((inside, ""));
        if name.is_empty() || inside.contains(char::is_whitespace) {
            self.help(
                format!("Invalid section entry: '[{inside}]'"),
                span,
                "there can be no spaces in the name of a section",
            );
            return Section::Unknown;
        }
        match kind {
            "" | "hosts" => {
                self.define(name);
                Section::Hosts(name.to_owned())
            }
            "children" => {
                self.define(name);
                Section::Children(name.to_owned())
            }
            "vars" => {
                if self.inventory.group(name).is_none() && !self.pending.contains_key(name) {
                    self.pending
                        .insert(name.to_owned(), Pending::Vars(span.clone()));
                }
                self.inventory.add_group(name);
                Section::Vars(name.to_owned())
            }
            other => {
                let problem = Diagnostic::error(
                    "inventory",
                    format!("Section [{inside}] has unknown type: {other}"),
                )
                .at(span)
                .suggest(other, ["children", "vars", "hosts"])
                .help("write [group], [group:children] or [group:vars]");
                self.problems.push(problem);
                Section::Unknown
            }
        }
    }

    /// A section defines a group; whoever waited for it gets it.
    fn define(&mut self, name: &str) {
        self.inventory.add_group(name);
        if let Some(Pending::Children(span, parents)) = self.pending.shift_remove(name) {
            for parent in parents {
                if let Err(reason) = self.inventory.add_child(&parent, name) {
                    self.problem(reason, &span);
                }
            }
        }
    }

    fn child(&mut self, text: &str, parent: &str, span: &Span) {
        let child = without_remark(text);
        if child.is_empty() || child.contains(|c: char| c.is_whitespace() || c == ':' || c == ']') {
            self.help(
                format!("Expected group name, got: {text}"),
                span,
                format!("this line stands in [{parent}:children]"),
            );
            return;
        }
        if self.inventory.group(child).is_some() && !self.pending.contains_key(child) {
            if let Err(reason) = self.inventory.add_child(parent, child) {
                self.problem(reason, span);
            }
            return;
        }
        match self.pending.get_mut(child) {
            Some(Pending::Children(_, parents)) => parents.push(parent.to_owned()),
            _ => {
                self.pending.insert(
                    child.to_owned(),
                    Pending::Children(span.clone(), vec![parent.to_owned()]),
                );
            }
        }
    }

    fn variable(&mut self, text: &str, group: &str, span: &Span) {
        match text.split_once('=') {
            Some((name, value)) => {
                let mut vars = Map::new();
                vars.insert(name.trim(), literal(value.trim(), span));
                self.inventory.set_group_vars(group, &vars);
            }
            None => self.help(
                format!("Expected key=value, got: {text}"),
                span,
                format!("this line stands in [{group}:vars]"),
            ),
        }
    }

    fn host(&mut self, text: &str, group: &str, span: &Span) {
        let words = match words(text) {
            Ok(words) => words,
            Err(reason) => {
                self.problem(format!("Error parsing host definition: {reason}"), span);
                return;
            }
        };
        let Some((pattern, pairs)) = words.split_first() else {
            return;
        };
        if pattern == "---" {
            self.help(
                "Invalid host pattern '---' supplied, '---' is normally a sign this is a YAML file.",
                span,
                "give the file a name that ends in .yml",
            );
            return;
        }
        if pattern.contains('=') {
            self.warnings.push(
                Diagnostic::warning(
                    "inventory",
                    format!("'{pattern}' is taken for the name of a host"),
                )
                .at(span)
                .help(format!(
                    "variables of a group stand in a section of their own: [{group}:vars]"
                )),
            );
        }
        let (names, port) = match address::expand(pattern) {
            Ok(expanded) => expanded,
            Err(reason) => {
                self.problem(reason, span);
                return;
            }
        };
        if pattern.ends_with(':') && port.is_none() {
            self.problem(
                format!("Invalid host pattern '{pattern}' supplied, ending in ':' is not allowed, this character is reserved to provide a port."),
                span,
            );
            return;
        }
        let mut vars = Map::new();
        for pair in pairs {
            let Some((name, value)) = pair.split_once('=') else {
                let at = text.find(pair.as_str()).unwrap_or(0);
                let place = span.part(at..at + pair.len());
                self.help(
                    format!("Expected key=value host variable assignment, got: {pair}"),
                    &place,
                    "one host per line; its variables follow as name=value",
                );
                return;
            };
            vars.insert(name, literal(value, span));
        }
        for name in names {
            self.inventory.add_host(&name, group);
            host_list::set_port(self.inventory, &name, port);
            self.inventory.set_host_vars(&name, &vars);
        }
    }

    /// What was used and never defined.
    fn undefined(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for (name, wanted) in pending {
            let known: Vec<String> = self
                .inventory
                .groups()
                .map(|(name, _)| name.to_string())
                .filter(|known| *known != name)
                .collect();
            let (span, message) = match wanted {
                Pending::Vars(span) => (
                    span,
                    format!("Section [{name}:vars] not valid for undefined group '{name}'."),
                ),
                Pending::Children(span, parents) => (
                    span,
                    format!(
                        "Section [{}:children] includes undefined group '{name}'.",
                        parents.last().map(String::as_str).unwrap_or_default()
                    ),
                ),
            };
            let problem = Diagnostic::error("inventory", message)
                .at(&span)
                .suggest(&name, known.iter().map(String::as_str))
                .help(format!("add a section [{name}], or remove it here"));
            self.problems.push(problem);
        }
    }
}

/// Splits like a shell: quotes group, `#` starts a comment.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_none() => break,
            c if c.is_whitespace() => out.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote ({c}) is not closed")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(next @ ('"' | '\\')) => word.push(next),
                            Some(next) => word.extend(['\\', next]),
                            None => return Err("a quote (\") is not closed".to_owned()),
                        },
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    Ok(out)
}

//! INI inventories. Values follow Python's literals: `5` is a number, `True`
//! a boolean, `yes` stays text.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inventory;
use super::host_list::{expand, set_port};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::{Key, Map, Value};

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
    /// Its header was wrong and reported.
    Unknown,
}

pub(super) fn read(
    source: &Arc<Source>,
    inventory: &mut Inventory,
    problems: &mut Vec<Diagnostic>,
) {
    let mut section = Section::Hosts("ungrouped".to_owned());
    // Groups named as children or for their variables, to be defined somewhere.
    let mut pending: BTreeMap<String, (Span, &'static str)> = BTreeMap::new();
    let mut at = 0;
    for line in source.text().split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let text = line.trim();
        let span = Span::new(source, start..start + text.len());
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if text.starts_with('[') && header_end(text).is_some() {
            section = header(text, &span, inventory, &mut pending, problems);
            continue;
        }
        match &section {
            Section::Hosts(group) => host_line(text, group, &span, inventory, problems),
            Section::Children(parent) => {
                let child = text.split_whitespace().next().unwrap_or(text);
                if inventory.group(child).is_none() {
                    pending
                        .entry(child.to_owned())
                        .or_insert((span.clone(), "children"));
                }
                if let Err(reason) = inventory.add_child(parent, child) {
                    problems.push(Diagnostic::error("inventory", reason).at(&span));
                }
            }
            Section::Vars(group) => match text.split_once('=') {
                Some((name, value)) => {
                    let mut vars = Map::new();
                    vars.insert(name.trim(), literal(value.trim(), &span));
                    inventory.set_group_vars(group, &vars);
                }
                None => problems.push(
                    Diagnostic::error("inventory", format!("'{text}' is not 'name=value'"))
                        .at(&span)
                        .help(format!("this line stands in [{group}:vars]")),
                ),
            },
            Section::Unknown => {}
        }
    }
    for (name, (span, kind)) in pending {
        let known: Vec<String> = inventory
            .groups()
            .map(|(name, _)| name.to_string())
            .collect();
        problems.push(
            Diagnostic::error(
                "inventory",
                format!("the group '{name}' is not defined anywhere"),
            )
            .at(&span)
            .suggest(
                &name,
                known
                    .iter()
                    .map(String::as_str)
                    .filter(|known| *known != name),
            )
            .help(format!(
                "add a section [{name}], or remove it from the {kind} section"
            )),
        );
    }
}

/// Where the closing bracket of a section header is; a host range such as
/// `[a:c].example` is none.
fn header_end(text: &str) -> Option<usize> {
    let close = text.find(']')?;
    let rest = text[close + 1..].trim_start();
    (rest.is_empty() || rest.starts_with('#') || rest.starts_with(';')).then_some(close)
}

fn header(
    text: &str,
    span: &Span,
    inventory: &mut Inventory,
    pending: &mut BTreeMap<String, (Span, &'static str)>,
    problems: &mut Vec<Diagnostic>,
) -> Section {
    let inside = &text[1..header_end(text).unwrap_or(text.len())];
    let (name, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        problems.push(
            Diagnostic::error("inventory", format!("'{inside}' is not a group name")).at(span),
        );
        return Section::Unknown;
    }
    match kind.trim() {
        "" => {
            inventory.add_group(name);
            pending.remove(name);
            Section::Hosts(name.to_owned())
        }
        "children" => {
            inventory.add_group(name);
            pending.remove(name);
            Section::Children(name.to_owned())
        }
        "vars" => {
            if inventory.group(name).is_none() {
                pending.insert(name.to_owned(), (span.clone(), "vars"));
            }
            Section::Vars(name.to_owned())
        }
        other => {
            problems.push(
                Diagnostic::error("inventory", format!("'{other}' is not a kind of section"))
                    .at(span)
                    .suggest(other, ["children", "vars", "hosts"])
                    .help("write [group], [group:children] or [group:vars]"),
            );
            Section::Unknown
        }
    }
}

fn host_line(
    text: &str,
    group: &str,
    span: &Span,
    inventory: &mut Inventory,
    problems: &mut Vec<Diagnostic>,
) {
    let words = match words(text) {
        Ok(words) => words,
        Err(reason) => {
            problems.push(Diagnostic::error("inventory", reason).at(span));
            return;
        }
    };
    let Some((pattern, pairs)) = words.split_first() else {
        return;
    };
    if pattern.contains('=') {
        problems.push(
            Diagnostic::error("inventory", format!("'{pattern}' is not a host name"))
                .at(span)
                .help(format!(
                    "variables of a group stand in a section of their own: [{group}:vars]"
                )),
        );
        return;
    }
    let (names, port) = match expand(pattern) {
        Ok(expanded) => expanded,
        Err(reason) => {
            problems.push(Diagnostic::error("inventory", reason).at(span));
            return;
        }
    };
    let mut vars = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            let at = text.find(pair.as_str()).unwrap_or(0);
            problems.push(
                Diagnostic::error("inventory", format!("'{pair}' is not 'name=value'"))
                    .at(&span.part(at..at + pair.len()))
                    .help("one host per line; its variables follow as name=value"),
            );
            return;
        };
        vars.insert(name, literal(value, span));
    }
    for name in names {
        inventory.add_host(&name, group);
        set_port(inventory, &name, port);
        inventory.set_host_vars(&name, &vars);
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

/// A Python literal where the text is one, else the text.
fn literal(text: &str, span: &Span) -> Value {
    let mut parser = Literal { rest: text, span };
    match parser.value(0) {
        Some(value)
            if parser.rest.trim_start().is_empty() || parser.rest.trim_start().starts_with('#') =>
        {
            value
        }
        _ => Value::trusted(text, span, None),
    }
}

struct Literal<'a> {
    rest: &'a str,
    span: &'a Span,
}

impl Literal<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.trim_start();
        if depth > 50 {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.items(']', depth).map(Value::from),
            '(' => self.items(')', depth).map(Value::from),
            '{' if !self.rest.starts_with("{{") && !self.rest.starts_with("{%") => {
                self.mapping(depth)
            }
            quote @ ('\'' | '"') => self.quoted(quote),
            _ => self.atom(),
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Option<Vec<Value>> {
        self.rest = &self.rest[1..];
        let mut out = Vec::new();
        while !self.eat(close) {
            out.push(self.value(depth + 1)?);
            if !self.eat(',') {
                return self.eat(close).then_some(out);
            }
        }
        Some(out)
    }

    fn mapping(&mut self, depth: usize) -> Option<Value> {
        self.rest = &self.rest[1..];
        let mut out = Map::new();
        while !self.eat('}') {
            let key = match self.value(depth + 1)? {
                Value::Int(number) => Key::Int(number),
                Value::Bool(truth) => Key::Bool(truth),
                Value::Null => Key::Null,
                other => Key::from(other.as_str()?),
            };
            if !self.eat(':') {
                return None;
            }
            out.insert(key, self.value(depth + 1)?);
            if !self.eat(',') {
                return self.eat('}').then(|| out.into());
            }
        }
        Some(out.into())
    }

    fn quoted(&mut self, quote: char) -> Option<Value> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Some(Value::trusted(&out, self.span, None));
                }
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    other @ ('\\' | '\'' | '"') => out.push(other),
                    other => out.extend(['\\', other]),
                },
                c => out.push(c),
            }
        }
        None
    }

    fn atom(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| matches!(c, ',' | ']' | ')' | '}' | ':' | '#') || c.is_whitespace())
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "True" => return Some(Value::Bool(true)),
            "False" => return Some(Value::Bool(false)),
            "None" => return Some(Value::Null),
            _ => {}
        }
        let digits = text.trim_start_matches(['-', '+']);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        // Python refuses whole numbers with leading zeros.
        let padded = digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if padded && digits.bytes().any(|b| b != b'0') {
            return None;
        }
        let clean = text.replace('_', "");
        if let Some(hex) = clean.strip_prefix("0x") {
            return i64::from_str_radix(hex, 16).ok().map(Value::Int);
        }
        if let Some(octal) = clean.strip_prefix("0o") {
            return i64::from_str_radix(octal, 8).ok().map(Value::Int);
        }
        clean.parse().map(Value::Int).ok().or_else(|| {
            let float = clean
                .bytes()
                .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            float
                .then(|| clean.parse().ok().map(Value::Float))
                .flatten()
        })
    }
}

//! YAML as PyYAML's emitter lays it out.

use minijinja::Error;

use super::python;
use crate::value::{Key, Value};
use crate::yaml::scalar;

/// How YAML is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) indent: usize,
    pub(super) width: usize,
    /// `None`: collections of scalars alone are written in one line.
    pub(super) flow: Option<bool>,
    pub(super) sort_keys: bool,
    pub(super) unicode: bool,
    pub(super) explicit_start: bool,
    pub(super) explicit_end: bool,
}

/// One document, ending with a line end.
pub(super) fn write(value: &Value, layout: &Layout) -> Result<String, Error> {
    let mut emitter = Emitter {
        out: String::new(),
        layout,
        column: 0,
        indent: None,
        flow_level: 0,
        whitespace: true,
        indention: true,
    };
    if layout.explicit_start {
        emitter.indicator("---", true, false, false);
        if !is_collection(value) {
            emitter.whitespace = false;
        }
    }
    emitter.node(value, Place::default(), 0)?;
    emitter.line_break();
    if layout.explicit_end {
        emitter.out.push_str("...\n");
    }
    Ok(emitter.out)
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Where a node stands.
#[derive(Clone, Copy, Default)]
struct Place {
    in_map: bool,
    simple_key: bool,
}

struct Emitter<'a> {
    out: String,
    layout: &'a Layout,
    column: usize,
    indent: Option<usize>,
    flow_level: usize,
    whitespace: bool,
    indention: bool,
}

impl Emitter<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.whitespace = true;
        self.indention = true;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.whitespace = true;
            let missing = indent - self.column;
            self.put(&" ".repeat(missing));
        }
    }

    fn indicator(&mut self, mark: &str, needs_space: bool, whitespace: bool, indention: bool) {
        if !self.whitespace && needs_space {
            self.put(" ");
        }
        self.put(mark);
        self.whitespace = whitespace;
        self.indention &= indention;
    }

    /// Deepens the indentation and returns the old one.
    fn deeper(&mut self, flow: bool, indentless: bool) -> Option<usize> {
        let old = self.indent;
        self.indent = match old {
            None if flow => Some(self.layout.indent),
            None => Some(0),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + self.layout.indent),
        };
        old
    }

    fn node(&mut self, value: &Value, place: Place, depth: usize) -> Result<(), Error> {
        if depth > python::MAX_DEPTH {
            return Err(python::fail("value is nested too deeply for YAML"));
        }
        match value {
            Value::List(items) => {
                if self.flow_level > 0 || items.is_empty() || self.in_one_line(items.iter()) {
                    self.flow_list(items, depth)
                } else {
                    self.block_list(items, place, depth)
                }
            }
            Value::Map(map) => {
                let mut entries: Vec<(&Key, &Value)> = map.iter().collect();
                let sortable = entries.iter().all(|(key, _)| {
                    matches!(key, Key::Str(_)) == matches!(entries[0].0, Key::Str(_))
                });
                if self.layout.sort_keys && sortable {
                    entries.sort_by(|(a, _), (b, _)| order(a, b));
                }
                if self.flow_level > 0 || map.is_empty() || self.in_one_line(map.0.values()) {
                    self.flow_map(&entries, depth)
                } else {
                    self.block_map(&entries, depth)
                }
            }
            scalar => {
                let (text, is_text) = scalar_text(scalar);
                self.scalar(&text, is_text, place);
                Ok(())
            }
        }
    }

    fn in_one_line<'v>(&self, mut items: impl Iterator<Item = &'v Value>) -> bool {
        self.layout
            .flow
            .unwrap_or_else(|| items.all(|item| !is_collection(item)))
    }

    fn flow_list(&mut self, items: &[Value], depth: usize) -> Result<(), Error> {
        self.indicator("[", true, true, false);
        self.flow_level += 1;
        let old = self.deeper(true, false);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.layout.width {
                self.write_indent();
            }
            self.node(item, Place::default(), depth + 1)?;
        }
        self.indent = old;
        self.flow_level -= 1;
        self.indicator("]", false, false, false);
        Ok(())
    }

    fn flow_map(&mut self, entries: &[(&Key, &Value)], depth: usize) -> Result<(), Error> {
        self.indicator("{", true, true, false);
        self.flow_level += 1;
        let old = self.deeper(true, false);
        for (index, (key, item)) in entries.iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.layout.width {
                self.write_indent();
            }
            self.entry(key, item, depth)?;
        }
        self.indent = old;
        self.flow_level -= 1;
        self.indicator("}", false, false, false);
        Ok(())
    }

    fn block_list(&mut self, items: &[Value], place: Place, depth: usize) -> Result<(), Error> {
        let indentless = place.in_map && !self.indention;
        let old = self.deeper(false, indentless);
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, Place::default(), depth + 1)?;
        }
        self.indent = old;
        Ok(())
    }

    fn block_map(&mut self, entries: &[(&Key, &Value)], depth: usize) -> Result<(), Error> {
        let old = self.deeper(false, false);
        for (key, item) in entries {
            self.write_indent();
            self.entry(key, item, depth)?;
        }
        self.indent = old;
        Ok(())
    }

    fn entry(&mut self, key: &Key, item: &Value, depth: usize) -> Result<(), Error> {
        let (text, is_text) = match key {
            Key::Str(text) => (text.to_string(), true),
            Key::Int(number) => (number.to_string(), false),
            Key::Bool(truth) => (truth.to_string(), false),
            Key::Null => ("null".to_owned(), false),
        };
        let simple = text.chars().count() < 128 && !text.contains('\n') && !text.is_empty()
            || text.is_empty();
        let place = Place {
            in_map: true,
            simple_key: simple,
        };
        if simple {
            self.scalar(&text, is_text, place);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.scalar(&text, is_text, place);
            if self.flow_level == 0 {
                self.write_indent();
            }
            self.indicator(":", true, false, self.flow_level == 0);
        }
        let place = Place {
            in_map: true,
            simple_key: false,
        };
        self.node(item, place, depth + 1)
    }

    fn scalar(&mut self, text: &str, is_text: bool, place: Place) {
        let old = self.deeper(true, false);
        self.styled(text, is_text, place);
        self.indent = old;
    }

    fn styled(&mut self, text: &str, is_text: bool, place: Place) {
        let split = !place.simple_key;
        let look = Look::of(text, self.layout.unicode);
        let plain = if self.flow_level > 0 {
            look.flow_plain
        } else {
            look.block_plain
        };
        // What would be read as something else than text needs quotes.
        let implicit = !is_text || !reads_as_other(text);
        if implicit && plain && !(place.simple_key && (text.is_empty() || look.many_lines)) {
            self.plain(text, split);
        } else if look.single && !(place.simple_key && look.many_lines) {
            self.single(text, split);
        } else {
            self.double(text, split);
        }
    }

    fn plain(&mut self, text: &str, split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.put(" ");
        }
        self.whitespace = false;
        self.indention = false;
        self.words(text, split, false);
    }

    /// Text whose single spaces may become line breaks past the width.
    fn words(&mut self, text: &str, split: bool, keep_ends: bool) {
        let mut rest = text;
        while !rest.is_empty() {
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            if spaces > 0 {
                let at_end = keep_ends && (rest.len() == text.len() || rest.len() == spaces);
                if spaces == 1 && self.column > self.layout.width && split && !at_end {
                    self.write_indent();
                    self.whitespace = false;
                    self.indention = false;
                } else {
                    self.put(&rest[..spaces]);
                }
                rest = &rest[spaces..];
            } else {
                let end = rest.find(' ').unwrap_or(rest.len());
                self.put(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }

    fn single(&mut self, text: &str, split: bool) {
        self.indicator("'", true, false, false);
        let mut rest = text;
        while !rest.is_empty() {
            let breaks = rest.len() - rest.trim_start_matches('\n').len();
            if breaks > 0 {
                // One line break alone would be read as a space.
                for _ in 0..=breaks {
                    self.line_break();
                }
                self.write_indent();
                rest = &rest[breaks..];
                continue;
            }
            let end = rest.find('\n').unwrap_or(rest.len());
            let whole = rest.len() == text.len() && end == rest.len();
            let line = rest[..end].replace('\'', "''");
            self.words(&line, split, whole);
            rest = &rest[end..];
        }
        self.indicator("'", false, false, false);
    }

    fn double(&mut self, text: &str, split: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        for (index, c) in chars.iter().enumerate() {
            let inner = index > 0 && index + 1 < chars.len();
            let after_space = index > 0 && chars[index - 1] == ' ';
            if *c == ' ' && inner && split && !after_space && self.column > self.layout.width {
                self.write_indent();
                if chars.get(index + 1) == Some(&' ') {
                    self.put("\\");
                }
                continue;
            }
            let escaped = match c {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\0' => "\\0".to_owned(),
                '\u{7}' => "\\a".to_owned(),
                '\u{8}' => "\\b".to_owned(),
                '\t' => "\\t".to_owned(),
                '\n' => "\\n".to_owned(),
                '\u{b}' => "\\v".to_owned(),
                '\u{c}' => "\\f".to_owned(),
                '\r' => "\\r".to_owned(),
                '\u{1b}' => "\\e".to_owned(),
                '\u{85}' => "\\N".to_owned(),
                '\u{a0}' => "\\_".to_owned(),
                '\u{2028}' => "\\L".to_owned(),
                '\u{2029}' => "\\P".to_owned(),
                c if (' '..='~').contains(c) => c.to_string(),
                c if self.layout.unicode && printable(*c) => c.to_string(),
                c => match *c as u32 {
                    code @ 0..=0xff => format!("\\x{code:02X}"),
                    code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                    code => format!("\\U{code:08X}"),
                },
            };
            self.put(&escaped);
        }
        self.indicator("\"", false, false, false);
    }
}

fn order(a: &Key, b: &Key) -> std::cmp::Ordering {
    match (a, b) {
        (Key::Str(a), Key::Str(b)) => a.cmp(b),
        (Key::Int(a), Key::Int(b)) => a.cmp(b),
        (a, b) => a.text().cmp(&b.text()),
    }
}

/// A scalar and whether it is text.
fn scalar_text(value: &Value) -> (String, bool) {
    match value {
        Value::Bool(truth) => (truth.to_string(), false),
        Value::Int(number) => (number.to_string(), false),
        Value::BigInt(number) => (number.to_string(), false),
        Value::Float(number) => (float(*number), false),
        Value::Str(text) | Value::Trusted(text) => (text.to_string(), true),
        Value::Date(text) => (text.to_string(), false),
        Value::Template(template) => (template.text.to_string(), true),
        Value::Vault(sealed) => (sealed.text.to_string(), true),
        _ => ("null".to_owned(), false),
    }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let text = python::float(number);
    if text.contains('.') {
        text
    } else {
        text.replacen('e', ".0e", 1)
    }
}

/// Whether plain text would be read back as another type.
fn reads_as_other(text: &str) -> bool {
    matches!(text, "" | "=" | "<<")
        || scalar::resolve(text).is_some_and(|value| value.type_name() != "str")
}

fn printable(c: char) -> bool {
    matches!(c as u32, 0xa0..=0xd7ff | 0xe000..=0xfffd | 0x1_0000..=0x10_ffff) && c != '\u{feff}'
}

/// Which styles a text allows.
struct Look {
    many_lines: bool,
    flow_plain: bool,
    block_plain: bool,
    single: bool,
}

impl Look {
    fn of(text: &str, unicode: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let is_break = |c: char| matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let blank = |c: Option<&char>| {
            c.is_none_or(|c| *c == ' ' || *c == '\t' || *c == '\r' || is_break(*c))
        };
        let mut flow_marks = text.is_empty();
        let mut block_marks = false;
        if text.starts_with("---") || text.starts_with("...") {
            (flow_marks, block_marks) = (true, true);
        }
        let (mut special, mut breaks) = (false, false);
        let (mut space_break, mut break_space) = (false, false);
        for (index, c) in chars.iter().enumerate() {
            let next = chars.get(index + 1);
            let before = index.checked_sub(1).and_then(|at| chars.get(at));
            if index == 0 {
                match c {
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\''
                    | '"' | '%' | '@' | '`' => (flow_marks, block_marks) = (true, true),
                    '?' | ':' => {
                        flow_marks = true;
                        block_marks |= blank(next);
                    }
                    '-' if blank(next) => (flow_marks, block_marks) = (true, true),
                    _ => {}
                }
            } else {
                match c {
                    ',' | '?' | '[' | ']' | '{' | '}' => flow_marks = true,
                    ':' => {
                        flow_marks = true;
                        block_marks |= blank(next);
                    }
                    '#' if blank(before) => (flow_marks, block_marks) = (true, true),
                    _ => {}
                }
            }
            if is_break(*c) {
                breaks = true;
                space_break |= before == Some(&' ');
            } else if *c == ' ' {
                break_space |= before.is_some_and(|c| is_break(*c));
            }
            if !(*c == '\n' || (' '..='~').contains(c)) {
                let allowed = (*c == '\u{85}' || printable(*c)) && unicode;
                special |= !allowed;
            }
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let edges = edge(chars.first()) || edge(chars.last());
        let plain = !edges && !break_space && !space_break && !special && !breaks;
        Self {
            many_lines: breaks,
            flow_plain: plain && !flow_marks,
            block_plain: plain && !block_marks,
            single: !break_space && !space_break && !special,
        }
    }
}

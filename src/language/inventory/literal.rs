//! Python literals: how values of INI inventories are read.

use crate::source::Span;
use crate::value::{Key, Map, Value};

/// A Python literal where the text is one, else the text.
pub(super) fn literal(text: &str, span: &Span) -> Value {
    parse(text, span).unwrap_or_else(|| Value::trusted(text, span, None))
}

/// What a Python literal stands for, if the whole text is one.
pub(crate) fn parse(text: &str, span: &Span) -> Option<Value> {
    let mut parser = Literal { rest: text, span };
    let value = parser.value(0)?;
    let rest = parser.rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
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
            '[' => self.items(']', depth).map(|(items, _)| items.into()),
            // Without a comma, parentheses only group.
            '(' => self
                .items(')', depth)
                .map(|(mut items, comma)| match items.pop() {
                    Some(only) if items.is_empty() && !comma => only,
                    Some(last) => {
                        items.push(last);
                        items.into()
                    }
                    None => items.into(),
                }),
            '{' if !self.rest.starts_with("{{") && !self.rest.starts_with("{%") => {
                self.braces(depth)
            }
            quote @ ('\'' | '"') => self.quoted(quote),
            // Bytes and their kind become text.
            'b' | 'B' | 'u' | 'U' | 'r' | 'R' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                let quote = self.rest.chars().next()?;
                self.quoted(quote)
            }
            's' if self.rest.starts_with("set()") => {
                self.rest = &self.rest["set()".len()..];
                Some(Vec::new().into())
            }
            '.' if self.rest.starts_with("...") => {
                self.rest = &self.rest["...".len()..];
                Some(Value::Trusted("...".into()))
            }
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

    /// Items up to a bracket, and whether there was a comma.
    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.rest = &self.rest[1..];
        let mut out = Vec::new();
        let mut comma = false;
        while !self.eat(close) {
            out.push(self.value(depth + 1)?);
            if !self.eat(',') {
                return self.eat(close).then_some((out, comma));
            }
            comma = true;
        }
        Some((out, comma))
    }

    /// A mapping, or a set, which becomes a list.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        let start = self.rest;
        self.mapping(depth).or_else(|| {
            self.rest = start;
            self.items('}', depth).map(|(items, _)| items.into())
        })
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
        // A complex number stays text.
        if let Some(real) = text.strip_suffix(['j', 'J']) {
            return real
                .parse::<f64>()
                .ok()
                .map(|_| Value::trusted(text, self.span, None));
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

//! Text into a tree.

use super::tree::{DEEPEST, Document, Element, Kind, Name};

/// What is wrong, and in which line.
fn wrong(text: &str, rest: &str, reason: &str) -> String {
    let before = &text[..text.len() - rest.len()];
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {reason}")
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric()
        || matches!(letter, '_' | ':' | '-' | '.')
        || (letter > '\u{7f}' && !letter.is_whitespace())
}

/// Takes a name off.
fn name<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let all = *rest;
    let end = all.find(|letter| !is_name(letter)).unwrap_or(all.len());
    let found = &all[..end];
    let first = found.chars().next()?;
    if first.is_ascii_digit() || matches!(first, '-' | '.') {
        return None;
    }
    *rest = &all[end..];
    Some(found)
}

fn split(written: &str) -> (&str, &str) {
    written.split_once(':').unwrap_or(("", written))
}

/// Replaces references; only those that XML itself knows.
fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (reference, tail) = after
            .split_once(';')
            .filter(|(reference, _)| reference.len() < 40)
            .ok_or("an & that begins no reference; write &amp;")?;
        let number = reference
            .strip_prefix('#')
            .map(|digits| match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            });
        out.push(match (reference, number) {
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("amp", _) => '&',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(Ok(number))) => {
                char::from_u32(number).ok_or_else(|| format!("&{reference}; is no character"))?
            }
            _ => {
                return Err(format!(
                    "&{reference}; is not known; entities of a document type are not read"
                ));
            }
        });
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The bytes as text, by their declaration.
fn decoded(data: &[u8]) -> Result<String, String> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let head = String::from_utf8_lossy(&data[..data.len().min(200)]).into_owned();
    let declared = head.strip_prefix("<?xml").and_then(|head| {
        let (declaration, _) = head.split_once("?>")?;
        let (_, value) = declaration.split_once("encoding")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next()?;
        value[1..].split(quote).next().map(str::to_ascii_lowercase)
    });
    let text = match declared.as_deref() {
        Some("iso-8859-1" | "latin1") => data.iter().map(|byte| char::from(*byte)).collect(),
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => {
            String::from_utf8(data.to_vec()).map_err(|_| "it is no UTF-8".to_owned())?
        }
        Some(other) => {
            return Err(format!(
                "the encoding {other} is not supported; UTF-8 and ISO-8859-1 are"
            ));
        }
    };
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    document: Document,
    /// Elements that are open.
    open: Vec<usize>,
    /// Text that is white space only, between elements, is left out.
    no_blanks: bool,
    /// Marked sections become plain text.
    no_sections: bool,
}

impl Document {
    /// Reads a document. Without blanks it can be laid out anew.
    pub(crate) fn parse(data: &[u8], no_blanks: bool, no_sections: bool) -> Result<Self, String> {
        let text = decoded(data)?;
        let mut reader = Reader {
            text: &text,
            rest: &text,
            document: Self::default(),
            open: Vec::new(),
            no_blanks,
            no_sections,
        };
        reader
            .all()
            .map_err(|reason| wrong(reader.text, reader.rest, &reason))?;
        Ok(reader.document)
    }
}

impl<'a> Reader<'a> {
    fn add(&mut self, kind: Kind) -> usize {
        let parent = self.open.last().copied();
        let node = self.document.add(parent, kind);
        match parent.and_then(|parent| self.document.element_mut(parent)) {
            Some(element) => element.children.push(node),
            None => self.document.top.push(node),
        }
        node
    }

    /// Takes everything up to an end off.
    fn until(&mut self, start: &str, end: &str) -> Result<&'a str, String> {
        let inner = &self.rest[start.len()..];
        let at = inner
            .find(end)
            .ok_or_else(|| format!("{start} has no end {end}"))?;
        self.rest = &inner[at + end.len()..];
        Ok(&inner[..at])
    }

    fn all(&mut self) -> Result<(), String> {
        if self.rest.starts_with("<?xml ") {
            self.until("<?xml ", "?>")?;
        }
        while !self.rest.is_empty() {
            if self.rest.starts_with("<!--") {
                let text = self.until("<!--", "-->")?.to_owned();
                self.add(Kind::Comment(text));
            } else if self.rest.starts_with("<![CDATA[") && !self.open.is_empty() {
                let text = self.until("<![CDATA[", "]]>")?.to_owned();
                self.add(if self.no_sections {
                    Kind::Text(text)
                } else {
                    Kind::Raw(text)
                });
            } else if self.rest.starts_with("<?") {
                let text = self.until("<?", "?>")?;
                let (target, told) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                self.add(Kind::Instruction(
                    target.to_owned(),
                    told.trim_start().to_owned(),
                ));
            } else if self.rest.starts_with("<!DOCTYPE")
                && self.document.root().is_none()
                && self.open.is_empty()
            {
                self.doctype()?;
            } else if self.rest.starts_with("</") {
                self.close()?;
            } else if self.rest.starts_with('<') {
                self.start()?;
            } else {
                self.characters()?;
            }
        }
        match (self.open.last(), self.document.root()) {
            (Some(open), _) => {
                let name = self
                    .document
                    .element(*open)
                    .map(|element| element.name.written());
                Err(format!("<{}> is not closed", name.unwrap_or_default()))
            }
            (None, None) => Err("there is no element in it".to_owned()),
            _ => Ok(()),
        }
    }

    fn doctype(&mut self) -> Result<(), String> {
        let inner = &self.rest["<!DOCTYPE".len()..];
        let (mut depth, mut quote) = (0, None);
        for (at, letter) in inner.char_indices() {
            match (quote, letter) {
                (Some(open), letter) if open == letter => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(letter),
                (None, '[') => depth += 1,
                (None, ']') => depth -= 1,
                (None, '>') if depth == 0 => {
                    self.document.doctype = Some(inner[..at].trim().to_owned());
                    self.document.before_doctype = self.document.top.len();
                    self.rest = &inner[at + 1..];
                    return Ok(());
                }
                _ => {}
            }
        }
        Err("<!DOCTYPE has no end".to_owned())
    }

    fn characters(&mut self) -> Result<(), String> {
        let end = self.rest.find('<').unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        let blank = found.trim().is_empty();
        if self.open.is_empty() {
            if !blank {
                return Err("there is text outside of the first element".to_owned());
            }
            self.rest = rest;
            return Ok(());
        }
        // Blank text is content where it is all that there is.
        let only = rest.starts_with("</")
            && self
                .open
                .last()
                .is_some_and(|open| self.document.children(Some(*open)).is_empty());
        let behind_text = self.open.last().is_some_and(|open| {
            let children = self.document.children(Some(*open));
            children.iter().any(|child| self.document.is_text(*child))
        });
        if !blank || !self.no_blanks || only || behind_text {
            let text = unescaped(found)?;
            self.add(Kind::Text(text));
        }
        self.rest = rest;
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let open = self
            .open
            .last()
            .copied()
            .ok_or("an element is closed that was not opened")?;
        let wanted = self
            .document
            .element(open)
            .map(|element| element.name.written())
            .unwrap_or_default();
        let mut rest = &self.rest[2..];
        let found = name(&mut rest).unwrap_or_default();
        if found != wanted {
            return Err(format!("</{found}> where </{wanted}> was expected"));
        }
        rest = rest
            .trim_start()
            .strip_prefix('>')
            .ok_or_else(|| format!("</{found} has no >"))?;
        self.open.pop();
        self.rest = rest;
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        if self.open.is_empty() && self.document.root().is_some() {
            return Err("there is a second element at the top".to_owned());
        }
        if self.open.len() >= DEEPEST {
            return Err(format!("elements are more than {DEEPEST} deep"));
        }
        let mut rest = &self.rest[1..];
        let written = name(&mut rest).ok_or("a < that begins no element; write &lt;")?;
        let (mut spaces, mut attributes) = (Vec::new(), Vec::new());
        let closed = loop {
            let before = rest;
            rest = rest.trim_start();
            if let Some(tail) = rest.strip_prefix("/>") {
                rest = tail;
                break true;
            }
            if let Some(tail) = rest.strip_prefix('>') {
                rest = tail;
                break false;
            }
            let key = name(&mut rest).ok_or_else(|| format!("<{written} has no >"))?;
            if before.len() == before.trim_start().len() {
                return Err(format!("in <{written}> attributes need a space between"));
            }
            let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
            let value = value.ok_or_else(|| format!("the attribute {key} has no value"))?;
            let quote = value
                .chars()
                .next()
                .filter(|letter| matches!(letter, '"' | '\''));
            let quote = quote.ok_or_else(|| format!("the value of {key} is not in quotes"))?;
            let (value, tail) = value[1..]
                .split_once(quote)
                .ok_or_else(|| format!("the value of {key} has no end"))?;
            if value.contains('<') {
                return Err(format!("the value of {key} has a < in it; write &lt;"));
            }
            let value = unescaped(&value.replace(['\n', '\t'], " "))?;
            match split(key) {
                ("", "xmlns") => spaces.push((String::new(), value)),
                ("xmlns", prefix) => spaces.push((prefix.to_owned(), value)),
                _ if attributes.iter().any(|(known, _)| *known == key) => {
                    return Err(format!("the attribute {key} is there twice"));
                }
                _ => attributes.push((key, value)),
            }
            rest = tail;
        };
        let element = Element {
            spaces,
            ..Element::default()
        };
        let node = self.add(Kind::Element(element));
        let own = self.resolved(node, written, true)?;
        let mut named = Vec::new();
        for (key, value) in attributes {
            named.push((self.resolved(node, key, false)?, value));
        }
        if let Some(element) = self.document.element_mut(node) {
            element.name = own;
            element.attributes = named;
        }
        if !closed {
            self.open.push(node);
        }
        self.rest = rest;
        Ok(())
    }

    /// A name with its namespace; attributes without a prefix have none.
    fn resolved(&self, node: usize, written: &str, element: bool) -> Result<Name, String> {
        let (prefix, local) = split(written);
        let mut name = Name {
            prefix: prefix.to_owned(),
            local: local.to_owned(),
            space: String::new(),
        };
        if prefix == "xml" {
            name.space = "http://www.w3.org/XML/1998/namespace".to_owned();
            return Ok(name);
        }
        if prefix.is_empty() && !element {
            return Ok(name);
        }
        let mut at = Some(node);
        while let Some(node) = at {
            let spaces = self.document.element(node).map(|element| &element.spaces);
            if let Some((_, space)) = spaces
                .into_iter()
                .flatten()
                .find(|(known, _)| known == prefix)
            {
                name.space.clone_from(space);
                return Ok(name);
            }
            at = self.document.parent(node);
        }
        if prefix.is_empty() {
            return Ok(name);
        }
        Err(format!("the prefix {prefix} is not declared"))
    }
}

//! Text to tokens: tags, the space around them, and what stands inside.

use super::token::{OPERATORS, Op, Placed, Token};
use super::{At, Mistake, Parsed, literal};
use crate::template::engine::Mode;
use crate::template::options::FileOptions;

pub(super) struct Lexer<'s> {
    source: &'s str,
    options: &'s FileOptions,
    at: usize,
    tokens: Vec<Placed>,
    /// Backslashes in the literals of `{{ }}` stand for themselves.
    raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Variable,
    Block,
    Comment,
    LineStatement,
    LineComment,
}

/// Where the next tag of each kind starts. Searched again only when passed,
/// so that a long text without one kind is searched once.
struct Finder<'o> {
    kinds: Vec<(&'o str, Tag, Option<usize>)>,
}

impl<'o> Finder<'o> {
    fn new(options: &'o FileOptions) -> Self {
        let mut kinds = vec![
            (options.variable_start_string.as_str(), Tag::Variable),
            (options.block_start_string.as_str(), Tag::Block),
            (options.comment_start_string.as_str(), Tag::Comment),
        ];
        if let Some(prefix) = &options.line_statement_prefix {
            kinds.push((prefix, Tag::LineStatement));
        }
        if let Some(prefix) = &options.line_comment_prefix {
            kinds.push((prefix, Tag::LineComment));
        }
        kinds.retain(|(start, _)| !start.is_empty());
        // At one place the longest wins.
        kinds.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
        Self {
            kinds: kinds
                .into_iter()
                .map(|(start, tag)| (start, tag, Some(0)))
                .collect(),
        }
    }

    /// Start of the tag (with its own leading space for lines), place after
    /// its start string, kind.
    fn next(&mut self, source: &str, from: usize) -> Option<(usize, usize, Tag)> {
        let mut best: Option<(usize, usize, Tag)> = None;
        for (start, tag, next) in &mut self.kinds {
            let Some(known) = *next else {
                continue;
            };
            if known < from || known == 0 {
                *next = find(source, from, start, *tag);
            }
            let Some(found) = *next else {
                continue;
            };
            let begin = match tag {
                Tag::LineStatement | Tag::LineComment => {
                    let before = &source[from..found];
                    from + before.trim_end_matches([' ', '\t', '\u{b}']).len()
                }
                _ => found,
            };
            if best.is_none_or(|(other, ..)| begin < other) {
                best = Some((begin, found + start.len(), *tag));
            }
        }
        best
    }
}

fn find(source: &str, from: usize, start: &str, tag: Tag) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + source.get(at..)?.find(start)?;
        let line = source[..found].rfind('\n').map_or(0, |end| end + 1);
        let blank = source[line..found]
            .chars()
            .all(|c| matches!(c, ' ' | '\t' | '\u{b}'));
        let fits = match tag {
            Tag::LineStatement => blank,
            // Everything up to here on its line was text or space.
            Tag::LineComment => true,
            _ => true,
        };
        if fits {
            return Some(found);
        }
        at = found + start.len();
    }
}

impl<'s> Lexer<'s> {
    pub(super) fn tokens(
        source: &'s str,
        options: &'s FileOptions,
        mode: Mode,
        raw: bool,
    ) -> Parsed<Vec<Placed>> {
        let mut lexer = Self {
            source,
            options,
            at: 0,
            tokens: Vec::new(),
            raw,
        };
        if mode == Mode::Expression {
            lexer.inside("", Tag::Variable)?;
        } else {
            lexer.outside()?;
        }
        let end = At::new(source.len(), source.len());
        lexer.push(Token::End, end);
        Ok(lexer.tokens)
    }

    fn push(&mut self, token: Token, at: At) {
        self.tokens.push(Placed { token, at });
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn data(&mut self, text: &str, start: usize) {
        if text.is_empty() {
            return;
        }
        let value = literal::newlines(text, &self.options.newline_sequence);
        self.push(
            Token::Data(value.into()),
            At::new(start, start + text.len()),
        );
    }

    /// The text before a tag, cut as the sign of the tag says.
    fn before<'t>(&self, text: &'t str, start: usize, sign: Option<char>, tag: Tag) -> &'t str {
        if sign == Some('-') {
            return text.trim_end();
        }
        if sign == Some('+') || !self.options.lstrip_blocks || tag == Tag::Variable {
            return text;
        }
        let line = text.rfind('\n').map_or(0, |end| end + 1);
        let starts = line > 0 || start == 0 || self.source[..start].ends_with('\n');
        if starts && text[line..].chars().all(char::is_whitespace) {
            &text[..line]
        } else {
            text
        }
    }

    fn outside(&mut self) -> Parsed<()> {
        let mut source = self.source;
        if !self.options.keep_trailing_newline {
            source = source
                .strip_suffix("\r\n")
                .or_else(|| source.strip_suffix(['\n', '\r']))
                .unwrap_or(source);
        }
        let mut finder = Finder::new(self.options);
        while self.at < source.len() {
            let Some((begin, after, tag)) = finder.next(source, self.at) else {
                self.data(&source[self.at..], self.at);
                break;
            };
            let sign = match source[after..].chars().next() {
                Some(sign @ ('-' | '+'))
                    if !matches!(tag, Tag::LineStatement | Tag::LineComment) =>
                {
                    Some(sign)
                }
                _ => None,
            };
            let text = self.before(&source[self.at..begin], self.at, sign, tag);
            self.data(text, self.at);
            self.at = after + sign.map_or(0, char::len_utf8);
            let start = At::new(begin, self.at);
            match tag {
                Tag::Comment => self.comment(start)?,
                Tag::LineComment => {
                    let end = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += end;
                }
                Tag::Variable => {
                    self.push(Token::VariableBegin, start);
                    self.inside(&self.options.variable_end_string, tag)?;
                }
                Tag::LineStatement => {
                    self.push(Token::BlockBegin, start);
                    self.inside("", tag)?;
                }
                Tag::Block => {
                    if let Some(end) = self.raw_start() {
                        self.at = end;
                        self.raw_text(start)?;
                    } else {
                        self.push(Token::BlockBegin, start);
                        self.inside(&self.options.block_end_string, tag)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The length of the end of a tag that stands here, with the space it
    /// swallows.
    fn closing(&self, rest: &str, end: &str, tag: Tag) -> Option<usize> {
        if let Some(after) = rest
            .strip_prefix('-')
            .and_then(|rest| rest.strip_prefix(end))
        {
            return Some(rest.len() - after.trim_start().len());
        }
        if tag != Tag::Variable
            && let Some(after) = rest
                .strip_prefix('+')
                .and_then(|rest| rest.strip_prefix(end))
        {
            return Some(rest.len() - after.len());
        }
        let mut after = rest.strip_prefix(end)?;
        if tag != Tag::Variable && self.options.trim_blocks {
            after = after
                .strip_prefix("\r\n")
                .or_else(|| after.strip_prefix('\n'))
                .unwrap_or(after);
        }
        Some(rest.len() - after.len())
    }

    fn comment(&mut self, start: At) -> Parsed<()> {
        let end = &self.options.comment_end_string;
        let rest = self.rest();
        let Some(found) = rest.find(end.as_str()) else {
            return Err(Mistake::new("Missing end of comment tag", start));
        };
        let signed = found > 0 && rest[..found].ends_with(['-', '+']);
        let at = if signed { found - 1 } else { found };
        let length = self.closing(&rest[at..], end, Tag::Comment).unwrap_or(0);
        self.at += at + length;
        Ok(())
    }

    /// Where the text of a raw block starts, if one starts here.
    fn raw_start(&self) -> Option<usize> {
        let rest = self.rest().trim_start().strip_prefix("raw")?;
        let rest = rest.trim_start();
        let end = self.options.block_end_string.as_str();
        let after = match rest.strip_prefix('-') {
            Some(signed) => signed.strip_prefix(end)?.trim_start(),
            None => rest.strip_prefix(end)?,
        };
        Some(self.source.len() - after.len())
    }

    fn raw_text(&mut self, start: At) -> Parsed<()> {
        let begin = self.options.block_start_string.as_str();
        let end = self.options.block_end_string.as_str();
        let rest = self.rest();
        for (found, _) in rest.match_indices(begin) {
            let tag = &rest[found + begin.len()..];
            let sign = tag.chars().next().filter(|c| matches!(c, '-' | '+'));
            let inner = tag.strip_prefix(['-', '+']).unwrap_or(tag).trim_start();
            let Some(inner) = inner.strip_prefix("endraw") else {
                continue;
            };
            let inner = inner.trim_start();
            let Some(length) = self.closing(inner, end, Tag::Block) else {
                continue;
            };
            let text = self.before(&rest[..found], self.at, sign, Tag::Block);
            self.data(text, self.at);
            self.at = self.source.len() - inner.len() + length;
            return Ok(());
        }
        Err(Mistake::new("Missing end of raw directive", start))
    }

    /// Tokens up to the end of a tag.
    fn inside(&mut self, end: &str, tag: Tag) -> Parsed<()> {
        let mut open: Vec<char> = Vec::new();
        loop {
            if open.is_empty() && tag == Tag::LineStatement {
                let line = self.rest().split('\n').next().unwrap_or_default();
                if line.trim().is_empty() {
                    let length = line.len() + usize::from(line.len() < self.rest().len());
                    let at = At::new(self.at, self.at + length);
                    self.push(Token::BlockEnd, at);
                    self.at += length;
                    return Ok(());
                }
            }
            let rest = self.rest();
            let space = rest.len() - rest.trim_start().len();
            if space > 0 {
                self.at += space;
                continue;
            }
            if rest.is_empty() {
                // The parser says what is missing.
                return Ok(());
            }
            if !end.is_empty()
                && open.is_empty()
                && let Some(length) = self.closing(rest, end, tag)
            {
                let at = At::new(self.at, self.at + length);
                self.at += length;
                self.push(
                    if tag == Tag::Variable {
                        Token::VariableEnd
                    } else {
                        Token::BlockEnd
                    },
                    at,
                );
                return Ok(());
            }
            let raw = self.raw && tag == Tag::Variable;
            let (token, length) = self.token(rest, raw)?;
            let at = At::new(self.at, self.at + length);
            if let Token::Op(op) = &token {
                balance(&mut open, *op, at)?;
            }
            self.push(token, at);
            self.at += length;
        }
    }

    fn token(&self, rest: &str, raw: bool) -> Parsed<(Token, usize)> {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_ascii_digit() {
            let after_dot = self.source[..self.at].ends_with('.');
            return self.number(rest, after_dot);
        }
        if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            return Ok((Token::Name(rest[..length].into()), length));
        }
        if first == '\'' || first == '"' {
            return self.text(rest, first, raw);
        }
        for (sign, op) in OPERATORS {
            if rest.starts_with(sign) {
                return Ok((Token::Op(*op), sign.len()));
            }
        }
        Err(Mistake::new(
            format!("unexpected char {} at {}", shown(first), self.at),
            At::new(self.at, self.at + first.len_utf8()),
        ))
    }

    fn text(&self, rest: &str, quote: char, raw: bool) -> Parsed<(Token, usize)> {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                let place = At::new(self.at, self.at + at + 1);
                let value =
                    literal::text(&rest[1..at], raw, &self.options.newline_sequence, place)?;
                return Ok((Token::Text(value), at + 1));
            }
        }
        Err(Mistake::new(
            format!("unexpected char {} at {}", shown(quote), self.at),
            At::new(self.at, self.source.len()),
        ))
    }

    fn number(&self, rest: &str, after_dot: bool) -> Parsed<(Token, usize)> {
        let bytes = rest.as_bytes();
        let digits = |from: usize, fits: fn(&u8) -> bool| {
            let mut end = from;
            while let Some(byte) = bytes.get(end) {
                let joined = *byte == b'_' && end > from && bytes.get(end + 1).is_some_and(fits);
                if !fits(byte) && !joined {
                    break;
                }
                end += 1;
            }
            end
        };
        let at = |length: usize| At::new(self.at, self.at + length);
        let radix = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => Some((16, u8::is_ascii_hexdigit as fn(&u8) -> bool)),
            Some("0o") => Some((8, (|byte| matches!(byte, b'0'..=b'7')) as fn(&u8) -> bool)),
            Some("0b") => Some((2, (|byte| matches!(byte, b'0' | b'1')) as fn(&u8) -> bool)),
            _ => None,
        };
        if let Some((radix, fits)) = radix {
            let end = digits(2, fits);
            if end > 2 {
                return match i128::from_str_radix(&rest[2..end].replace('_', ""), radix) {
                    Ok(number) => Ok((Token::Int(number), end)),
                    Err(_) => Err(Mistake::new("this number is too large", at(end))),
                };
            }
        }
        let whole = digits(0, u8::is_ascii_digit);
        if !after_dot {
            let mut end = whole;
            let mut float = false;
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1, u8::is_ascii_digit);
                float = true;
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                    end = digits(end + 1 + sign, u8::is_ascii_digit);
                    float = true;
                }
            }
            if float && let Ok(number) = rest[..end].replace('_', "").parse() {
                return Ok((Token::Float(number), end));
            }
        }
        // A zero at the front is a number of its own, as it always was.
        let end = if bytes[0] == b'0' {
            digits(0, |byte| *byte == b'0')
        } else {
            whole
        };
        match rest[..end].replace('_', "").parse() {
            Ok(number) => Ok((Token::Int(number), end)),
            Err(_) => Err(Mistake::new("this number is too large", at(end))),
        }
    }
}

/// Keeps track of brackets, so that `}}` inside of them ends nothing.
fn balance(open: &mut Vec<char>, op: Op, at: At) -> Parsed<()> {
    let (close, opens) = match op {
        Op::ParenOpen => (')', true),
        Op::BracketOpen => (']', true),
        Op::BraceOpen => ('}', true),
        Op::ParenClose => (')', false),
        Op::BracketClose => (']', false),
        Op::BraceClose => ('}', false),
        _ => return Ok(()),
    };
    if opens {
        open.push(close);
        return Ok(());
    }
    match open.pop() {
        Some(wanted) if wanted == close => Ok(()),
        Some(wanted) => Err(Mistake::new(
            format!("unexpected '{close}', expected '{wanted}'"),
            at,
        )),
        None => Err(Mistake::new(format!("unexpected '{close}'"), at)),
    }
}

/// A character as Python shows it.
fn shown(c: char) -> String {
    crate::template::python::repr(&crate::template::Jinja::from(c.to_string())).unwrap_or_default()
}

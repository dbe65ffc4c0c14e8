//! Rewrites template source where the engine's language is not Python's.
//!
//! The engine's own parser finds the places; the text is changed there and a
//! list of changes maps error positions back. Because the result is text
//! again, includes, imports and inheritance need nothing else.
//!
//! * `a % b`, `a + b`, `a ~ b` and single comparisons become calls of our own
//!   functions (string formatting, exact messages, no order between types),
//! * list and mapping literals become lists and mappings that can be changed,
//! * slices are turned into our lists,
//! * members in front of `default` and `is defined` are looked up by methods
//!   that let an undefined owner pass,
//! * dotted names of filters and tests lose their collection.

use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::{Span, Token, ast, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::walk::{self, Node};

/// Changed source with the way back.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) text: String,
    /// In order: place in the new text, removed length, inserted length.
    changes: Vec<(usize, usize, usize)>,
}

impl Rewritten {
    /// A range of the new text in the old one.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.back(range.start, false);
        start..self.back(range.end, true).max(start)
    }

    fn back(&self, offset: usize, end: bool) -> usize {
        let mut delta = 0isize;
        for &(at, removed, inserted) in &self.changes {
            let past = at + inserted;
            if offset < at || (end && offset == at) {
                break;
            }
            if offset < past {
                // Inside inserted text: its place in the old text.
                return at.saturating_add_signed(delta);
            }
            delta += removed.cast_signed() - inserted.cast_signed();
        }
        offset.saturating_add_signed(delta)
    }
}

/// Rewrites a template.
///
/// # Errors
/// The engine's syntax errors, with places in the given text.
pub(super) fn rewrite(source: &str, syntax: &SyntaxConfig) -> Result<Rewritten, Error> {
    let tree = parse(source, "", syntax.clone())?;
    let mut finder = Finder {
        source,
        syntax,
        tokens: None,
        edits: Vec::new(),
    };
    finder.stmt(&tree);
    Ok(apply(source, finder.edits))
}

/// Whether an operator after this token has a left side.
fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Ident(word) => !matches!(*word, "and" | "or" | "not" | "in" | "if" | "else" | "is"),
        Token::Str(_)
        | Token::String(_)
        | Token::Int(_)
        | Token::Int128(_)
        | Token::Float(_)
        | Token::BracketClose
        | Token::ParenClose
        | Token::BraceClose => true,
        _ => false,
    }
}

/// Changes to a text, not yet made.
#[derive(Default)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        self.0.push(Edit {
            at,
            remove: 0,
            insert: text.to_owned(),
            opening: true,
        });
    }

    pub(super) fn apply(self, source: &str) -> Rewritten {
        apply(source, self.0)
    }
}

struct Edit {
    at: usize,
    remove: usize,
    insert: String,
    /// Closing insertions come before opening ones at one place.
    opening: bool,
}

fn apply(source: &str, mut edits: Vec<Edit>) -> Rewritten {
    edits.sort_by_key(|edit| (edit.at, edit.opening));
    let mut result = Rewritten {
        text: String::with_capacity(source.len() + edits.len() * 8),
        changes: Vec::with_capacity(edits.len()),
    };
    let mut from = 0;
    for edit in edits {
        result
            .text
            .push_str(source.get(from..edit.at).unwrap_or_default());
        result
            .changes
            .push((result.text.len(), edit.remove, edit.insert.len()));
        result.text.push_str(&edit.insert);
        from = edit.at + edit.remove;
    }
    result.text.push_str(source.get(from..).unwrap_or_default());
    result
}

/// Filters and tests that look at undefined values.
const LENIENT_FILTERS: &[&str] = &["default", "d", "mandatory", "type_debug"];
const LENIENT_TESTS: &[&str] = &["defined", "undefined"];

/// Names whose calls mean something to the engine.
fn is_block(expr: &ast::Expr<'_>) -> bool {
    matches!(expr, ast::Expr::Var(var) if matches!(var.id, "self" | "loop" | "super"))
}

struct Finder<'s> {
    source: &'s str,
    syntax: &'s SyntaxConfig,
    tokens: Option<Vec<(Token<'s>, Span)>>,
    edits: Vec<Edit>,
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

impl<'s> Finder<'s> {
    fn open(&mut self, at: usize, text: &str) {
        self.edits.push(Edit {
            at,
            remove: 0,
            insert: text.to_owned(),
            opening: true,
        });
    }

    fn close(&mut self, at: usize, text: &str) {
        self.edits.push(Edit {
            at,
            remove: 0,
            insert: text.to_owned(),
            opening: false,
        });
    }

    fn tokens(&mut self) -> &[(Token<'s>, Span)] {
        let (source, syntax) = (self.source, self.syntax);
        self.tokens.get_or_insert_with(|| {
            tokenize(source, false, syntax.clone())
                .map_while(Result::ok)
                .collect()
        })
    }

    /// Start of the second token of a range.
    fn after_first(&mut self, range: &Range<usize>) -> usize {
        let tokens = self.tokens();
        let first = tokens.partition_point(|(_, span)| bytes(*span).start < range.start);
        tokens
            .get(first + 1)
            .map_or(range.start, |(_, span)| bytes(*span).start)
    }

    /// The last token of a kind inside a range, outside of brackets.
    fn operator(
        &mut self,
        range: &Range<usize>,
        is: impl Fn(&Token) -> bool,
    ) -> Option<Range<usize>> {
        let tokens = self.tokens();
        let first = tokens.partition_point(|(_, span)| bytes(*span).start < range.start);
        let mut depth = 0i32;
        let mut found = None;
        let mut before: Option<&Token> = None;
        for (token, span) in &tokens[first..] {
            let place = bytes(*span);
            if place.start >= range.end {
                break;
            }
            match token {
                Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
                Token::ParenClose | Token::BracketClose | Token::BraceClose => depth -= 1,
                token if depth == 0 && is(token) && before.is_some_and(ends_operand) => {
                    found = Some(place);
                }
                _ => {}
            }
            before = Some(token);
        }
        found
    }

    /// `a op b` to `name(a, b)`.
    fn call(&mut self, node: &ast::BinOp<'s>, span: Span, name: &str, is: impl Fn(&Token) -> bool) {
        let mut range = bytes(span);
        if name.starts_with("__l") || name.starts_with("__g") {
            // The engine counts the token before a comparison to it.
            range.start = self.after_first(&range);
        }
        let Some(operator) = self.operator(&range, is) else {
            self.expr(&node.left);
            self.expr(&node.right);
            return;
        };
        self.open(range.start, &format!("{name}("));
        self.expr(&node.left);
        self.edits.push(Edit {
            at: operator.start,
            remove: operator.len(),
            insert: ",".into(),
            opening: true,
        });
        self.expr(&node.right);
        self.close(range.end, ")");
    }

    fn binary(&mut self, node: &ast::BinOp<'s>, span: Span) {
        use ast::BinOpKind as Op;
        match node.op {
            Op::Rem => self.call(node, span, "__mod", |token| matches!(token, Token::Mod)),
            Op::Add => self.call(node, span, "__add", |token| matches!(token, Token::Plus)),
            Op::Sub => self.call(node, span, "__sub", |token| matches!(token, Token::Minus)),
            Op::Concat => self.call(node, span, "__cat", |token| matches!(token, Token::Tilde)),
            Op::Lt => self.call(node, span, "__lt", |token| matches!(token, Token::Lt)),
            Op::Lte => self.call(node, span, "__le", |token| matches!(token, Token::Lte)),
            Op::Gt => self.call(node, span, "__gt", |token| matches!(token, Token::Gt)),
            Op::Gte => self.call(node, span, "__ge", |token| matches!(token, Token::Gte)),
            Op::In => {
                self.expr(&node.left);
                self.passing(&node.right);
            }
            _ => {
                self.expr(&node.left);
                self.expr(&node.right);
            }
        }
    }

    /// An expression whose value is used at once and never kept: a literal
    /// may stay the engine's own.
    fn passing(&mut self, expr: &ast::Expr<'s>) {
        match expr {
            ast::Expr::List(_) => self.parts(expr),
            other => self.expr(other),
        }
    }

    /// Cuts the collection off the name of a filter or test.
    fn shorten(&mut self, name: &'s str) {
        if let Some((_, last)) = name.rsplit_once('.') {
            self.replace(name, last.trim());
        }
    }

    /// Replaces a word of the source by another.
    fn replace(&mut self, name: &'s str, by: &str) {
        let at = (name.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        if self.source.get(at..at.wrapping_add(name.len())) == Some(name) {
            self.edits.push(Edit {
                at,
                remove: name.len(),
                insert: by.to_owned(),
                opening: true,
            });
        }
    }

    fn parts(&mut self, expr: &ast::Expr<'s>) {
        walk::expr_parts(expr, &mut |part| self.expr(part));
    }

    fn expr(&mut self, expr: &ast::Expr<'s>) {
        match expr {
            ast::Expr::BinOp(node) => self.binary(node, node.span()),
            ast::Expr::Slice(node) => {
                self.parts(expr);
                self.close(bytes(node.span()).end, ".__own()");
            }
            ast::Expr::Filter(node) => {
                self.shorten(node.name);
                match (&node.expr, LENIENT_FILTERS.contains(&node.name)) {
                    (Some(base), true) => {
                        self.lenient(base);
                        walk::args(&node.args, &mut |arg| self.lenient(arg));
                    }
                    _ => self.parts(expr),
                }
            }
            ast::Expr::Test(node) => {
                self.shorten(node.name);
                if LENIENT_TESTS.contains(&node.name) {
                    self.lenient(&node.expr);
                } else {
                    self.parts(expr);
                }
            }
            ast::Expr::List(node) => self.literal(expr, node.span(), "__list("),
            ast::Expr::Map(node) => self.literal(expr, node.span(), "__dict("),
            _ => self.parts(expr),
        }
    }

    /// An expression that may be undefined at any depth.
    fn lenient(&mut self, expr: &ast::Expr<'s>) {
        match expr {
            ast::Expr::GetAttr(node) => {
                self.lenient(&node.expr);
                let name = node.name;
                self.replace(name, &format!("__get(\"{name}\")"));
            }
            ast::Expr::GetItem(node) => {
                self.lenient(&node.expr);
                let end = bytes(node.span()).end;
                let brackets = self.opening_bracket(end);
                if let Some(open) = brackets {
                    self.swap(open, ".__get(");
                }
                self.expr(&node.subscript_expr);
                if brackets.is_some() {
                    self.swap(end - 1, ")");
                }
            }
            ast::Expr::IfExpr(node) => {
                self.lenient(&node.true_expr);
                self.expr(&node.test_expr);
                if let Some(other) = &node.false_expr {
                    self.lenient(other);
                }
            }
            ast::Expr::Call(node) => match &node.expr {
                ast::Expr::GetAttr(method) if !is_block(&method.expr) => {
                    self.lenient(&method.expr);
                    let name = method.name;
                    self.replace(name, &format!("__try_{name}"));
                    walk::args(&node.args, &mut |arg| self.expr(arg));
                }
                _ => self.parts(expr),
            },
            other => self.expr(other),
        }
    }

    /// Replaces one byte.
    fn swap(&mut self, at: usize, by: &str) {
        self.edits.push(Edit {
            at,
            remove: 1,
            insert: by.to_owned(),
            opening: true,
        });
    }

    /// Where the bracket opens that closes right before a place.
    fn opening_bracket(&mut self, end: usize) -> Option<usize> {
        let tokens = self.tokens();
        let past = tokens.partition_point(|(_, span)| bytes(*span).start < end);
        let mut depth = 0i32;
        for (token, span) in tokens[..past].iter().rev() {
            match token {
                Token::BracketClose => depth += 1,
                Token::BracketOpen if depth == 1 => return Some(bytes(*span).start),
                Token::BracketOpen => depth -= 1,
                _ if depth == 0 => return None,
                _ => {}
            }
        }
        None
    }

    fn literal(&mut self, expr: &ast::Expr<'s>, span: Span, call: &str) {
        let range = bytes(span);
        self.open(range.start, call);
        self.parts(expr);
        self.close(range.end, ")");
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'s>) {
        let direct: Option<*const ast::Expr<'s>> = match stmt {
            ast::Stmt::ForLoop(node) => Some(&raw const node.iter),
            _ => None,
        };
        walk::stmt_parts(stmt, &mut |part| match part {
            Node::Expr(expr) if direct == Some(std::ptr::from_ref(expr)) => self.passing(expr),
            Node::Expr(expr) => self.expr(expr),
            Node::Stmt(stmt) => self.stmt(stmt),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_literals_become_calls() {
        for (before, after) in [
            ("{{ a % b }}", "{{ __mod(a , b) }}"),
            (
                "{{ 'x%s' % (a) % b }}",
                "{{ __mod(__mod('x%s' , (a)) , b) }}",
            ),
            (
                "{{ (a + 1) * -b % c|int }}",
                "{{ __mod((__add(a , 1)) * -b , c|int) }}",
            ),
            (
                "{% set x = [1, {'a': [2]}] %}",
                "{% set x = __list([1, __dict({'a': __list([2])})]) %}",
            ),
            ("{{ a - -b ~ -c }}", "{{ __sub(a , __cat(-b , -c)) }}"),
            ("{{ x in [1, 2] }}", "{{ x in [1, 2] }}"),
            ("{{ x[1:] | a.b.c }}", "{{ x[1:].__own() | c }}"),
            ("{{ 1 < a.b[0] + 2 }}", "{{ __lt(1 , __add(a.b[0] , 2)) }}"),
            (
                "{{ a.b['c'].d | default(e.f) }}",
                "{{ a.__get(\"b\").__get('c').__get(\"d\") | default(e.__get(\"f\")) }}",
            ),
            (
                "{{ a.b.get(x[0]) is defined }}",
                "{{ a.__get(\"b\").__try_get(x[0]) is defined }}",
            ),
            (
                "{{ a - b + c - d }}",
                "{{ __sub(__add(__sub(a , b) , c) , d) }}",
            ),
        ] {
            let result = rewrite(before, &SyntaxConfig::default()).unwrap();
            assert_eq!(result.text, after);
        }
    }

    #[test]
    fn places_map_back() {
        let before = "{{ [a] + b % nope }}";
        let result = rewrite(before, &SyntaxConfig::default()).unwrap();
        let at = result.text.find("nope").unwrap();
        let range = result.original(at..at + 4);
        assert_eq!(&before[range], "nope");
        let at = result.text.find("[a]").unwrap();
        assert_eq!(&before[result.original(at..at + 3)], "[a]");
    }
}

//! Tokens to statements.

use std::sync::Arc;

use super::ast::{Block, Body, Expr, For, Kind, Macro, Name, Node, Stmt, Target, Tree};
use super::lexer::Lexer;
use super::token::{Op, Placed, Token};
use super::{At, Mistake, Parsed};
use crate::template::engine::Mode;
use crate::template::options::FileOptions;

/// Tags and brackets nested deeper than this are refused.
pub(super) const MAX_DEPTH: usize = 200;

pub(super) struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    pub(super) depth: usize,
    /// What the bodies that are open now wait for.
    waiting: Vec<&'static [&'static str]>,
    open_tags: Vec<Name>,
    /// Per open macro: varargs, kwargs, caller.
    macros: Vec<[bool; 3]>,
    /// Per open loop: whether `loop` may be used.
    loops: Vec<bool>,
    pub(super) tree: Tree,
}

/// Parses a template, or a bare expression as a template that prints it.
///
/// # Errors
/// The first mistake.
pub(in crate::template) fn parse(
    source: &str,
    options: &FileOptions,
    mode: Mode,
    raw: bool,
) -> Parsed<Tree> {
    let mut parser = Parser {
        tokens: Lexer::tokens(source, options, mode, raw)?,
        at: 0,
        depth: 0,
        waiting: Vec::new(),
        open_tags: Vec::new(),
        macros: Vec::new(),
        loops: Vec::new(),
        tree: Tree::default(),
    };
    let body = if mode == Mode::Expression {
        let expr = parser.expression(true)?;
        let token = parser.peek();
        if *token != Token::End {
            return Err(parser.unexpected("chunk after expression"));
        }
        vec![Stmt {
            at: expr.at,
            kind: Kind::Print(expr),
        }]
    } else {
        parser.body(None)?
    };
    parser.tree.body = body;
    Ok(parser.tree)
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, distance: usize) -> &Token {
        self.tokens
            .get(self.at + distance)
            .map_or(&Token::End, |placed| &placed.token)
    }

    pub(super) fn here(&self) -> At {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(At::default(), |placed| placed.at)
    }

    /// The place of the token before this one.
    pub(super) fn before(&self) -> At {
        self.tokens
            .get(self.at.saturating_sub(1))
            .map_or(At::default(), |placed| placed.at)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.skip();
        token
    }

    pub(super) fn skip(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    pub(super) fn is_op(&self, op: Op) -> bool {
        *self.peek() == Token::Op(op)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_word_at(&self, distance: usize, word: &str) -> bool {
        matches!(self.ahead(distance), Token::Name(name) if **name == *word)
    }

    pub(super) fn take_op(&mut self, op: Op) -> bool {
        let found = self.is_op(op);
        if found {
            self.skip();
        }
        found
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.skip();
        }
        found
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Mistake::new(message, self.here()))
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Mistake {
        Mistake::new(format!("{wanted}, got '{}'", self.peek()), self.here())
    }

    pub(super) fn expect_op(&mut self, op: Op) -> Parsed<()> {
        if self.take_op(op) {
            return Ok(());
        }
        Err(self.unexpected(&format!("expected token '{}'", op.sign())))
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) {
            return Ok(());
        }
        Err(self.unexpected(&format!("expected token '{word}'")))
    }

    pub(super) fn name(&mut self) -> Parsed<Name> {
        match self.peek() {
            Token::Name(_) => match self.next() {
                Token::Name(name) => Ok(name),
                _ => self.fail("expected token 'name'"),
            },
            _ => Err(self.unexpected("expected token 'name'")),
        }
    }

    /// Notes that a name is used, for macros and loops.
    pub(super) fn used(&mut self, name: &str) {
        let slot = match name {
            "varargs" => 0,
            "kwargs" => 1,
            "caller" => 2,
            "loop" => {
                self.loops.iter_mut().for_each(|used| *used = true);
                return;
            }
            _ => return,
        };
        for used in &mut self.macros {
            used[slot] = true;
        }
    }

    pub(super) fn deeper<T>(&mut self, act: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        self.depth += 1;
        let result = stacker::maybe_grow(64 << 10, 1 << 20, || act(self));
        self.depth -= 1;
        result
    }

    /// Statements up to one of the given tags, or to the end.
    fn body(&mut self, ends: Option<&'static [&'static str]>) -> Parsed<Body> {
        if let Some(ends) = ends {
            self.waiting.push(ends);
        }
        let mut body = Vec::new();
        loop {
            let at = self.here();
            match self.peek() {
                Token::End => break,
                Token::Data(_) => {
                    if let Token::Data(text) = self.next() {
                        body.push(Stmt {
                            at,
                            kind: Kind::Data(text),
                        });
                    }
                }
                Token::VariableBegin => {
                    self.skip();
                    let expr = self.tuple(true, &[])?;
                    if *self.peek() != Token::VariableEnd {
                        return Err(self.unexpected("expected token 'end of print statement'"));
                    }
                    self.skip();
                    body.push(Stmt {
                        at: expr.at,
                        kind: Kind::Print(expr),
                    });
                }
                Token::BlockBegin => {
                    self.skip();
                    if let Some(ends) = ends
                        && ends.iter().any(|end| self.is_word(end))
                    {
                        self.waiting.pop();
                        return Ok(body);
                    }
                    let kinds = self.deeper(Self::statement)?;
                    if *self.peek() != Token::BlockEnd {
                        return Err(self.unexpected("expected token 'end of statement block'"));
                    }
                    let at = at.to(self.here());
                    self.skip();
                    body.extend(kinds.into_iter().map(|kind| Stmt { at, kind }));
                }
                _ => return Err(self.unexpected("unexpected text")),
            }
        }
        if ends.is_some() {
            return Err(self.lost(None));
        }
        Ok(body)
    }

    /// A tag that nobody knows or waits for, or the end where one was needed.
    fn lost(&self, tag: Option<&str>) -> Mistake {
        let mut message = match tag {
            Some(tag) => format!("Encountered unknown tag '{tag}'."),
            None => "Unexpected end of template.".to_owned(),
        };
        if let Some(ends) = self.waiting.last() {
            let wanted = ends
                .iter()
                .map(|end| format!("'{end}'"))
                .collect::<Vec<_>>()
                .join(" or ");
            let known = tag.is_some_and(|tag| self.waiting.iter().any(|ends| ends.contains(&tag)));
            message.push_str(&if known {
                format!(
                    " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {wanted}."
                )
            } else {
                format!(" Jinja was looking for the following tags: {wanted}.")
            });
        }
        if let Some(open) = self.open_tags.last() {
            message.push_str(&format!(
                " The innermost block that needs to be closed is '{open}'."
            ));
        }
        Mistake::new(message, self.here())
    }

    fn end_of_tag(&mut self) -> Parsed<()> {
        self.take_op(Op::Colon);
        if *self.peek() != Token::BlockEnd {
            return Err(self.unexpected("expected token 'end of statement block'"));
        }
        self.skip();
        Ok(())
    }

    /// The body of a statement, without its last tag.
    fn inner(&mut self, ends: &'static [&'static str]) -> Parsed<Body> {
        self.end_of_tag()?;
        self.body(Some(ends))
    }

    /// The body of a statement with one possible end.
    fn whole(&mut self, ends: &'static [&'static str]) -> Parsed<Body> {
        let body = self.inner(ends)?;
        self.skip();
        Ok(body)
    }

    fn statement(&mut self) -> Parsed<Vec<Kind>> {
        let Token::Name(tag) = self.peek().clone() else {
            return self.fail("tag name expected");
        };
        self.open_tags.push(Arc::clone(&tag));
        let kind = match &*tag {
            "for" => self.for_loop()?,
            "if" => self.condition()?,
            "set" => self.set()?,
            "with" => self.with()?,
            "autoescape" => {
                self.skip();
                self.expression(true)?;
                Kind::Scope(self.whole(&["endautoescape"])?)
            }
            "block" => self.block()?,
            "extends" => {
                self.skip();
                Kind::Extends(self.expression(true)?)
            }
            "include" => self.include()?,
            "import" => self.import()?,
            "from" => self.imported_names()?,
            "macro" => {
                self.skip();
                let name = self.name()?;
                Kind::Macro(Arc::new(self.macro_of(name, &["endmacro"])?))
            }
            "call" => self.call_block()?,
            "filter" => {
                self.skip();
                let at = self.here();
                let input = Expr {
                    at,
                    node: Node::Block,
                };
                let expr = self.filters(input, true)?;
                Kind::FilterBlock(expr, self.whole(&["endfilter"])?)
            }
            "do" => {
                self.skip();
                Kind::Do(self.tuple(true, &[])?)
            }
            "print" => {
                self.skip();
                let mut kinds = Vec::new();
                while *self.peek() != Token::BlockEnd {
                    if !kinds.is_empty() {
                        self.expect_op(Op::Comma)?;
                    }
                    kinds.push(Kind::Print(self.expression(true)?));
                }
                self.open_tags.pop();
                return Ok(kinds);
            }
            "break" | "continue" => {
                self.skip();
                if self.loops.is_empty() {
                    return self.fail(format!("'{tag}' outside of a loop"));
                }
                if &*tag == "break" {
                    Kind::Break
                } else {
                    Kind::Continue
                }
            }
            _ => {
                self.open_tags.pop();
                return Err(self.lost(Some(&tag)));
            }
        };
        self.open_tags.pop();
        Ok(vec![kind])
    }

    fn for_loop(&mut self) -> Parsed<Kind> {
        self.skip();
        let target = self.target(&["in"], false)?;
        self.expect_word("in")?;
        let iter = self.tuple(false, &["recursive"])?;
        self.loops.push(false);
        let test = if self.take_word("if") {
            Some(self.expression(true)?)
        } else {
            None
        };
        let recursive = self.take_word("recursive");
        let body = self.inner(&["endfor", "else"])?;
        let uses_loop = self.loops.pop().unwrap_or(true);
        let other = if self.take_word("else") {
            self.whole(&["endfor"])?
        } else {
            self.skip();
            Vec::new()
        };
        Ok(Kind::For(Arc::new(For {
            target,
            iter,
            test,
            recursive,
            body,
            other,
            uses_loop,
        })))
    }

    fn condition(&mut self) -> Parsed<Kind> {
        let mut arms = Vec::new();
        loop {
            self.skip();
            let test = self.tuple(false, &[])?;
            let body = self.inner(&["elif", "else", "endif"])?;
            arms.push((test, body));
            if self.is_word("elif") {
                continue;
            }
            let other = if self.take_word("else") {
                self.whole(&["endif"])?
            } else {
                self.skip();
                Vec::new()
            };
            return Ok(Kind::If(arms, other));
        }
    }

    fn set(&mut self) -> Parsed<Kind> {
        self.skip();
        let target = self.target(&[], true)?;
        if self.take_op(Op::Assign) {
            return Ok(Kind::Set(target, self.tuple(true, &[])?));
        }
        let input = Expr {
            at: self.here(),
            node: Node::Block,
        };
        let expr = self.filters(input, false)?;
        Ok(Kind::SetBlock(target, expr, self.whole(&["endset"])?))
    }

    fn with(&mut self) -> Parsed<Kind> {
        self.skip();
        let mut values = Vec::new();
        while !matches!(
            self.peek(),
            Token::BlockEnd | Token::Op(Op::Colon) | Token::End
        ) {
            if !values.is_empty() {
                self.expect_op(Op::Comma)?;
            }
            let target = self.target(&[], false)?;
            self.expect_op(Op::Assign)?;
            values.push((target, self.expression(true)?));
        }
        Ok(Kind::With(values, self.whole(&["endwith"])?))
    }

    fn block(&mut self) -> Parsed<Kind> {
        self.skip();
        let at = self.here();
        let name = self.name()?;
        if self.tree.blocks.iter().any(|block| block.name == name) {
            return Err(Mistake::new(format!("block '{name}' defined twice"), at));
        }
        let scoped = self.take_word("scoped");
        let required = self.take_word("required");
        let body = self.whole(&["endblock"])?;
        if let Token::Name(again) = self.peek()
            && *again == name
        {
            self.skip();
        }
        let block = Arc::new(Block {
            name,
            scoped,
            required,
            body,
        });
        self.tree.blocks.push(Arc::clone(&block));
        // What is included or inherited may look at any loop.
        self.loops.iter_mut().for_each(|used| *used = true);
        Ok(Kind::Block(block))
    }

    fn with_context(&mut self, default: bool) -> bool {
        for (word, value) in [("with", true), ("without", false)] {
            if self.is_word(word) && self.is_word_at(1, "context") {
                self.skip();
                self.skip();
                return value;
            }
        }
        default
    }

    fn include(&mut self) -> Parsed<Kind> {
        self.skip();
        let name = self.expression(true)?;
        let ignore_missing = self.is_word("ignore") && self.is_word_at(1, "missing");
        if ignore_missing {
            self.skip();
            self.skip();
        }
        self.loops.iter_mut().for_each(|used| *used = true);
        Ok(Kind::Include {
            name,
            ignore_missing,
            with_context: self.with_context(true),
        })
    }

    fn import(&mut self) -> Parsed<Kind> {
        self.skip();
        let name = self.expression(true)?;
        self.expect_word("as")?;
        Ok(Kind::Import {
            name,
            target: self.name()?,
            with_context: self.with_context(false),
        })
    }

    fn imported_names(&mut self) -> Parsed<Kind> {
        self.skip();
        let name = self.expression(true)?;
        self.expect_word("import")?;
        let mut names = Vec::new();
        let mut with_context = false;
        loop {
            if (self.is_word("with") || self.is_word("without")) && self.is_word_at(1, "context") {
                with_context = self.with_context(false);
                break;
            }
            let there = self.name()?;
            if there.starts_with('_') {
                return self.fail("names starting with an underline can not be imported");
            }
            let here = if self.take_word("as") {
                self.name()?
            } else {
                Arc::clone(&there)
            };
            names.push((there, here));
            with_context = self.with_context(with_context);
            if !self.take_op(Op::Comma) {
                break;
            }
        }
        Ok(Kind::FromImport {
            name,
            names,
            with_context,
        })
    }

    fn signature(&mut self) -> Parsed<(Vec<Name>, Vec<Expr>)> {
        let (mut params, mut defaults) = (Vec::new(), Vec::new());
        self.expect_op(Op::ParenOpen)?;
        while !self.is_op(Op::ParenClose) {
            if !params.is_empty() {
                self.expect_op(Op::Comma)?;
                if self.is_op(Op::ParenClose) {
                    break;
                }
            }
            params.push(self.name()?);
            if self.take_op(Op::Assign) {
                defaults.push(self.expression(true)?);
            } else if !defaults.is_empty() {
                return self.fail("non-default argument follows default argument");
            }
        }
        self.expect_op(Op::ParenClose)?;
        Ok((params, defaults))
    }

    fn macro_of(&mut self, name: Name, ends: &'static [&'static str]) -> Parsed<Macro> {
        let (params, defaults) = self.signature()?;
        self.macro_body(name, params, defaults, ends)
    }

    fn macro_body(
        &mut self,
        name: Name,
        params: Vec<Name>,
        defaults: Vec<Expr>,
        ends: &'static [&'static str],
    ) -> Parsed<Macro> {
        self.macros.push([false; 3]);
        let body = self.whole(ends)?;
        let [varargs, kwargs, caller] = self.macros.pop().unwrap_or([true; 3]);
        Ok(Macro {
            name,
            params,
            defaults,
            body,
            varargs,
            kwargs,
            caller,
        })
    }

    fn call_block(&mut self) -> Parsed<Kind> {
        self.skip();
        let (params, defaults) = if self.is_op(Op::ParenOpen) {
            self.signature()?
        } else {
            (Vec::new(), Vec::new())
        };
        let call = self.expression(true)?;
        if !matches!(call.node, Node::Call(..)) {
            return Err(Mistake::new("expected call", call.at));
        }
        let body = self.macro_body("caller".into(), params, defaults, &["endcall"])?;
        Ok(Kind::CallBlock(call, Arc::new(body)))
    }

    /// What is assigned to; several names make a tuple.
    fn target(&mut self, ends: &[&str], members: bool) -> Parsed<Target> {
        let at = self.here();
        let mut targets = Vec::new();
        let mut tuple = false;
        loop {
            if self.ends_tuple(ends) || self.is_op(Op::Assign) {
                break;
            }
            targets.push(self.single_target(members)?);
            if !self.take_op(Op::Comma) {
                break;
            }
            tuple = true;
        }
        match (targets.len(), tuple) {
            (0, _) => Err(Mistake::new(
                format!("Expected an expression, got '{}'", self.peek()),
                at,
            )),
            (1, false) => Ok(targets.remove(0)),
            _ => Ok(Target::Tuple(targets)),
        }
    }

    fn single_target(&mut self, members: bool) -> Parsed<Target> {
        let at = self.here();
        if self.take_op(Op::ParenOpen) || self.is_op(Op::BracketOpen) {
            let close = if self.take_op(Op::BracketOpen) {
                Op::BracketClose
            } else {
                Op::ParenClose
            };
            let mut targets = Vec::new();
            let mut tuple = false;
            while !self.is_op(close) {
                targets.push(self.single_target(members)?);
                if !self.take_op(Op::Comma) {
                    break;
                }
                tuple = true;
            }
            self.expect_op(close)?;
            return Ok(if targets.len() == 1 && !tuple {
                targets.remove(0)
            } else {
                Target::Tuple(targets)
            });
        }
        let name = match self.peek() {
            Token::Name(_) => self.name()?,
            Token::Int(_) | Token::Float(_) | Token::Text(_) => {
                return self.fail("can't assign to 'const'");
            }
            _ => return self.fail(format!("can't assign to '{}'", self.peek())),
        };
        if matches!(
            &*name,
            "true" | "false" | "none" | "True" | "False" | "None"
        ) {
            return Err(Mistake::new("can't assign to 'const'", at));
        }
        if members && self.take_op(Op::Dot) {
            let member = self.name()?;
            return Ok(Target::Member(name, member, at.to(self.before())));
        }
        Ok(Target::Name(name))
    }
}

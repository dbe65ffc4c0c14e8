//! Tokens to expressions.

use std::sync::Arc;

use super::ast::{Args, Binary, Compare, Expr, Name, Node};
use super::parser::Parser;
use super::token::{Op, Token};
use super::{At, Mistake, Parsed};
use crate::template::Jinja;

fn expr(at: At, node: Node) -> Expr {
    Expr { at, node }
}

/// Operators, members or filters one after the other.
const MAX_LINKS: usize = 1000;

/// Counts the links of one chain: each makes the tree deeper.
#[derive(Default)]
struct Links(usize);

impl Links {
    fn add(&mut self, parser: &Parser) -> Parsed<()> {
        self.0 += 1;
        if self.0 > MAX_LINKS {
            return parser.fail("the expression is too long");
        }
        Ok(())
    }
}

impl Parser {
    pub(super) fn expression(&mut self, with_if: bool) -> Parsed<Expr> {
        self.deeper(|parser| {
            if with_if {
                parser.conditional()
            } else {
                parser.or()
            }
        })
    }

    fn conditional(&mut self) -> Parsed<Expr> {
        let mut then = self.or()?;
        let mut links = Links::default();
        while self.take_word("if") {
            links.add(self)?;
            let test = self.or()?;
            let other = if self.take_word("else") {
                Some(Box::new(self.expression(true)?))
            } else {
                None
            };
            let end = other.as_ref().map_or(test.at, |other| other.at);
            then = expr(
                then.at.to(end),
                Node::If {
                    test: Box::new(test),
                    then: Box::new(then),
                    other,
                },
            );
        }
        Ok(then)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        let mut links = Links::default();
        while self.take_word("or") {
            links.add(self)?;
            let right = self.and()?;
            left = expr(
                left.at.to(right.at),
                Node::Or(Box::new(left), Box::new(right)),
            );
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        let mut links = Links::default();
        while self.take_word("and") {
            links.add(self)?;
            let right = self.not()?;
            left = expr(
                left.at.to(right.at),
                Node::And(Box::new(left), Box::new(right)),
            );
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        let at = self.here();
        if self.take_word("not") {
            let inner = self.deeper(Self::not)?;
            return Ok(expr(at.to(inner.at), Node::Not(Box::new(inner))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Parsed<Expr> {
        let first = self.sum()?;
        let mut others = Vec::new();
        loop {
            let op = match self.peek() {
                Token::Op(Op::Eq) => Compare::Eq,
                Token::Op(Op::Ne) => Compare::Ne,
                Token::Op(Op::Lt) => Compare::Lt,
                Token::Op(Op::Le) => Compare::Le,
                Token::Op(Op::Gt) => Compare::Gt,
                Token::Op(Op::Ge) => Compare::Ge,
                Token::Name(name) if &**name == "in" => Compare::In,
                Token::Name(name) if &**name == "not" && self.is_word_at(1, "in") => {
                    self.skip();
                    Compare::NotIn
                }
                _ => break,
            };
            self.skip();
            others.push((op, self.sum()?));
        }
        match others.last() {
            None => Ok(first),
            Some((_, last)) => Ok(expr(
                first.at.to(last.at),
                Node::Compare(Box::new(first), others),
            )),
        }
    }

    /// Operators of one rank, from the left.
    fn chain(
        &mut self,
        ops: &[(Op, Binary)],
        operand: fn(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let mut left = operand(self)?;
        let mut links = Links::default();
        loop {
            links.add(self)?;
            let found = ops.iter().find(|(op, _)| self.is_op(*op));
            let Some((_, binary)) = found else {
                return Ok(left);
            };
            self.skip();
            let right = operand(self)?;
            left = expr(
                left.at.to(right.at),
                Node::Binary(*binary, Box::new(left), Box::new(right)),
            );
        }
    }

    fn sum(&mut self) -> Parsed<Expr> {
        self.chain(
            &[(Op::Add, Binary::Add), (Op::Sub, Binary::Sub)],
            Self::concat,
        )
    }

    fn concat(&mut self) -> Parsed<Expr> {
        let first = self.product()?;
        if !self.is_op(Op::Tilde) {
            return Ok(first);
        }
        let mut at = first.at;
        let mut parts = vec![first];
        while self.take_op(Op::Tilde) {
            let part = self.product()?;
            at = at.to(part.at);
            parts.push(part);
        }
        Ok(expr(at, Node::Concat(parts)))
    }

    fn product(&mut self) -> Parsed<Expr> {
        self.chain(
            &[
                (Op::Mul, Binary::Mul),
                (Op::Div, Binary::Div),
                (Op::FloorDiv, Binary::FloorDiv),
                (Op::Mod, Binary::Mod),
            ],
            Self::power,
        )
    }

    fn power(&mut self) -> Parsed<Expr> {
        self.chain(&[(Op::Pow, Binary::Pow)], |parser| parser.unary(true))
    }

    fn unary(&mut self, with_filters: bool) -> Parsed<Expr> {
        let at = self.here();
        let inner = if self.take_op(Op::Sub) {
            let inner = self.deeper(|parser| parser.unary(false))?;
            expr(at.to(inner.at), Node::Neg(Box::new(inner)))
        } else if self.take_op(Op::Add) {
            let inner = self.deeper(|parser| parser.unary(false))?;
            expr(at.to(inner.at), Node::Pos(Box::new(inner)))
        } else {
            self.primary()?
        };
        let inner = self.postfix(inner)?;
        if with_filters {
            self.filters_and_tests(inner)
        } else {
            Ok(inner)
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let at = self.here();
        let node = match self.peek().clone() {
            Token::Name(name) => {
                self.skip();
                match &*name {
                    "true" | "True" => Node::Const(Jinja::from(true)),
                    "false" | "False" => Node::Const(Jinja::from(false)),
                    "none" | "None" => Node::Const(Jinja::from(())),
                    _ => {
                        self.used(&name);
                        Node::Name(name)
                    }
                }
            }
            Token::Text(text) => {
                self.skip();
                let mut whole = text;
                // Literals beside each other are one, as in Python.
                while let Token::Text(more) = self.peek() {
                    whole = format!("{whole}{more}").into();
                    self.skip();
                }
                let at = at.to(self.before());
                return Ok(expr(at, Node::Const(Jinja::from(whole))));
            }
            Token::Int(number) => {
                self.skip();
                Node::Const(crate::template::python::int(number))
            }
            Token::Float(number) => {
                self.skip();
                Node::Const(Jinja::from(number))
            }
            Token::Op(Op::ParenOpen) => {
                self.skip();
                let mut inner = if self.is_op(Op::ParenClose) {
                    expr(at, Node::Tuple(Vec::new()))
                } else {
                    self.tuple(true, &[])?
                };
                self.expect_op(Op::ParenClose)?;
                if matches!(inner.node, Node::Tuple(_)) {
                    inner.at = at.to(self.before());
                }
                return Ok(inner);
            }
            Token::Op(Op::BracketOpen) => Node::List(self.list()?),
            Token::Op(Op::BraceOpen) => Node::Dict(self.dict()?),
            token => return self.fail(format!("unexpected '{token}'")),
        };
        Ok(expr(at.to(self.before()), node))
    }

    fn list(&mut self) -> Parsed<Vec<Expr>> {
        self.skip();
        let mut items = Vec::new();
        while !self.is_op(Op::BracketClose) {
            items.push(self.expression(true)?);
            if !self.is_op(Op::BracketClose) {
                self.expect_op(Op::Comma)?;
            }
        }
        self.expect_op(Op::BracketClose)?;
        Ok(items)
    }

    fn dict(&mut self) -> Parsed<Vec<(Expr, Expr)>> {
        self.skip();
        let mut items = Vec::new();
        while !self.is_op(Op::BraceClose) {
            let key = self.expression(true)?;
            self.expect_op(Op::Colon)?;
            items.push((key, self.expression(true)?));
            if !self.is_op(Op::BraceClose) {
                self.expect_op(Op::Comma)?;
            }
        }
        self.expect_op(Op::BraceClose)?;
        Ok(items)
    }

    pub(super) fn ends_tuple(&self, words: &[&str]) -> bool {
        matches!(
            self.peek(),
            Token::VariableEnd | Token::BlockEnd | Token::Op(Op::ParenClose) | Token::End
        ) || words.iter().any(|word| self.is_word(word))
    }

    /// An expression, or several with commas between them.
    pub(super) fn tuple(&mut self, with_if: bool, ends: &[&str]) -> Parsed<Expr> {
        let at = self.here();
        let mut items = Vec::new();
        let mut tuple = false;
        while !self.ends_tuple(ends) {
            items.push(self.expression(with_if)?);
            if !self.take_op(Op::Comma) {
                break;
            }
            tuple = true;
        }
        if tuple {
            return Ok(expr(at.to(self.before()), Node::Tuple(items)));
        }
        match items.pop() {
            Some(item) => Ok(item),
            None => Err(Mistake::new(
                format!("Expected an expression, got '{}'", self.peek()),
                at,
            )),
        }
    }

    fn postfix(&mut self, mut inner: Expr) -> Parsed<Expr> {
        let mut links = Links::default();
        loop {
            links.add(self)?;
            inner = match self.peek() {
                Token::Op(Op::Dot) => self.member(inner)?,
                Token::Op(Op::BracketOpen) => self.item(inner)?,
                Token::Op(Op::ParenOpen) => self.call(inner)?,
                _ => return Ok(inner),
            };
        }
    }

    fn member(&mut self, owner: Expr) -> Parsed<Expr> {
        self.skip();
        let node = match self.peek().clone() {
            Token::Name(name) => {
                self.skip();
                Node::Member(Box::new(owner), name)
            }
            Token::Int(number) => {
                let index = expr(
                    self.here(),
                    Node::Const(crate::template::python::int(number)),
                );
                self.skip();
                return Ok(expr(
                    owner.at.to(self.before()),
                    Node::Item(Box::new(owner), Box::new(index)),
                ));
            }
            _ => return self.fail("expected name or number"),
        };
        let Node::Member(owner, name) = node else {
            return self.fail("expected name or number");
        };
        Ok(expr(owner.at.to(self.before()), Node::Member(owner, name)))
    }

    fn item(&mut self, owner: Expr) -> Parsed<Expr> {
        self.skip();
        let at = self.here();
        let mut parts = Vec::new();
        while !self.is_op(Op::BracketClose) {
            if !parts.is_empty() {
                self.expect_op(Op::Comma)?;
            }
            parts.push(self.subscript()?);
        }
        self.expect_op(Op::BracketClose)?;
        let index = match parts.len() {
            1 => parts.remove(0),
            _ => expr(at, Node::Tuple(parts)),
        };
        Ok(expr(
            owner.at.to(self.before()),
            Node::Item(Box::new(owner), Box::new(index)),
        ))
    }

    fn subscript(&mut self) -> Parsed<Expr> {
        let at = self.here();
        let mut parts: [Option<Box<Expr>>; 3] = [None, None, None];
        if !self.is_op(Op::Colon) {
            let first = self.expression(true)?;
            if !self.is_op(Op::Colon) {
                return Ok(first);
            }
            parts[0] = Some(Box::new(first));
        }
        for part in &mut parts[1..] {
            if !self.take_op(Op::Colon) {
                break;
            }
            if !matches!(
                self.peek(),
                Token::Op(Op::Colon | Op::BracketClose | Op::Comma)
            ) {
                *part = Some(Box::new(self.expression(true)?));
            }
        }
        Ok(expr(at.to(self.before()), Node::Slice(parts)))
    }

    fn call(&mut self, callee: Expr) -> Parsed<Expr> {
        let args = self.args()?;
        Ok(expr(
            callee.at.to(self.before()),
            Node::Call(Box::new(callee), args),
        ))
    }

    fn args(&mut self) -> Parsed<Args> {
        let at = self.here();
        let wrong = || Mistake::new("invalid syntax for function call expression", at);
        self.expect_op(Op::ParenOpen)?;
        let mut args = Args::default();
        while !self.is_op(Op::ParenClose) {
            if self.take_op(Op::Mul) {
                if args.star.is_some() || args.double_star.is_some() {
                    return Err(wrong());
                }
                args.star = Some(Box::new(self.expression(true)?));
            } else if self.take_op(Op::Pow) {
                if args.double_star.is_some() {
                    return Err(wrong());
                }
                args.double_star = Some(Box::new(self.expression(true)?));
            } else if matches!(self.peek(), Token::Name(_))
                && *self.ahead(1) == Token::Op(Op::Assign)
            {
                if args.double_star.is_some() {
                    return Err(wrong());
                }
                let name = self.name()?;
                self.skip();
                args.named.push((name, self.expression(true)?));
            } else {
                if args.star.is_some() || args.double_star.is_some() || !args.named.is_empty() {
                    return Err(wrong());
                }
                args.positional.push(self.expression(true)?);
            }
            if !self.is_op(Op::ParenClose) {
                self.expect_op(Op::Comma)?;
            }
        }
        self.expect_op(Op::ParenClose)?;
        Ok(args)
    }

    fn dotted(&mut self) -> Parsed<Name> {
        let mut name = self.name()?;
        while self.take_op(Op::Dot) {
            let more = self.name()?;
            name = format!("{name}.{more}").into();
        }
        Ok(name)
    }

    fn filters_and_tests(&mut self, mut inner: Expr) -> Parsed<Expr> {
        let mut links = Links::default();
        loop {
            links.add(self)?;
            inner = match self.peek() {
                Token::Op(Op::Pipe) => self.filters(inner, false)?,
                Token::Name(name) if &**name == "is" => self.test(inner)?,
                Token::Op(Op::ParenOpen) => self.call(inner)?,
                _ => return Ok(inner),
            };
        }
    }

    /// `| name(args) | name`; the first bar is left out at the start of a
    /// `filter` block.
    pub(super) fn filters(&mut self, mut inner: Expr, mut bare: bool) -> Parsed<Expr> {
        let mut links = Links::default();
        while bare || self.take_op(Op::Pipe) {
            bare = false;
            links.add(self)?;
            let at = self.here();
            let name = self.dotted()?;
            let named = at.to(self.before());
            let args = if self.is_op(Op::ParenOpen) {
                self.args()?
            } else {
                Args::default()
            };
            self.tree.filters.push((Arc::clone(&name), named));
            inner = expr(
                inner.at.to(self.before()),
                Node::Filter(Box::new(inner), name, args),
            );
        }
        Ok(inner)
    }

    fn test(&mut self, inner: Expr) -> Parsed<Expr> {
        self.skip();
        let negated = self.take_word("not");
        let at = self.here();
        let name = self.dotted()?;
        let named = at.to(self.before());
        let mut args = Args::default();
        let ends = ["else", "or", "and"].iter().any(|word| self.is_word(word));
        match self.peek() {
            Token::Op(Op::ParenOpen) => args = self.args()?,
            Token::Name(_)
            | Token::Text(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Op(Op::BracketOpen | Op::BraceOpen)
                if !ends =>
            {
                if self.is_word("is") {
                    return self.fail("You cannot chain multiple tests with is");
                }
                // Words that end the expression are no argument.
                if !["if", "in", "not", "recursive"]
                    .iter()
                    .any(|word| self.is_word(word))
                {
                    let arg = self.primary()?;
                    args.positional.push(self.postfix(arg)?);
                }
            }
            _ => {}
        }
        self.tree.tests.push((Arc::clone(&name), named));
        let whole = inner.at.to(self.before());
        let test = expr(whole, Node::Test(Box::new(inner), name, args));
        Ok(if negated {
            expr(whole, Node::Not(Box::new(test)))
        } else {
            test
        })
    }
}

//! Tokens of a template.

use std::fmt;
use std::sync::Arc;

use super::At;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text outside of all tags.
    Data(Arc<str>),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(Arc<str>),
    Text(Arc<str>),
    Int(i128),
    Float(f64),
    Op(Op),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    Tilde,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Assign,
    Dot,
    Comma,
    Colon,
    Semicolon,
    Pipe,
    ParenOpen,
    ParenClose,
    BracketOpen,
    BracketClose,
    BraceOpen,
    BraceClose,
}

/// Longest first.
pub(super) const OPERATORS: &[(&str, Op)] = &[
    ("//", Op::FloorDiv),
    ("**", Op::Pow),
    ("==", Op::Eq),
    ("!=", Op::Ne),
    ("<=", Op::Le),
    (">=", Op::Ge),
    ("+", Op::Add),
    ("-", Op::Sub),
    ("*", Op::Mul),
    ("/", Op::Div),
    ("%", Op::Mod),
    ("~", Op::Tilde),
    ("<", Op::Lt),
    (">", Op::Gt),
    ("=", Op::Assign),
    (".", Op::Dot),
    (",", Op::Comma),
    (":", Op::Colon),
    (";", Op::Semicolon),
    ("|", Op::Pipe),
    ("(", Op::ParenOpen),
    (")", Op::ParenClose),
    ("[", Op::BracketOpen),
    ("]", Op::BracketClose),
    ("{", Op::BraceOpen),
    ("}", Op::BraceClose),
];

impl Op {
    pub(super) fn sign(self) -> &'static str {
        OPERATORS
            .iter()
            .find(|(_, op)| *op == self)
            .map_or("", |(sign, _)| sign)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(_) => f.write_str("template data / text"),
            Self::VariableBegin => f.write_str("begin of print statement"),
            Self::VariableEnd => f.write_str("end of print statement"),
            Self::BlockBegin => f.write_str("begin of statement block"),
            Self::BlockEnd => f.write_str("end of statement block"),
            Self::Name(name) => f.write_str(name),
            Self::Text(_) => f.write_str("string"),
            Self::Int(_) => f.write_str("integer"),
            Self::Float(_) => f.write_str("float"),
            Self::Op(op) => f.write_str(op.sign()),
            Self::End => f.write_str("end of template"),
        }
    }
}

/// A token and its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: At,
}

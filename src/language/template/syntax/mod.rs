//! The template language: text to tokens to a syntax tree. Knows nothing of
//! variables.

pub(super) mod ast;
mod expression;
mod lexer;
mod literal;
mod parser;
mod token;

pub(super) use ast::At;
pub(super) use parser::parse;

/// A mistake in the text of a template.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) at: At,
}

impl Mistake {
    fn new(message: impl Into<String>, at: At) -> Self {
        Self {
            message: message.into(),
            at,
        }
    }
}

type Parsed<T> = Result<T, Mistake>;

//! The syntax tree of a template.

use std::ops::Range;
use std::sync::Arc;

use crate::template::Jinja;

/// A place in the text of a template, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::template) struct At {
    pub(in crate::template) start: u32,
    pub(in crate::template) end: u32,
}

impl At {
    pub(in crate::template) fn new(start: usize, end: usize) -> Self {
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        }
    }

    pub(in crate::template) fn to(self, end: Self) -> Self {
        Self {
            start: self.start,
            end: end.end,
        }
    }

    pub(in crate::template) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

pub(in crate::template) type Name = Arc<str>;

#[derive(Debug)]
pub(in crate::template) struct Expr {
    pub(in crate::template) at: At,
    pub(in crate::template) node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::template) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::template) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug)]
pub(in crate::template) enum Node {
    Const(Jinja),
    Name(Name),
    /// What a `filter` or `set` block printed.
    Block,
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Pos(Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Compare, Expr)>),
    If {
        test: Box<Expr>,
        then: Box<Expr>,
        other: Option<Box<Expr>>,
    },
    Member(Box<Expr>, Name),
    Item(Box<Expr>, Box<Expr>),
    /// `start:stop:step`, only inside brackets.
    Slice([Option<Box<Expr>>; 3]),
    Call(Box<Expr>, Args),
    Filter(Box<Expr>, Name, Args),
    Test(Box<Expr>, Name, Args),
}

#[derive(Debug, Default)]
pub(in crate::template) struct Args {
    pub(in crate::template) positional: Vec<Expr>,
    pub(in crate::template) named: Vec<(Name, Expr)>,
    pub(in crate::template) star: Option<Box<Expr>>,
    pub(in crate::template) double_star: Option<Box<Expr>>,
}

/// What can be assigned to.
#[derive(Debug)]
pub(in crate::template) enum Target {
    Name(Name),
    /// `namespace.name`.
    Member(Name, Name, At),
    Tuple(Vec<Self>),
}

pub(in crate::template) type Body = Vec<Stmt>;

#[derive(Debug)]
pub(in crate::template) struct Stmt {
    pub(in crate::template) at: At,
    pub(in crate::template) kind: Kind,
}

#[derive(Debug)]
pub(in crate::template) enum Kind {
    Data(Arc<str>),
    Print(Expr),
    Do(Expr),
    Set(Target, Expr),
    /// The value is an expression over [`Node::Block`].
    SetBlock(Target, Expr, Body),
    FilterBlock(Expr, Body),
    For(Arc<For>),
    If(Vec<(Expr, Body)>, Body),
    With(Vec<(Target, Expr)>, Body),
    Scope(Body),
    Block(Arc<Block>),
    Extends(Expr),
    Include {
        name: Expr,
        ignore_missing: bool,
        with_context: bool,
    },
    Import {
        name: Expr,
        target: Name,
        with_context: bool,
    },
    FromImport {
        name: Expr,
        /// Name there, name here.
        names: Vec<(Name, Name)>,
        with_context: bool,
    },
    Macro(Arc<Macro>),
    CallBlock(Expr, Arc<Macro>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(in crate::template) struct For {
    pub(in crate::template) target: Target,
    pub(in crate::template) iter: Expr,
    pub(in crate::template) test: Option<Expr>,
    pub(in crate::template) recursive: bool,
    pub(in crate::template) body: Body,
    pub(in crate::template) other: Body,
    /// Whether anything inside may look at `loop`.
    pub(in crate::template) uses_loop: bool,
}

#[derive(Debug)]
pub(in crate::template) struct Block {
    pub(in crate::template) name: Name,
    pub(in crate::template) scoped: bool,
    pub(in crate::template) required: bool,
    pub(in crate::template) body: Body,
}

#[derive(Debug)]
pub(in crate::template) struct Macro {
    pub(in crate::template) name: Name,
    pub(in crate::template) params: Vec<Name>,
    /// For the last parameters.
    pub(in crate::template) defaults: Vec<Expr>,
    pub(in crate::template) body: Body,
    pub(in crate::template) varargs: bool,
    pub(in crate::template) kwargs: bool,
    pub(in crate::template) caller: bool,
}

/// A whole template.
#[derive(Debug, Default)]
pub(in crate::template) struct Tree {
    pub(in crate::template) body: Body,
    /// Every block, also nested ones.
    pub(in crate::template) blocks: Vec<Arc<Block>>,
    /// Filters and tests that the text names, with their places.
    pub(in crate::template) filters: Vec<(Name, At)>,
    pub(in crate::template) tests: Vec<(Name, At)>,
}

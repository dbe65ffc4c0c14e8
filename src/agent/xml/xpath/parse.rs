//! Text into expressions.

use std::collections::BTreeMap;

use super::{Axis, Expr, Operator, Path, Start, Step, Test};
use crate::xml::tree::Name;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name, with its prefix if there is one; the second part may be `*`.
    Name(Option<String>, String),
    Text(String),
    Number(f64),
    Sign(&'static str),
    /// An operator that is a word, or `*` for multiplication.
    Word(&'static str),
}

const SIGNS: [&str; 21] = [
    "::", "//", "..", "!=", "<=", ">=", "(", ")", "[", "]", "@", ",", "/", "|", "+", "-", "=", "<",
    ">", ".", "*",
];

/// Deeper expressions are refused.
const DEEPEST: u32 = 100;

fn is_start(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

fn is_part(letter: char) -> bool {
    is_start(letter) || letter.is_numeric() || matches!(letter, '-' | '.')
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out: Vec<Token> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(letter) = rest.chars().next() {
        // Behind an operand a name is an operator.
        let operand = match out.last() {
            None | Some(Token::Word(_)) => false,
            Some(Token::Sign(sign)) => matches!(*sign, ")" | "]" | ".." | "." | "*"),
            Some(_) => true,
        };
        if matches!(letter, '"' | '\'') {
            let (inner, tail) = rest[1..].split_once(letter).ok_or("Unfinished literal")?;
            out.push(Token::Text(inner.to_owned()));
            rest = tail.trim_start();
            continue;
        }
        let behind = rest[letter.len_utf8()..].chars().next();
        if letter.is_ascii_digit()
            || (letter == '.' && behind.is_some_and(|next| next.is_ascii_digit()))
        {
            let end = rest
                .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
                .unwrap_or(rest.len());
            let number = rest[..end].parse().map_err(|_| "Invalid number")?;
            out.push(Token::Number(number));
            rest = rest[end..].trim_start();
            continue;
        }
        if is_start(letter) {
            let end = rest
                .find(|letter: char| !is_part(letter))
                .unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            if operand {
                let known = ["and", "or", "div", "mod"]
                    .into_iter()
                    .find(|known| *known == word);
                out.push(Token::Word(known.ok_or("Invalid expression")?));
                rest = tail.trim_start();
                continue;
            }
            let second = tail.strip_prefix(':').filter(|tail| !tail.starts_with(':'));
            if let Some(second) = second {
                let end = match second.strip_prefix('*') {
                    Some(_) => 1,
                    None => second
                        .find(|letter: char| !is_part(letter))
                        .unwrap_or(second.len()),
                };
                if end == 0 {
                    return Err("Invalid expression".to_owned());
                }
                out.push(Token::Name(Some(word.to_owned()), second[..end].to_owned()));
                rest = second[end..].trim_start();
                continue;
            }
            out.push(Token::Name(None, word.to_owned()));
            rest = tail.trim_start();
            continue;
        }
        if letter == '$' {
            return Err("variables are not supported".to_owned());
        }
        let sign = SIGNS
            .into_iter()
            .find(|sign| rest.starts_with(sign))
            .ok_or("Invalid expression")?;
        out.push(if sign == "*" && operand {
            Token::Word("*")
        } else {
            Token::Sign(sign)
        });
        rest = rest[sign.len()..].trim_start();
    }
    Ok(out)
}

pub(super) fn read(text: &str, spaces: &BTreeMap<String, String>) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        spaces,
        depth: 0,
    };
    let expr = reader.expr(0)?;
    match reader.tokens {
        [] => Ok(expr),
        _ => Err("Invalid expression".to_owned()),
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    spaces: &'a BTreeMap<String, String>,
    depth: u32,
}

/// Operators with how tight they bind.
const OPERATORS: [(&str, u8, Operator); 13] = [
    ("or", 1, Operator::Or),
    ("and", 2, Operator::And),
    ("=", 3, Operator::Equal),
    ("!=", 3, Operator::Unequal),
    ("<", 4, Operator::Less),
    ("<=", 4, Operator::LessEqual),
    (">", 4, Operator::Greater),
    (">=", 4, Operator::GreaterEqual),
    ("+", 5, Operator::Add),
    ("-", 5, Operator::Subtract),
    ("*", 6, Operator::Multiply),
    ("div", 6, Operator::Divide),
    ("mod", 6, Operator::Modulo),
];
const UNION: u8 = 8;

impl Reader<'_> {
    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Sign(sign)) if *sign == wanted);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn must(&mut self, wanted: &str) -> Result<(), String> {
        if self.sign(wanted) {
            Ok(())
        } else {
            Err(format!("Invalid expression, {wanted} is missing"))
        }
    }

    fn operator(&self) -> Option<(u8, Operator)> {
        let word = match self.tokens.first()? {
            Token::Word(word) => *word,
            Token::Sign("|") => return Some((UNION, Operator::Union)),
            Token::Sign(sign) if *sign != "*" => sign,
            _ => return None,
        };
        let known = OPERATORS.iter().find(|(known, ..)| *known == word)?;
        Some((known.1, known.2))
    }

    fn expr(&mut self, tight: u8) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is too deep".to_owned());
        }
        let mut left = if self.sign("-") {
            // Binds tighter than any operator but |.
            Expr::Negative(Box::new(self.expr(UNION - 1)?))
        } else {
            self.path()?
        };
        while let Some((binds, operator)) = self.operator() {
            if binds <= tight {
                break;
            }
            self.tokens = &self.tokens[1..];
            let right = self.expr(binds)?;
            left = Expr::Both(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, String> {
        let mut all = Vec::new();
        while self.sign("[") {
            all.push(self.expr(0)?);
            self.must("]")?;
        }
        Ok(all)
    }

    /// Something that is no step: a literal, a call, an expression in brackets.
    fn primary(&mut self) -> Result<Option<Expr>, String> {
        let found = match self.tokens {
            [Token::Text(text), ..] => Expr::Text(text.clone()),
            [Token::Number(number), ..] => Expr::Number(*number),
            [Token::Sign("("), ..] => {
                self.must("(")?;
                let inner = self.expr(0)?;
                self.must(")")?;
                return Ok(Some(inner));
            }
            [Token::Name(prefix, name), Token::Sign("("), ..]
                if !is_kind(name) || prefix.is_some() =>
            {
                let name = match prefix {
                    Some(prefix) => format!("{prefix}:{name}"),
                    None => name.clone(),
                };
                self.tokens = &self.tokens[2..];
                let mut args = Vec::new();
                while !self.sign(")") {
                    if !args.is_empty() {
                        self.must(",")?;
                    }
                    args.push(self.expr(0)?);
                }
                return super::functions::known(&name, args.len())
                    .map(|()| Some(Expr::Call(name, args)));
            }
            _ => return Ok(None),
        };
        self.tokens = &self.tokens[1..];
        Ok(Some(found))
    }

    fn path(&mut self) -> Result<Expr, String> {
        let mut steps = Vec::new();
        let any = Step {
            axis: Axis::DescendantOrSelf,
            test: Test::Node,
            predicates: Vec::new(),
        };
        let start = if let Some(primary) = self.primary()? {
            let predicates = self.predicates()?;
            if self.sign("//") {
                steps.push(any.clone());
            } else if !self.sign("/") {
                return Ok(if predicates.is_empty() {
                    primary
                } else {
                    Expr::Path(Path {
                        start: Start::Expr(Box::new(primary), predicates),
                        steps,
                    })
                });
            }
            Start::Expr(Box::new(primary), predicates)
        } else if self.sign("//") {
            steps.push(any.clone());
            Start::Root
        } else if self.sign("/") {
            if !self.is_step() {
                return Ok(Expr::Path(Path {
                    start: Start::Root,
                    steps,
                }));
            }
            Start::Root
        } else {
            Start::Here
        };
        loop {
            steps.push(self.step()?);
            if self.sign("//") {
                steps.push(any.clone());
            } else if !self.sign("/") {
                return Ok(Expr::Path(Path { start, steps }));
            }
        }
    }

    fn is_step(&self) -> bool {
        matches!(
            self.tokens.first(),
            Some(Token::Name(..) | Token::Sign("." | ".." | "@" | "*"))
        )
    }

    fn step(&mut self) -> Result<Step, String> {
        let short = |axis| Step {
            axis,
            test: Test::Node,
            predicates: Vec::new(),
        };
        if self.sign(".") {
            return Ok(short(Axis::Own));
        }
        if self.sign("..") {
            return Ok(short(Axis::Parent));
        }
        let mut axis = Axis::Child;
        if self.sign("@") {
            axis = Axis::Attribute;
        } else if let [Token::Name(None, name), Token::Sign("::"), ..] = self.tokens {
            axis = axis_of(name)?;
            self.tokens = &self.tokens[2..];
        }
        let test = self.test()?;
        Ok(Step {
            axis,
            test,
            predicates: self.predicates()?,
        })
    }

    fn test(&mut self) -> Result<Test, String> {
        let (taken, test) = match self.tokens {
            [Token::Sign("*"), ..] => (1, Test::Any),
            [
                Token::Name(None, kind),
                Token::Sign("("),
                Token::Sign(")"),
                ..,
            ] if is_kind(kind) => {
                let test = match kind.as_str() {
                    "node" => Test::Node,
                    "text" => Test::Text,
                    "comment" => Test::Comment,
                    _ => Test::Instruction(None),
                };
                (3, test)
            }
            [
                Token::Name(None, kind),
                Token::Sign("("),
                Token::Text(target),
                Token::Sign(")"),
                ..,
            ] if kind == "processing-instruction" => (4, Test::Instruction(Some(target.clone()))),
            [Token::Name(prefix, local), ..] => {
                let space = match prefix.as_deref() {
                    None => String::new(),
                    Some("xml") => "http://www.w3.org/XML/1998/namespace".to_owned(),
                    Some(prefix) => {
                        let space = self.spaces.get(prefix);
                        space.cloned().ok_or_else(|| {
                            format!("Undefined namespace prefix {prefix}; name it in namespaces")
                        })?
                    }
                };
                let test = if local == "*" {
                    Test::Space(space)
                } else {
                    Test::Name(Name {
                        prefix: prefix.clone().unwrap_or_default(),
                        local: local.clone(),
                        space,
                    })
                };
                (1, test)
            }
            _ => return Err("Invalid expression".to_owned()),
        };
        self.tokens = &self.tokens[taken..];
        Ok(test)
    }
}

fn is_kind(name: &str) -> bool {
    matches!(name, "node" | "text" | "comment" | "processing-instruction")
}

fn axis_of(name: &str) -> Result<Axis, String> {
    Ok(match name {
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "attribute" => Axis::Attribute,
        "child" => Axis::Child,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "following" => Axis::Following,
        "following-sibling" => Axis::FollowingSibling,
        "parent" => Axis::Parent,
        "preceding" => Axis::Preceding,
        "preceding-sibling" => Axis::PrecedingSibling,
        "self" => Axis::Own,
        other => return Err(format!("the axis {other} is not supported")),
    })
}

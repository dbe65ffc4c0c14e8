//! XPath 1.0, except for variables, the namespace axis, `id` and `lang`.

mod functions;
mod parse;

use std::collections::BTreeMap;

use super::tree::{Document, Kind, Name};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    Own,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    Any,
    /// Any name of a namespace.
    Space(String),
    Name(Name),
    Node,
    Text,
    Comment,
    Instruction(Option<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) axis: Axis,
    pub(crate) test: Test,
    pub(crate) predicates: Vec<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Union,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Both(Operator, Box<Self>, Box<Self>),
    Negative(Box<Self>),
    Text(String),
    Number(f64),
    Call(String, Vec<Self>),
    Path(Path),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub(crate) start: Start,
    pub(crate) steps: Vec<Step>,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    Here,
    Root,
    /// What an expression gives, filtered.
    Expr(Box<Expr>, Vec<Expr>),
}

/// A thing in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Found {
    Root,
    Node(usize),
    /// An element and the number of its attribute.
    Attribute(usize, usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Found(Vec<Found>),
    Bool(bool),
    Number(f64),
    Text(String),
}

/// Reads an expression; prefixes stand for namespaces.
pub(crate) fn parse(text: &str, spaces: &BTreeMap<String, String>) -> Result<Expr, String> {
    parse::read(text, spaces)
        .map_err(|reason| format!("Syntax error in xpath expression: {text} ({reason})"))
}

/// A document while it is searched.
pub(crate) struct Search<'a> {
    document: &'a Document,
    /// Place of each node in the document.
    order: Vec<usize>,
}

/// Where an expression is evaluated.
#[derive(Clone, Copy)]
struct At {
    here: Found,
    position: usize,
    size: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(document: &'a Document) -> Self {
        let mut order = vec![0; document.nodes.len()];
        let mut todo: Vec<usize> = document.top.iter().rev().copied().collect();
        let mut count = 0;
        while let Some(node) = todo.pop() {
            count += 1;
            order[node] = count;
            todo.extend(document.children(Some(node)).iter().rev());
        }
        Self { document, order }
    }

    /// Evaluates an expression at a thing; the results are in the document's order.
    pub(crate) fn value(&self, expr: &Expr, here: Found) -> Result<Value, String> {
        let at = At {
            here,
            position: 1,
            size: 1,
        };
        self.eval(expr, at)
    }

    fn key(&self, found: Found) -> (usize, usize) {
        match found {
            Found::Root => (0, 0),
            Found::Node(node) => (self.order[node], 0),
            Found::Attribute(node, number) => (self.order[node], number + 1),
        }
    }

    fn sorted(&self, mut all: Vec<Found>) -> Vec<Found> {
        all.sort_by_key(|found| self.key(*found));
        all.dedup();
        all
    }

    fn string(&self, found: Found) -> String {
        match found {
            Found::Root => self
                .document
                .root()
                .map(|root| self.document.string(root))
                .unwrap_or_default(),
            Found::Node(node) => self.document.string(node),
            Found::Attribute(node, number) => {
                let element = self.document.element(node);
                let value = element.and_then(|element| element.attributes.get(number));
                value.map(|(_, value)| value.clone()).unwrap_or_default()
            }
        }
    }

    fn name(&self, found: Found) -> Option<Name> {
        match found {
            Found::Root => None,
            Found::Node(node) => match &self.document.nodes[node].kind {
                Kind::Element(element) => Some(element.name.clone()),
                Kind::Instruction(target, _) => Some(Name::plain(target)),
                _ => None,
            },
            Found::Attribute(node, number) => {
                let element = self.document.element(node)?;
                element.attributes.get(number).map(|(name, _)| name.clone())
            }
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Found(all) => all
                .first()
                .map(|found| self.string(*found))
                .unwrap_or_default(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => functions::show(*number),
            Value::Text(text) => text.clone(),
        }
    }

    fn number(&self, value: &Value) -> f64 {
        match value {
            Value::Bool(flag) => f64::from(u8::from(*flag)),
            Value::Number(number) => *number,
            other => functions::number(&self.text(other)),
        }
    }

    fn truth(value: &Value) -> bool {
        match value {
            Value::Found(all) => !all.is_empty(),
            Value::Bool(flag) => *flag,
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
        }
    }

    fn eval(&self, expr: &Expr, at: At) -> Result<Value, String> {
        match expr {
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Number(number) => Ok(Value::Number(*number)),
            Expr::Negative(inner) => Ok(Value::Number(-self.number(&self.eval(inner, at)?))),
            Expr::Call(name, args) => self.call(name, args, at),
            Expr::Path(path) => self.path(path, at),
            Expr::Both(operator, one, other) => self.both(*operator, one, other, at),
        }
    }

    fn both(&self, operator: Operator, one: &Expr, other: &Expr, at: At) -> Result<Value, String> {
        let left = self.eval(one, at)?;
        match operator {
            Operator::Or if Self::truth(&left) => return Ok(Value::Bool(true)),
            Operator::And if !Self::truth(&left) => return Ok(Value::Bool(false)),
            _ => {}
        }
        let right = self.eval(other, at)?;
        let numbers = || (self.number(&left), self.number(&right));
        Ok(match operator {
            Operator::Or | Operator::And => Value::Bool(Self::truth(&right)),
            Operator::Union => match (left, right) {
                (Value::Found(mut all), Value::Found(more)) => {
                    all.extend(more);
                    Value::Found(self.sorted(all))
                }
                _ => return Err("Invalid type: | joins paths only".to_owned()),
            },
            Operator::Add => Value::Number(numbers().0 + numbers().1),
            Operator::Subtract => Value::Number(numbers().0 - numbers().1),
            Operator::Multiply => Value::Number(numbers().0 * numbers().1),
            Operator::Divide => Value::Number(numbers().0 / numbers().1),
            Operator::Modulo => Value::Number(numbers().0 % numbers().1),
            comparison => Value::Bool(self.compared(comparison, &left, &right)),
        })
    }

    fn compared(&self, operator: Operator, left: &Value, right: &Value) -> bool {
        // A list of things is compared thing by thing, unless with a truth.
        match (left, right) {
            (Value::Found(all), other) if !matches!(other, Value::Bool(_)) => {
                return all.iter().any(|found| {
                    self.compared(operator, &Value::Text(self.string(*found)), other)
                });
            }
            (other, Value::Found(all)) if !matches!(other, Value::Bool(_)) => {
                return all.iter().any(|found| {
                    self.compared(operator, other, &Value::Text(self.string(*found)))
                });
            }
            _ => {}
        }
        let equal = || match (left, right) {
            (Value::Bool(_), _) | (_, Value::Bool(_)) => Self::truth(left) == Self::truth(right),
            (Value::Number(_), _) | (_, Value::Number(_)) => {
                self.number(left).partial_cmp(&self.number(right))
                    == Some(std::cmp::Ordering::Equal)
            }
            _ => self.text(left) == self.text(right),
        };
        let (one, other) = (self.number(left), self.number(right));
        match operator {
            Operator::Equal => equal(),
            Operator::Unequal => !equal(),
            Operator::Less => one < other,
            Operator::LessEqual => one <= other,
            Operator::Greater => one > other,
            _ => one >= other,
        }
    }

    fn path(&self, path: &Path, at: At) -> Result<Value, String> {
        let mut all = match &path.start {
            Start::Here => vec![at.here],
            Start::Root => vec![Found::Root],
            Start::Expr(inner, predicates) => match self.eval(inner, at)? {
                Value::Found(mut all) => {
                    for predicate in predicates {
                        all = self.kept(all, predicate)?;
                    }
                    all
                }
                other if predicates.is_empty() && path.steps.is_empty() => return Ok(other),
                _ => return Err("Invalid type: only a path has steps and conditions".to_owned()),
            },
        };
        for step in &path.steps {
            let mut next = Vec::new();
            for found in all {
                let mut along: Vec<Found> = self.along(step.axis, found);
                along.retain(|found| self.passes(step, *found));
                for predicate in &step.predicates {
                    along = self.kept(along, predicate)?;
                }
                next.extend(along);
            }
            all = self.sorted(next);
        }
        Ok(Value::Found(all))
    }

    /// Those for which a condition holds; a number is a position.
    fn kept(&self, all: Vec<Found>, predicate: &Expr) -> Result<Vec<Found>, String> {
        let size = all.len();
        let mut out = Vec::new();
        for (index, here) in all.into_iter().enumerate() {
            let position = index + 1;
            let at = At {
                here,
                position,
                size,
            };
            let holds = match self.eval(predicate, at)? {
                Value::Number(number) => functions::is_position(number, position),
                other => Self::truth(&other),
            };
            if holds {
                out.push(here);
            }
        }
        Ok(out)
    }

    fn passes(&self, step: &Step, found: Found) -> bool {
        let principal = match found {
            Found::Attribute(..) => step.axis == Axis::Attribute,
            Found::Node(node) => self.document.element(node).is_some(),
            Found::Root => false,
        };
        let kind = |wanted: fn(&Kind) -> bool| match found {
            Found::Node(node) => wanted(&self.document.nodes[node].kind),
            _ => false,
        };
        match &step.test {
            Test::Node => true,
            Test::Any => principal,
            Test::Space(space) => {
                principal && self.name(found).is_some_and(|name| name.space == *space)
            }
            Test::Name(wanted) => principal && self.name(found).is_some_and(|name| name.is(wanted)),
            Test::Text => kind(|kind| matches!(kind, Kind::Text(_) | Kind::Raw(_))),
            Test::Comment => kind(|kind| matches!(kind, Kind::Comment(_))),
            Test::Instruction(None) => kind(|kind| matches!(kind, Kind::Instruction(..))),
            Test::Instruction(Some(target)) => match found {
                Found::Node(node) => {
                    matches!(&self.document.nodes[node].kind, Kind::Instruction(known, _) if known == target)
                }
                _ => false,
            },
        }
    }

    fn parent(&self, found: Found) -> Option<Found> {
        match found {
            Found::Root => None,
            Found::Attribute(node, _) => Some(Found::Node(node)),
            Found::Node(node) => Some(self.document.parent(node).map_or(Found::Root, Found::Node)),
        }
    }

    fn children(&self, found: Found) -> Vec<Found> {
        let children = match found {
            Found::Root => self.document.children(None),
            Found::Node(node) => self.document.children(Some(node)),
            Found::Attribute(..) => &[],
        };
        children.iter().copied().map(Found::Node).collect()
    }

    fn descendants(&self, found: Found) -> Vec<Found> {
        let mut out = Vec::new();
        let mut todo: Vec<Found> = self.children(found);
        todo.reverse();
        while let Some(next) = todo.pop() {
            out.push(next);
            todo.extend(self.children(next).into_iter().rev());
        }
        out
    }

    fn ancestors(&self, found: Found) -> Vec<Found> {
        std::iter::successors(self.parent(found), |found| self.parent(*found)).collect()
    }

    /// The siblings behind, or those before, the nearest first.
    fn siblings(&self, found: Found, behind: bool) -> Vec<Found> {
        let (Found::Node(_), Some(parent)) = (found, self.parent(found)) else {
            return Vec::new();
        };
        let all = self.children(parent);
        let place = all.iter().position(|other| *other == found).unwrap_or(0);
        if behind {
            all[place + 1..].to_vec()
        } else {
            all[..place].iter().rev().copied().collect()
        }
    }

    /// Everything on an axis, the nearest first.
    fn along(&self, axis: Axis, found: Found) -> Vec<Found> {
        let with = |mut all: Vec<Found>| {
            all.insert(0, found);
            all
        };
        match axis {
            Axis::Own => vec![found],
            Axis::Child => self.children(found),
            Axis::Parent => self.parent(found).into_iter().collect(),
            Axis::Descendant => self.descendants(found),
            Axis::DescendantOrSelf => with(self.descendants(found)),
            Axis::Ancestor => self.ancestors(found),
            Axis::AncestorOrSelf => with(self.ancestors(found)),
            Axis::FollowingSibling => self.siblings(found, true),
            Axis::PrecedingSibling => self.siblings(found, false),
            Axis::Attribute => {
                let Found::Node(node) = found else {
                    return Vec::new();
                };
                let count = self
                    .document
                    .element(node)
                    .map_or(0, |element| element.attributes.len());
                (0..count)
                    .map(|number| Found::Attribute(node, number))
                    .collect()
            }
            Axis::Following | Axis::Preceding => {
                let behind = axis == Axis::Following;
                let mut all = Vec::new();
                for place in with(self.ancestors(found)) {
                    for sibling in self.siblings(place, behind) {
                        all.extend(std::iter::once(sibling).chain(self.descendants(sibling)));
                    }
                }
                let mut all = self.sorted(all);
                if !behind {
                    all.reverse();
                }
                all
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<a q='0'><b n='1'>x</b><b n='2'>y<c/></b><!-- no --><d xmlns='urn:d'><b>z</b></d><e>3</e><e>4</e></a>";

    fn look(xpath: &str) -> String {
        let document = Document::parse(TEXT.as_bytes(), false, false).unwrap();
        let spaces = BTreeMap::from([("p".to_owned(), "urn:d".to_owned())]);
        let search = Search::new(&document);
        let expr = parse(xpath, &spaces).unwrap_or_else(|error| panic!("{error}"));
        match search
            .value(&expr, Found::Root)
            .unwrap_or_else(|error| panic!("{error}"))
        {
            Value::Found(all) => {
                let all: Vec<String> = all
                    .into_iter()
                    .map(|found| match found {
                        Found::Root => "/".to_owned(),
                        Found::Node(node) => document.path(node),
                        Found::Attribute(..) => format!("@{}", search.string(found)),
                    })
                    .collect();
                all.join(" ")
            }
            other => search.text(&other),
        }
    }

    #[test]
    fn paths() {
        for (xpath, wanted) in [
            ("/", "/"),
            ("/a/b", "/a/b[1] /a/b[2]"),
            ("//b", "/a/b[1] /a/b[2]"),
            ("//p:b", "/a/d/b"),
            ("//*[local-name()='b']", "/a/b[1] /a/b[2] /a/d/b"),
            ("/a/b[2]", "/a/b[2]"),
            ("/a/b[last()]/@n", "@2"),
            ("/a/b[@n='1']", "/a/b[1]"),
            ("/a/b[text()='y']/c", "/a/b[2]/c"),
            ("//c/ancestor::*", "/a /a/b[2]"),
            ("//c/..", "/a/b[2]"),
            ("//c/preceding::b", "/a/b[1]"),
            ("//c/following::*[1]", "/a/d"),
            ("/a/b[1]/following-sibling::*[2]", "/a/d"),
            ("/a/e[2]/preceding-sibling::e", "/a/e[1]"),
            ("/a/comment()", "/a/comment()"),
            ("/a/b/text()", "/a/b[1]/text() /a/b[2]/text()"),
            ("//@*", "@0 @1 @2"),
            ("/a/p:*", "/a/d"),
            ("/a/e | /a/b[1]", "/a/b[1] /a/e[1] /a/e[2]"),
            ("(//b)[2]", "/a/b[2]"),
            (
                "/a/*[self::b or self::e][position() > 2]",
                "/a/e[1] /a/e[2]",
            ),
            ("/a/b[not(c)]", "/a/b[1]"),
            ("/a/none", ""),
            ("//b[contains(., 'x') and starts-with(@n, '1')]", "/a/b[1]"),
            (".//c", "/a/b[2]/c"),
        ] {
            assert_eq!(look(xpath), wanted, "{xpath}");
        }
    }

    #[test]
    fn values() {
        for (xpath, wanted) in [
            ("count(//e)", "2"),
            ("sum(/a/e)", "7"),
            ("1 + 2 * 3 - 4 div 2", "5"),
            ("7 mod 4", "3"),
            ("-(1 - 3)", "2"),
            ("1 div 0", "Infinity"),
            ("string(/a/b)", "x"),
            ("concat('a', 1, true())", "a1true"),
            ("substring('12345', 2, 3)", "234"),
            ("substring('12345', 1.5, 2.6)", "234"),
            ("substring-before('a-b', '-')", "a"),
            ("substring-after('a-b', '-')", "b"),
            ("normalize-space('  a  b ')", "a b"),
            ("translate('bar', 'abc', 'AB')", "BAr"),
            ("string-length('\u{fc}x')", "2"),
            ("/a/e = 4", "true"),
            ("/a/e != 4", "true"),
            ("/a/e > 5", "false"),
            ("not(//none)", "true"),
            ("boolean(//none) = false()", "true"),
            ("name(/a/*[1])", "b"),
            ("namespace-uri(//p:b)", "urn:d"),
            ("round(2.5)", "3"),
            ("floor(-1.5)", "-2"),
            ("number('x')", "NaN"),
            ("0.1 + 0.2 > 0.3", "true"),
        ] {
            assert_eq!(look(xpath), wanted, "{xpath}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for xpath in [
            "",
            "/a[",
            "/a]",
            "a b",
            "q:a",
            "$x",
            "f(",
            "nothing()",
            "/a/namespace::x",
            "'x",
            "1 +",
            "@@a",
            "a//",
            "count()",
        ] {
            let read = parse(xpath, &BTreeMap::new());
            let failed = read.and_then(|expr| {
                let document = Document::parse(b"<a/>", false, false).unwrap();
                Search::new(&document).value(&expr, Found::Root).map(drop)
            });
            assert!(failed.is_err(), "{xpath}");
        }
        assert!(parse(&"(".repeat(5000), &BTreeMap::new()).is_err());
        assert!(parse(&"-".repeat(5000), &BTreeMap::new()).is_err());
    }
}

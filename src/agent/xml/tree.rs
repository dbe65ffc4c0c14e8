//! A document as a tree.

/// A name with its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Name {
    /// As it was written; empty for none.
    pub(crate) prefix: String,
    pub(crate) local: String,
    /// Empty for none.
    pub(crate) space: String,
}

impl Name {
    pub(crate) fn plain(local: &str) -> Self {
        Self {
            local: local.to_owned(),
            ..Self::default()
        }
    }

    /// As it stands in a document.
    pub(crate) fn written(&self) -> String {
        if self.prefix.is_empty() {
            return self.local.clone();
        }
        format!("{}:{}", self.prefix, self.local)
    }

    /// `{space}local`.
    pub(crate) fn full(&self) -> String {
        if self.space.is_empty() {
            return self.local.clone();
        }
        format!("{{{}}}{}", self.space, self.local)
    }

    /// The same name, whatever the prefix.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.local == other.local && self.space == other.space
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Element {
    pub(crate) name: Name,
    /// Prefixes that are declared here, with their namespaces.
    pub(crate) spaces: Vec<(String, String)>,
    pub(crate) attributes: Vec<(Name, String)>,
    pub(crate) children: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Element(Element),
    Text(String),
    /// Text that is written without escapes.
    Raw(String),
    Comment(String),
    /// Target and what it is told.
    Instruction(String, String),
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// `None` at the top.
    pub(crate) parent: Option<usize>,
    pub(crate) kind: Kind,
}

/// All nodes, by number. Those that were taken out stay, without a place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) nodes: Vec<Node>,
    pub(crate) top: Vec<usize>,
    /// Everything between `<!DOCTYPE` and `>`.
    pub(crate) doctype: Option<String>,
    /// How many nodes of the top are before the document type.
    pub(crate) before_doctype: usize,
}

/// Deeper documents are refused, as by everybody.
pub(super) const DEEPEST: usize = 256;

impl Document {
    pub(crate) fn add(&mut self, parent: Option<usize>, kind: Kind) -> usize {
        self.nodes.push(Node { parent, kind });
        self.nodes.len() - 1
    }

    pub(crate) fn element(&self, node: usize) -> Option<&Element> {
        match &self.nodes.get(node)?.kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    pub(crate) fn element_mut(&mut self, node: usize) -> Option<&mut Element> {
        match &mut self.nodes.get_mut(node)?.kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    pub(crate) fn root(&self) -> Option<usize> {
        self.top
            .iter()
            .copied()
            .find(|node| self.element(*node).is_some())
    }

    pub(crate) fn children(&self, node: Option<usize>) -> &[usize] {
        match node {
            None => &self.top,
            Some(node) => self.element(node).map_or(&[], |element| &element.children),
        }
    }

    fn children_mut(&mut self, node: Option<usize>) -> Option<&mut Vec<usize>> {
        match node {
            None => Some(&mut self.top),
            Some(node) => self.element_mut(node).map(|element| &mut element.children),
        }
    }

    pub(crate) fn parent(&self, node: usize) -> Option<usize> {
        self.nodes.get(node)?.parent
    }

    pub(crate) fn is_text(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, Kind::Text(_) | Kind::Raw(_))
    }

    /// All text below a node, or the text that it is.
    pub(crate) fn string(&self, node: usize) -> String {
        match &self.nodes[node].kind {
            Kind::Text(text)
            | Kind::Raw(text)
            | Kind::Comment(text)
            | Kind::Instruction(_, text) => text.clone(),
            Kind::Element(_) => {
                let mut out = String::new();
                let mut todo = vec![node];
                while let Some(node) = todo.pop() {
                    match &self.nodes[node].kind {
                        Kind::Text(text) | Kind::Raw(text) => out.push_str(text),
                        Kind::Element(element) => todo.extend(element.children.iter().rev()),
                        _ => {}
                    }
                }
                out
            }
        }
    }

    /// The text before the first child that is none.
    pub(crate) fn lead(&self, node: usize) -> Option<String> {
        let texts = self
            .children(Some(node))
            .iter()
            .take_while(|child| self.is_text(**child));
        let all: Vec<String> = texts.map(|child| self.string(*child)).collect();
        (!all.is_empty()).then(|| all.concat())
    }

    /// Replaces the text before the first child that is none.
    pub(crate) fn set_text(&mut self, node: usize, text: &str) {
        let rest: Vec<usize> = {
            let children = self.children(Some(node));
            children
                .iter()
                .copied()
                .skip_while(|child| self.is_text(*child))
                .collect()
        };
        let mut children = Vec::new();
        if !text.is_empty() {
            children.push(self.add(Some(node), Kind::Text(text.to_owned())));
        }
        children.extend(rest);
        if let Some(element) = self.element_mut(node) {
            element.children = children;
        }
    }

    pub(crate) fn attribute(&self, node: usize, name: &Name) -> Option<&str> {
        let attributes = &self.element(node)?.attributes;
        let found = attributes.iter().find(|(known, _)| known.is(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Sets an attribute; a namespace gets a prefix where it has none.
    pub(crate) fn set_attribute(&mut self, node: usize, name: &Name, value: &str) {
        let mut name = name.clone();
        if !name.space.is_empty() {
            name.prefix = self.prefix_for(node, &name.space, &name.prefix, false);
        }
        let Some(element) = self.element_mut(node) else {
            return;
        };
        match element
            .attributes
            .iter_mut()
            .find(|(known, _)| known.is(&name))
        {
            Some((_, old)) => value.clone_into(old),
            None => element.attributes.push((name, value.to_owned())),
        }
    }

    /// A prefix that stands for a namespace at a node, declared there if it is nowhere.
    pub(crate) fn prefix_for(
        &mut self,
        node: usize,
        space: &str,
        liked: &str,
        empty: bool,
    ) -> String {
        const XML: &str = "http://www.w3.org/XML/1998/namespace";
        if space == XML {
            return "xml".to_owned();
        }
        let mut at = Some(node);
        let mut hidden: Vec<String> = Vec::new();
        while let Some(element) = at.and_then(|at| self.element(at)) {
            for (prefix, known) in &element.spaces {
                if known == space && (empty || !prefix.is_empty()) && !hidden.contains(prefix) {
                    return prefix.clone();
                }
                hidden.push(prefix.clone());
            }
            at = at.and_then(|at| self.parent(at));
        }
        let mut prefix = liked.to_owned();
        let mut count = 0;
        while prefix.is_empty() || hidden.contains(&prefix) {
            prefix = format!("ns{count}");
            count += 1;
        }
        if let Some(element) = self.element_mut(node) {
            element.spaces.push((prefix.clone(), space.to_owned()));
        }
        prefix
    }

    fn place(&self, node: usize) -> Option<usize> {
        self.children(self.parent(node))
            .iter()
            .position(|child| *child == node)
    }

    /// Takes a node out, with the text behind it.
    pub(crate) fn remove(&mut self, node: usize) {
        let Some(place) = self.place(node) else {
            return;
        };
        let parent = self.parent(node);
        let mut end = place + 1;
        if !self.is_text(node) {
            let siblings = self.children(parent);
            end += siblings[end..]
                .iter()
                .take_while(|next| self.is_text(**next))
                .count();
        }
        if let Some(siblings) = self.children_mut(parent) {
            siblings.drain(place..end);
        }
    }

    /// Puts nodes before or behind another; behind is after the text that follows it.
    pub(crate) fn insert(&mut self, beside: usize, behind: bool, new: &[usize]) {
        let Some(mut place) = self.place(beside) else {
            return;
        };
        let parent = self.parent(beside);
        if behind {
            place += 1;
            let siblings = self.children(parent);
            place += siblings[place..]
                .iter()
                .take_while(|next| self.is_text(**next))
                .count();
        }
        for node in new {
            self.nodes[*node].parent = parent;
        }
        if let Some(siblings) = self.children_mut(parent) {
            siblings.splice(place..place, new.iter().copied());
        }
    }

    pub(crate) fn append(&mut self, parent: usize, new: &[usize]) {
        for node in new {
            self.nodes[*node].parent = Some(parent);
        }
        if let Some(element) = self.element_mut(parent) {
            element.children.extend(new);
        }
    }

    /// A copy of a node of another document, without a place.
    pub(crate) fn adopt(&mut self, other: &Self, node: usize) -> usize {
        let kind = other.nodes[node].kind.clone();
        let new = self.add(None, kind);
        let children: Vec<usize> = other
            .children(Some(node))
            .iter()
            .map(|child| self.adopt(other, *child))
            .collect();
        if let Some(element) = self.element_mut(new) {
            element.children.clear();
        }
        self.append(new, &children);
        new
    }

    /// Whether two elements say the same: names, attributes, texts and all below.
    pub(crate) fn same(&self, one: usize, other: usize) -> bool {
        let (Some(left), Some(right)) = (self.element(one), self.element(other)) else {
            return self.nodes[one].kind == self.nodes[other].kind;
        };
        let contents = |children: &[usize]| -> Vec<usize> {
            let blank = |node: usize| self.is_text(node) && self.string(node).trim().is_empty();
            children
                .iter()
                .copied()
                .filter(|child| !blank(*child))
                .collect()
        };
        let (inner, outer) = (contents(&left.children), contents(&right.children));
        let attributes = left.attributes.len() == right.attributes.len()
            && left
                .attributes
                .iter()
                .all(|(name, value)| self.attribute(other, name) == Some(value));
        left.name.is(&right.name)
            && attributes
            && inner.len() == outer.len()
            && inner
                .iter()
                .zip(&outer)
                .all(|(one, other)| self.same(*one, *other))
    }

    /// A path to a node, such as `/a/b[2]`.
    pub(crate) fn path(&self, node: usize) -> String {
        let mut steps = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            let parent = self.parent(node);
            let siblings = self.children(parent);
            let (step, like): (String, Vec<usize>) = match &self.nodes[node].kind {
                Kind::Element(element) => (
                    element.name.written(),
                    siblings
                        .iter()
                        .copied()
                        .filter(|other| {
                            self.element(*other)
                                .is_some_and(|other| other.name.is(&element.name))
                        })
                        .collect(),
                ),
                Kind::Comment(_) => (
                    "comment()".to_owned(),
                    siblings
                        .iter()
                        .copied()
                        .filter(|other| matches!(self.nodes[*other].kind, Kind::Comment(_)))
                        .collect(),
                ),
                Kind::Instruction(..) => ("processing-instruction()".to_owned(), vec![node]),
                _ => (
                    "text()".to_owned(),
                    siblings
                        .iter()
                        .copied()
                        .filter(|other| self.is_text(*other))
                        .collect(),
                ),
            };
            let place = like
                .iter()
                .position(|other| *other == node)
                .map_or(1, |place| place + 1);
            steps.push(if like.len() > 1 {
                format!("/{step}[{place}]")
            } else {
                format!("/{step}")
            });
            at = parent;
        }
        steps.iter().rev().map(String::as_str).collect()
    }
}

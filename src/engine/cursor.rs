//! Where a host stands in the tree of blocks, and where it goes next.
//!
//! Every task has a position that orders it among all others, also across
//! files included at run time. Hosts in lockstep run the task with the lowest
//! position first: that alone keeps rescue after block and always after both.

use std::collections::BTreeSet;
use std::sync::Arc;

use ocplay_language::plan::{Node, PlannedBlock, PlannedTask};

/// The way from the root of a section to a task. Longer ways sort after their
/// beginnings: an included file comes behind its include.
pub(crate) type Position = Vec<u32>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Block,
    Rescue,
    Always,
}

#[derive(Debug, Clone)]
enum Content {
    List(Arc<[Node]>),
    Block(Arc<PlannedBlock>),
    /// Handlers, of which those that were notified run.
    Handlers(Arc<[Node]>),
}

#[derive(Debug, Clone)]
struct Frame {
    content: Content,
    part: Part,
    index: usize,
    place: Position,
    /// A failure that `always` only interrupts.
    failing: bool,
}

/// What a failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fall {
    /// A rescue section takes over.
    Rescued,
    /// Only `always` sections are left to run, if any.
    Failed,
}

/// A task and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) position: Position,
    pub(crate) task: Arc<PlannedTask>,
    /// A handler, or something that a handler included.
    pub(crate) handler: bool,
}

/// One host's place in a play.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    frames: Vec<Frame>,
    /// The host has failed and only runs `always` sections.
    failed: bool,
    /// Handlers waiting to run, by number in the play.
    notified: BTreeSet<usize>,
}

impl Frame {
    fn nodes(&self) -> &[Node] {
        match (&self.content, self.part) {
            (Content::List(nodes) | Content::Handlers(nodes), _) => nodes,
            (Content::Block(block), Part::Block) => &block.block,
            (Content::Block(block), Part::Rescue) => &block.rescue,
            (Content::Block(block), Part::Always) => &block.always,
        }
    }

    fn always(&self) -> bool {
        matches!(&self.content, Content::Block(block) if !block.always.is_empty())
    }

    fn rescue(&self) -> bool {
        matches!(&self.content, Content::Block(block) if !block.rescue.is_empty())
    }

    fn enter(&mut self, part: Part) {
        self.part = part;
        self.index = 0;
    }

    fn here(&self) -> Position {
        let mut out = self.place.clone();
        out.push(self.part as u32);
        out.push(u32::try_from(self.index).unwrap_or(u32::MAX));
        out
    }
}

impl Cursor {
    pub(crate) fn new(nodes: Arc<[Node]>) -> Self {
        let mut cursor = Self::default();
        cursor.push(Content::List(nodes), Vec::new());
        cursor.settle();
        cursor
    }

    fn push(&mut self, content: Content, place: Position) {
        self.frames.push(Frame {
            content,
            part: Part::Block,
            index: 0,
            place,
            failing: false,
        });
    }

    /// The task at which the host stands.
    pub(crate) fn task(&self) -> Option<&Arc<PlannedTask>> {
        let frame = self.frames.last()?;
        match frame.nodes().get(frame.index)? {
            Node::Task(task) => Some(task),
            Node::Block(_) => None,
        }
    }

    /// The task at which the host stands, and its position.
    pub(crate) fn peek(&self) -> Option<At> {
        Some(At {
            position: self.frames.last()?.here(),
            task: Arc::clone(self.task()?),
            handler: self.in_handler(),
        })
    }

    /// Whether the host runs handlers.
    pub(crate) fn in_handler(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| matches!(frame.content, Content::Handlers(_)))
    }

    /// A handler has been notified; says whether it was not waiting already.
    pub(crate) fn notify(&mut self, number: usize) -> bool {
        self.notified.insert(number)
    }

    /// Whether handlers wait to run.
    pub(crate) fn is_notified(&self) -> bool {
        !self.notified.is_empty()
    }

    /// Whether nothing comes behind the task but flushes of nothing.
    pub(crate) fn is_at_end(&self) -> bool {
        let mut rest = self.clone();
        rest.advance();
        while let Some(task) = rest.task() {
            if !(task.implicit && task.module() == "meta") {
                return false;
            }
            rest.advance();
        }
        !self.is_notified()
    }

    /// The task was a flush: run what was notified, in the order in which
    /// handlers are defined, each at most once.
    pub(crate) fn flush(&mut self, handlers: Arc<[Node]>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let place = frame.here();
        frame.index += 1;
        self.push(Content::Handlers(handlers), place);
        self.settle();
    }

    /// The task is done: go to the next one.
    pub(crate) fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
        self.settle();
    }

    /// The task was an include: go on with what it brought. `group` tells
    /// several files of one include apart.
    pub(crate) fn enter(&mut self, includes: Vec<(u32, Arc<[Node]>)>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let place = frame.here();
        frame.index += 1;
        for (group, nodes) in includes.into_iter().rev() {
            let mut place = place.clone();
            place.push(group);
            self.push(Content::List(nodes), place);
        }
        self.settle();
    }

    /// The task failed: unwind to the nearest rescue or always.
    pub(crate) fn fail(&mut self) -> Fall {
        let fall = self.unwind();
        self.settle();
        fall
    }

    fn unwind(&mut self) -> Fall {
        while let Some(frame) = self.frames.last_mut() {
            if frame.part == Part::Block && frame.rescue() {
                frame.enter(Part::Rescue);
                self.failed = false;
                return Fall::Rescued;
            }
            if frame.part != Part::Always && frame.always() {
                frame.enter(Part::Always);
                frame.failing = true;
                self.failed = true;
                return Fall::Failed;
            }
            self.frames.pop();
        }
        self.failed = true;
        Fall::Failed
    }

    /// Whether some enclosing block has a rescue section still to come.
    pub(crate) fn rescuable(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| frame.part == Part::Block && frame.rescue())
    }

    /// Whether a failure was not rescued (so far).
    pub(crate) fn is_failed(&self) -> bool {
        self.failed
    }

    /// From here on the host counts as one that has not failed.
    pub(crate) fn clear_errors(&mut self) {
        self.failed = false;
        for frame in &mut self.frames {
            frame.failing = false;
        }
    }

    /// Leaves the part of the tree for which `inside` holds (a role).
    pub(crate) fn skip_while(&mut self, inside: impl Fn(&PlannedTask) -> bool) {
        while self.task().is_some_and(|task| inside(task)) {
            self.advance();
        }
    }

    /// Moves on until a task is reached or nothing is left.
    fn settle(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            if let Content::Handlers(nodes) = &frame.content {
                let end = nodes.len();
                let next = self.notified.range(frame.index..).next().copied();
                match next.filter(|next| *next < end) {
                    Some(next) => {
                        self.notified.remove(&next);
                        frame.index = next;
                    }
                    None => frame.index = end,
                }
            }
            match frame.nodes().get(frame.index) {
                Some(Node::Task(_)) => return,
                Some(Node::Block(block)) => {
                    let block = Arc::clone(block);
                    let place = frame.here();
                    frame.index += 1;
                    self.push(Content::Block(block), place);
                }
                None if frame.part != Part::Always && frame.always() => frame.enter(Part::Always),
                None if frame.failing => {
                    self.frames.pop();
                    self.unwind();
                }
                None => {
                    self.frames.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ocplay_language::plan::Context;
    use ocplay_language::playbook::ast::{Action, Keywords, Task};
    use ocplay_language::source::Span;

    use super::*;

    fn task(name: &str) -> Node {
        let action = Action {
            name: name.into(),
            name_span: Span::nowhere(),
            args: vec![],
            raw: None,
        };
        let task = Task::new(Span::nowhere(), action);
        let context = Context::play(Keywords::default(), Path::new("."));
        Node::Task(Arc::new(PlannedTask {
            id: name.into(),
            task: Arc::new(task),
            context,
            implicit: false,
        }))
    }

    fn tasks(names: &str) -> Vec<Node> {
        names.split_whitespace().map(task).collect()
    }

    fn block(inner: Vec<Node>, rescue: &str, always: &str) -> Node {
        Node::Block(Arc::new(PlannedBlock {
            name: None,
            context: Context::play(Keywords::default(), Path::new(".")),
            block: inner,
            rescue: tasks(rescue),
            always: tasks(always),
        }))
    }

    /// Runs to the end; tasks named in `bad` fail.
    fn walk(nodes: Vec<Node>, bad: &str) -> (String, bool) {
        let mut cursor = Cursor::new(nodes.into());
        let mut seen = Vec::new();
        let mut last = Vec::new();
        while let Some(At { position, task, .. }) = cursor.peek() {
            assert!(position > last, "{position:?} after {last:?}");
            last = position;
            let name = task.id.clone();
            if name == "flush" {
                cursor.notify(2);
                cursor.notify(0);
                cursor.flush(tasks("h0 h1 h2").into());
                continue;
            }
            if bad.split_whitespace().any(|bad| bad == name) {
                cursor.fail();
            } else {
                cursor.advance();
            }
            seen.push(name);
        }
        (seen.join(" "), cursor.failed)
    }

    #[test]
    fn straight_through() {
        let nodes = vec![task("a"), block(tasks("b c"), "r", "z"), task("d")];
        assert_eq!(walk(nodes, ""), ("a b c z d".into(), false));
    }

    #[test]
    fn rescue_then_always_and_on() {
        let nodes = vec![block(tasks("b c"), "r", "z"), task("d")];
        assert_eq!(walk(nodes, "b"), ("b r z d".into(), false));
    }

    #[test]
    fn failure_in_rescue_runs_always_and_fails() {
        let nodes = vec![block(tasks("b"), "r", "z"), task("d")];
        assert_eq!(walk(nodes, "b r"), ("b r z".into(), true));
    }

    #[test]
    fn an_outer_rescue_catches_what_an_inner_always_interrupts() {
        let inner = block(tasks("b"), "", "z");
        let nodes = vec![block(vec![inner, task("n")], "r", ""), task("d")];
        assert_eq!(walk(nodes, "b").0, "b z r d");
    }

    #[test]
    fn notified_handlers_run_in_the_order_of_their_definition() {
        assert_eq!(walk(tasks("a flush b"), "").0, "a h0 h2 b");
    }

    #[test]
    fn a_failed_handler_is_rescued_where_it_was_flushed() {
        let nodes = vec![block(tasks("a flush n"), "r", "z"), task("d")];
        assert_eq!(walk(nodes, "h0").0, "a h0 r z d");
    }

    #[test]
    fn failure_without_a_block_ends() {
        assert_eq!(walk(tasks("a b c"), "b"), ("a b".into(), true));
    }

    #[test]
    fn empty_blocks_are_passed() {
        let nodes = vec![
            block(vec![], "r", ""),
            block(vec![block(vec![], "", "")], "", "z"),
        ];
        assert_eq!(walk(nodes, ""), ("z".into(), false));
    }

    #[test]
    fn includes_come_between() {
        let mut cursor = Cursor::new(tasks("inc b").into());
        let first = cursor.peek().unwrap().position;
        cursor.enter(vec![(0, tasks("x").into()), (1, tasks("y").into())]);
        let mut seen = Vec::new();
        let mut last = first;
        while let Some(At { position, task, .. }) = cursor.peek() {
            assert!(position > last);
            last = position;
            seen.push(task.id.clone());
            cursor.advance();
        }
        assert_eq!(seen, ["x", "y", "b"]);
    }
}

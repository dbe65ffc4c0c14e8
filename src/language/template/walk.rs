//! Walking the engine's syntax trees.

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

/// A part of a statement or an expression.
pub(super) enum Node<'a, 's> {
    Expr(&'a Expr<'s>),
    Stmt(&'a Stmt<'s>),
}

/// A name that must be known to the engine.
pub(super) enum Name<'s> {
    Filter(&'s str),
    Test(&'s str),
}

/// Calls back with every filter and test of a tree.
pub(super) fn names<'s>(tree: &Stmt<'s>, found: &mut dyn FnMut(Name<'s>)) {
    fn node<'s>(part: Node<'_, 's>, found: &mut dyn FnMut(Name<'s>)) {
        match part {
            Node::Stmt(stmt) => stmt_parts(stmt, &mut |part| node(part, found)),
            Node::Expr(expr) => {
                match expr {
                    Expr::Filter(filter) => found(Name::Filter(filter.name)),
                    Expr::Test(test) => found(Name::Test(test.name)),
                    _ => {}
                }
                expr_parts(expr, &mut |part| node(Node::Expr(part), found));
            }
        }
    }
    node(Node::Stmt(tree), found);
}

/// The values of a call's arguments.
pub(super) fn args<'a, 's>(args: &'a [CallArg<'s>], visit: &mut dyn FnMut(&'a Expr<'s>)) {
    for arg in args {
        match arg {
            CallArg::Pos(expr)
            | CallArg::Kwarg(_, expr)
            | CallArg::PosSplat(expr)
            | CallArg::KwargSplat(expr) => visit(expr),
        }
    }
}

/// The direct parts of an expression, in the order of the source.
pub(super) fn expr_parts<'a, 's>(expr: &'a Expr<'s>, visit: &mut dyn FnMut(&'a Expr<'s>)) {
    match expr {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(node) => {
            visit(&node.expr);
            [&node.start, &node.stop, &node.step]
                .into_iter()
                .flatten()
                .for_each(visit);
        }
        Expr::UnaryOp(node) => visit(&node.expr),
        Expr::BinOp(node) => {
            visit(&node.left);
            visit(&node.right);
        }
        Expr::Compare(node) => {
            visit(&node.expr);
            node.ops.iter().for_each(|op| visit(&op.expr));
        }
        Expr::IfExpr(node) => {
            visit(&node.true_expr);
            visit(&node.test_expr);
            node.false_expr.iter().for_each(visit);
        }
        Expr::Filter(node) => {
            node.expr.iter().for_each(&mut *visit);
            args(&node.args, visit);
        }
        Expr::Test(node) => {
            visit(&node.expr);
            args(&node.args, visit);
        }
        Expr::GetAttr(node) => visit(&node.expr),
        Expr::GetItem(node) => {
            visit(&node.expr);
            visit(&node.subscript_expr);
        }
        Expr::Call(node) => {
            visit(&node.expr);
            args(&node.args, visit);
        }
        Expr::List(node) => node.items.iter().for_each(visit),
        Expr::Tuple(node) => node.items.iter().for_each(visit),
        Expr::Map(node) => {
            for (key, value) in node.keys.iter().zip(&node.values) {
                visit(key);
                visit(value);
            }
        }
    }
}

/// The direct parts of a statement, in the order of the source.
pub(super) fn stmt_parts<'a, 's>(stmt: &'a Stmt<'s>, visit: &mut dyn FnMut(Node<'a, 's>)) {
    let body = |list: &'a [Stmt<'s>], visit: &mut dyn FnMut(Node<'a, 's>)| {
        list.iter().for_each(|stmt| visit(Node::Stmt(stmt)));
    };
    match stmt {
        Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        Stmt::Template(node) => body(&node.children, visit),
        Stmt::EmitExpr(node) => visit(Node::Expr(&node.expr)),
        Stmt::ForLoop(node) => {
            visit(Node::Expr(&node.iter));
            node.filter_expr
                .iter()
                .for_each(|expr| visit(Node::Expr(expr)));
            body(&node.body, visit);
            body(&node.else_body, visit);
        }
        Stmt::IfCond(node) => {
            visit(Node::Expr(&node.expr));
            body(&node.true_body, visit);
            body(&node.false_body, visit);
        }
        Stmt::WithBlock(node) => {
            node.assignments
                .iter()
                .for_each(|(_, value)| visit(Node::Expr(value)));
            body(&node.body, visit);
        }
        Stmt::Set(node) => visit(Node::Expr(&node.expr)),
        Stmt::SetBlock(node) => {
            node.filter.iter().for_each(|expr| visit(Node::Expr(expr)));
            body(&node.body, visit);
        }
        Stmt::AutoEscape(node) => body(&node.body, visit),
        Stmt::FilterBlock(node) => {
            visit(Node::Expr(&node.filter));
            body(&node.body, visit);
        }
        Stmt::Block(node) => body(&node.body, visit),
        Stmt::Import(node) => visit(Node::Expr(&node.expr)),
        Stmt::FromImport(node) => visit(Node::Expr(&node.expr)),
        Stmt::Extends(node) => visit(Node::Expr(&node.name)),
        Stmt::Include(node) => visit(Node::Expr(&node.name)),
        Stmt::Macro(node) => {
            node.defaults
                .iter()
                .for_each(|value| visit(Node::Expr(value)));
            body(&node.body, visit);
        }
        Stmt::CallBlock(node) => {
            visit(Node::Expr(&node.call.expr));
            args(&node.call.args, &mut |expr| visit(Node::Expr(expr)));
            node.macro_decl
                .defaults
                .iter()
                .for_each(|value| visit(Node::Expr(value)));
            body(&node.macro_decl.body, visit);
        }
        Stmt::Do(node) => {
            visit(Node::Expr(&node.call.expr));
            args(&node.call.args, &mut |expr| visit(Node::Expr(expr)));
        }
    }
}

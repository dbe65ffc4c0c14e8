//! Mistakes with their source line and a caret.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use ocplay_language::diagnostic::{Diagnostic, Severity};
use ocplay_language::source::Span;

use super::print_error;

/// Prints every problem to standard error.
pub(crate) fn print_all(problems: &[Diagnostic]) {
    let colours = std::io::stderr().is_terminal();
    for problem in gathered(problems) {
        print_error(&format!("{}\n\n", draw(&problem, colours)));
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    if errors > 1 {
        print_error(&format!("{errors} errors\n"));
    }
}

/// Warnings that say the same in many places, said once with the places.
fn gathered(problems: &[Diagnostic]) -> Vec<Cow<'_, Diagnostic>> {
    let same = |a: &Diagnostic, b: &Diagnostic| {
        let warnings = [a, b].map(|one| one.severity == Severity::Warning);
        warnings == [true; 2] && (a.code, &a.message, &a.help) == (b.code, &b.message, &b.help)
    };
    let mut out: Vec<Cow<'_, Diagnostic>> = Vec::new();
    for (index, problem) in problems.iter().enumerate() {
        let like: Vec<&Diagnostic> = problems.iter().filter(|one| same(one, problem)).collect();
        if like.len() <= ONE_BY_ONE || CLASSIC.load(Ordering::Relaxed) {
            out.push(Cow::Borrowed(problem));
        } else if !problems[..index].iter().any(|one| same(one, problem)) {
            let places = like[1..].iter().filter_map(|one| one.labels.first());
            let places: Vec<String> = places
                .map(|label| {
                    let line = label.span.position().0;
                    format!("{}:{line}", label.span.path().display())
                })
                .collect();
            let shown = places[..places.len().min(PLACES)].join(", ");
            let left = places.len().saturating_sub(PLACES);
            let more = if left > 0 {
                format!(" and {left} more")
            } else {
                String::new()
            };
            let others = format!("the same at {} other places: {shown}{more}", like.len() - 1);
            out.push(Cow::Owned(problem.clone().help(others)));
        }
    }
    out
}

/// Warnings that say the same and are shown each by itself, if no more.
const ONE_BY_ONE: usize = 3;
/// Other places that are named.
const PLACES: usize = 8;

/// One problem as text.
pub(crate) fn draw(problem: &Diagnostic, colours: bool) -> String {
    if CLASSIC.load(Ordering::Relaxed) {
        return classic(problem, colours);
    }
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(problem.message.as_str())
        .id(problem.code);
    let mut group = Group::with_title(title);
    // Labels of one file share a snippet.
    let mut drawn: Vec<usize> = Vec::new();
    let mut hidden: Vec<String> = Vec::new();
    for (index, label) in problem.labels.iter().enumerate() {
        if drawn.contains(&index) {
            continue;
        }
        let source = label.span.source();
        if source.is_secret() {
            drawn.push(index);
            hidden.push(format!(
                "at {}; the file is encrypted, its lines are not shown",
                label.span
            ));
            continue;
        }
        let mut snippet = Snippet::source(source.text()).path(source.path().to_string_lossy());
        for (other, label) in problem.labels.iter().enumerate() {
            if !std::sync::Arc::ptr_eq(label.span.source(), source) {
                continue;
            }
            drawn.push(other);
            let kind = if other == 0 {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(one_line(&label.span));
            snippet = snippet.annotation(if label.text.is_empty() {
                annotation
            } else {
                annotation.label(label.text.as_str())
            });
        }
        group = group.element(snippet);
    }
    let mut report = vec![group];
    for help in hidden.iter().chain(&problem.help) {
        report.push(Group::with_title(
            Level::HELP.secondary_title(help.as_str()),
        ));
    }
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&report)
}

/// Whether the program was called by one of Ansible's names.
static CLASSIC: AtomicBool = AtomicBool::new(false);

/// From now on problems begin with the words that scripts around Ansible look
/// for: `[WARNING]: …`, `[ERROR]: …`.
pub(crate) fn use_classic_words() {
    CLASSIC.store(true, Ordering::Relaxed);
}

fn classic(problem: &Diagnostic, colours: bool) -> String {
    let (word, colour) = match problem.severity {
        Severity::Error => ("[ERROR]", "31"),
        Severity::Warning if problem.code == "deprecated" => ("[DEPRECATION WARNING]", "35"),
        Severity::Warning => ("[WARNING]", "35"),
    };
    let mut out = format!("{word}: {}", problem.message);
    if let Some(label) = problem.labels.first() {
        let (line, column) = label.span.position();
        let path = std::path::absolute(label.span.path());
        let path = path.unwrap_or_else(|_| label.span.path().to_owned());
        out.push_str(&format!("\nOrigin: {}:{line}:{column}\n\n", path.display()));
        let secret = label.span.source().is_secret();
        let text = if secret {
            ""
        } else {
            label.span.source().text()
        };
        let width = line.to_string().len();
        for (number, content) in text
            .lines()
            .enumerate()
            .take(line)
            .skip(line.saturating_sub(3))
        {
            out.push_str(&format!("{:width$} {content}\n", number + 1));
        }
        if !secret {
            out.push_str(&format!(
                "{}^ column {column}\n",
                " ".repeat(width + column)
            ));
        }
    }
    for help in &problem.help {
        out.push_str(&format!("\n{help}"));
    }
    if colours {
        format!("\u{1b}[{colour}m{out}\u{1b}[0m")
    } else {
        out
    }
}

/// A span that covers several lines is shown by its first.
fn one_line(span: &Span) -> std::ops::Range<usize> {
    let range = span.range();
    let text = span.text();
    let first = text.lines().next().map_or(0, str::len);
    let mut end = range.start + first;
    if end == range.start {
        // An empty span still needs a place for its caret.
        let rest = &span.source().text()[range.start..];
        end += rest
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
    }
    range.start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_language::source::Source;

    #[test]
    fn place_line_caret_and_help() {
        let source = Source::new("site.yml", "- hosts: all\n  tasks:\n    - comand: ls\n");
        let problem = Diagnostic::error("unknown-module", "there is no module 'comand'")
            .at(&Span::new(&source, 30..36))
            .help("did you mean 'command'?");
        let text = draw(&problem, false);
        assert!(text.contains("site.yml:3:9"), "{text}");
        assert!(text.contains("- comand: ls"), "{text}");
        assert!(text.contains("^^^^^^"), "{text}");
        assert!(text.contains("did you mean 'command'?"), "{text}");
    }

    #[test]
    fn problems_without_a_place() {
        let text = draw(
            &Diagnostic::error("x", "nothing there").help("look elsewhere"),
            false,
        );
        assert!(
            text.contains("nothing there") && text.contains("look elsewhere"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_span_at_the_end_does_not_panic() {
        let source = Source::new("a.yml", "a");
        let text = draw(
            &Diagnostic::error("x", "end").at(&Span::new(&source, 1..1)),
            false,
        );
        assert!(text.contains("a.yml:1:2"), "{text}");
    }

    #[test]
    fn warnings_of_one_kind_are_said_once() {
        let source = Source::new("a.yml", "x\n".repeat(20));
        let warning = |line: usize| {
            Diagnostic::warning("w", "odd").at(&Span::new(&source, line * 2..line * 2 + 1))
        };
        let few: Vec<Diagnostic> = (0..3).map(warning).collect();
        assert_eq!(gathered(&few).len(), 3);
        let mut many: Vec<Diagnostic> = (0..12).map(warning).collect();
        many.insert(1, Diagnostic::warning("w", "other"));
        let said = gathered(&many);
        assert_eq!(said.len(), 2);
        let text = draw(&said[0], false);
        assert!(text.contains("a.yml:1:1"), "{text}");
        assert!(
            text.contains("the same at 11 other places: a.yml:2, ") && text.contains("and 3 more"),
            "{text}"
        );
        let errors: Vec<Diagnostic> = (0..5).map(|_| Diagnostic::error("e", "wrong")).collect();
        assert_eq!(gathered(&errors).len(), 5);
    }
}

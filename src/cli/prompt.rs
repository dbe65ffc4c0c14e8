//! Questions to the person at the terminal.

use ocplay_language::diagnostic::Diagnostic;

use crate::render::print_error;

/// Reads a line without showing it. Without a terminal it comes from standard
/// input.
pub(crate) fn hidden(question: &str) -> Result<String, Vec<Diagnostic>> {
    ask(question, false)
}

/// Reads a line that is shown while it is typed.
pub(crate) fn shown(question: &str) -> Result<String, Vec<Diagnostic>> {
    ask(question, true)
}

fn ask(question: &str, echo: bool) -> Result<String, Vec<Diagnostic>> {
    print_error(question);
    let terminal = console::Term::stderr();
    let line = if terminal.is_term() && !echo {
        terminal.read_secure_line()
    } else {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map(|_| line.trim_end_matches(['\n', '\r']).to_owned())
    };
    line.map_err(|error| {
        vec![Diagnostic::error(
            "prompt",
            format!("the answer could not be read: {error}"),
        )]
    })
}

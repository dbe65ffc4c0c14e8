//! `encrypt_string`: values to be pasted into YAML.

use std::io::{IsTerminal, Read};

use super::{Done, Sealer, VaultCommand, file, wrong, wrong_words};
use crate::prompt;
use crate::render::print_error;

/// Blanks before each line of an encrypted value.
const INDENT: usize = 10;

/// One text, where it came from and what it is called.
struct Plain {
    text: String,
    from: &'static str,
    name: Option<String>,
}

/// Refuses what cannot be before anybody is asked for a password.
pub(super) fn check(command: &VaultCommand) -> Done {
    let VaultCommand::EncryptString {
        prompt,
        stdin_name,
        texts,
        ..
    } = command
    else {
        return Ok(());
    };
    let dash = texts.iter().any(|text| text == "-");
    if *prompt && (dash || stdin_name.is_some()) {
        return Err(wrong_words(
            "The --prompt option is not supported if also reading input from stdin",
        ));
    }
    if !prompt && !dash && stdin_name.is_none() && texts.is_empty() {
        return Ok(());
    }
    if texts.iter().any(String::is_empty) {
        return Err(wrong_words(
            "The plaintext provided from the command line args was empty, not encrypting",
        ));
    }
    Ok(())
}

pub(super) fn encrypt(command: &VaultCommand, sealer: &Sealer) -> Done {
    let VaultCommand::EncryptString {
        output,
        prompt,
        show_input,
        names,
        stdin_name,
        texts,
        ..
    } = command
    else {
        return Ok(());
    };
    let mut plains = Vec::new();
    if *prompt {
        plains.push(asked(*show_input)?);
    }
    let dash = texts.iter().any(|text| text == "-");
    let nothing = texts.is_empty() && !prompt;
    if dash || stdin_name.is_some() || nothing {
        plains.push(from_stdin(stdin_name.clone())?);
    }
    let given: Vec<&String> = texts.iter().filter(|text| *text != "-").collect();
    if !names.is_empty() && given.len() > names.len() {
        print_error("The number of --name options do not match the number of args.\n");
        print_error(&format!(
            "The last named variable will be \"{}\". The rest will not have names.\n",
            names.last().map(String::as_str).unwrap_or_default()
        ));
    }
    for (index, text) in given.into_iter().enumerate() {
        plains.push(Plain {
            text: text.clone(),
            from: "the command line args",
            name: names.get(index).cloned(),
        });
    }
    let mut out = String::new();
    for (index, plain) in plains.iter().enumerate() {
        if plains.len() > 1 {
            let number = index + 1;
            print_error(&match &plain.name {
                Some(name) => format!(
                    "# The encrypted version of variable (\"{name}\", the string #{number} from {}).\n",
                    plain.from
                ),
                None => format!(
                    "# The encrypted version of the string #{number} from {}.)\n",
                    plain.from
                ),
            });
        }
        if let Some(name) = &plain.name {
            out.push_str(&format!("{name}: "));
        }
        out.push_str("!vault |\n");
        for line in sealer.seal(plain.text.as_bytes())?.lines() {
            out.push_str(&format!("{:INDENT$}{line}\n", ""));
        }
    }
    file::write(
        output.as_deref().unwrap_or(std::path::Path::new("-")),
        out.as_bytes(),
    )
}

fn asked(show: bool) -> Result<Plain, Vec<ocplay_language::diagnostic::Diagnostic>> {
    let name = prompt::shown("Variable name (enter for no name): ")?;
    let text = if show {
        prompt::shown("String to encrypt:")?
    } else {
        prompt::hidden("String to encrypt (hidden): ")?
    };
    if text.is_empty() {
        return Err(wrong_words(
            "The plaintext provided from the prompt was empty, not encrypting",
        ));
    }
    Ok(Plain {
        text,
        from: "the interactive prompt",
        name: Some(name).filter(|name| !name.is_empty()),
    })
}

fn from_stdin(name: Option<String>) -> Result<Plain, Vec<ocplay_language::diagnostic::Diagnostic>> {
    if std::io::stdout().is_terminal() {
        print_error(
            "Reading plaintext input from stdin. (ctrl-d to end input, twice if your content does not already have a newline)\n",
        );
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| wrong(format!("standard input cannot be read: {error}")))?;
    if text.is_empty() {
        return Err(wrong_words("stdin was empty, not encrypting"));
    }
    if std::io::stdout().is_terminal() && !text.ends_with('\n') {
        print_error("\n");
    }
    Ok(Plain {
        text,
        from: "stdin",
        name,
    })
}

//! A configuration file to begin with: every setting that has an effect, with
//! its meaning and default.

use super::page::kind;
use super::rows::{Fate, ROWS, Row};

/// In which form settings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// A file, such as `ansible.cfg`.
    Ini,
    /// Lines for a shell.
    Env,
}

/// All settings that have an effect; as comments if they are disabled.
pub(crate) fn init(form: Form, disabled: bool) -> String {
    let rows: Vec<&Row> = ROWS
        .iter()
        .filter(|row| !matches!(row.fate, Fate::Ignored(_)))
        .collect();
    match form {
        Form::Ini => file(&rows, disabled),
        Form::Env => shell(&rows, disabled),
    }
}

fn file(rows: &[&Row], disabled: bool) -> String {
    let mut sections: Vec<&str> = Vec::new();
    for row in rows {
        if let Some((section, _)) = row.ini.first()
            && !sections.contains(section)
        {
            sections.push(section);
        }
    }
    let mut out = String::new();
    for section in sections {
        out.push_str(&format!("[{section}]\n"));
        for row in rows {
            let Some((own, key)) = row.ini.first() else {
                continue;
            };
            if *own != section {
                continue;
            }
            let off = if disabled { ";" } else { "" };
            out.push_str(&meaning(row));
            out.push_str(&format!("{off}{key}={}\n\n", row.default));
        }
    }
    out
}

fn shell(rows: &[&Row], disabled: bool) -> String {
    let mut out = String::new();
    for row in rows {
        if let Some(name) = row.env.first() {
            let off = if disabled { "#" } else { "" };
            out.push_str(&meaning(row));
            let value = row.default.replace('\'', "'\\''");
            out.push_str(&format!("{off}export {name}='{value}'\n\n"));
        }
    }
    out
}

fn meaning(row: &Row) -> String {
    let more = match row.fate {
        Fate::Partly(how) => format!(" Here {how}."),
        Fate::Honoured | Fate::Ignored(_) => String::new(),
    };
    format!("# ({}) {}{more}\n", kind(row.kind), row.about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_lines_for_a_shell() {
        let file = init(Form::Ini, true);
        assert!(file.starts_with("[defaults]\n# ("), "{file}");
        assert!(file.contains("\n;forks=50\n") && file.contains("\n[ssh_connection]\n"));
        assert!(!file.contains("cow_selection"), "it has no effect");
        assert!(init(Form::Ini, false).contains("\nforks=50\n"));
        let shell = init(Form::Env, true);
        assert!(shell.contains("\n#export ANSIBLE_FORKS='50'\n"), "{shell}");
    }
}

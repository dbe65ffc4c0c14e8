//! Lookups in files with a form: passwords, INI, CSV.

use std::path::PathBuf;

use minijinja::Error;

use super::{Call, Row, home};
use crate::template::filters::{crypt, random_text};
use crate::template::{Jinja, filters, python};

pub(super) const ROWS: &[Row] = &[
    (
        "password",
        "length chars encrypt seed ident equalize",
        password,
    ),
    (
        "ini",
        "section file type re default encoding case_sensitive allow_no_value",
        ini,
    ),
    (
        "csvfile",
        "file delimiter col keycol default encoding",
        csvfile,
    ),
];

/// `name key=value key=value` in one term.
fn words(term: &str) -> (String, Vec<(String, String)>) {
    let mut name = Vec::new();
    let mut options = Vec::new();
    for word in term.split_whitespace() {
        match word.split_once('=') {
            Some((key, value)) if !key.contains('/') => {
                options.push((key.to_owned(), value.to_owned()));
            }
            _ => name.push(word),
        }
    }
    (name.join(" "), options)
}

fn setting(
    call: &Call<'_>,
    inline: &[(String, String)],
    name: &str,
    default: &str,
) -> Result<String, Error> {
    match inline.iter().find(|(key, _)| key == name) {
        Some((_, value)) => Ok(value.clone()),
        None => call.text_option(name, default),
    }
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The characters that a list of names and literals stands for.
fn alphabet(names: &[String]) -> String {
    let mut chars = String::new();
    for name in names {
        match name.as_str() {
            "ascii_letters" => chars.push_str(LETTERS),
            "ascii_lowercase" => chars.push_str(&LETTERS[..26]),
            "ascii_uppercase" => chars.push_str(&LETTERS[26..]),
            "digits" => chars.push_str("0123456789"),
            "hexdigits" => chars.push_str("0123456789abcdefABCDEF"),
            "octdigits" => chars.push_str("01234567"),
            "punctuation" => chars.push_str(PUNCTUATION),
            literal => chars.push_str(literal),
        }
    }
    let mut seen = std::collections::HashSet::new();
    chars.chars().filter(|c| seen.insert(*c)).collect()
}

fn seeded(seed: &str, length: usize, alphabet: &str) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut dice = filters::Dice::new(Some(seed));
    (0..length)
        .filter_map(|_| alphabet.get(dice.below(alphabet.len() as u64) as usize))
        .collect()
}

/// Reads a password, or makes one and keeps it.
fn password(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .iter()
        .map(|term| one_password(call, term))
        .collect()
}

fn one_password(call: &Call<'_>, term: &str) -> Result<Jinja, Error> {
    let (name, inline) = words(term);
    let length: usize = setting(call, &inline, "length", "20")?
        .parse()
        .ok()
        .filter(|length| *length <= 100_000)
        .ok_or_else(|| call.fail("length must be a number"))?;
    let names = match (
        inline.iter().find(|(key, _)| key == "chars"),
        call.option("chars"),
    ) {
        (Some((_, names)), _) => names.split(',').map(str::to_owned).collect(),
        (None, Some(names)) if python::is_list(names) => python::items(names)?
            .iter()
            .map(python::text)
            .collect::<Result<Vec<_>, _>>()?,
        (None, Some(names)) => python::text(names)?.split(',').map(str::to_owned).collect(),
        (None, None) => ["ascii_letters", "digits", ".,:-_"]
            .map(str::to_owned)
            .to_vec(),
    };
    let alphabet = alphabet(&names);
    let encrypt = setting(call, &inline, "encrypt", "")?;
    let seed = setting(call, &inline, "seed", "")?;
    let path = PathBuf::from(home(call.context, &name));
    let path = if path.is_absolute() {
        path
    } else {
        call.find("files", &name).unwrap_or_else(|| {
            call.context
                .scope
                .search()
                .last()
                .map_or_else(|| path.clone(), |folder| folder.join(&path))
        })
    };
    let keep = path.as_os_str() != "/dev/null";
    let stored = if keep && call.context.templar.loader.is_file(&path) {
        Some(call.read(&path)?.trim_end_matches('\n').to_owned())
    } else {
        None
    };
    let (mut plain, mut salt) = match &stored {
        Some(stored) => match stored.rsplit_once(" salt=") {
            Some((plain, rest)) => {
                let salt = rest.split_once(" ident=").map_or(rest, |(salt, _)| salt);
                (Some(plain.to_owned()), Some(salt.to_owned()))
            }
            None => (Some(stored.clone()), None),
        },
        None => (None, None),
    };
    let mut changed = false;
    let made = match plain.take() {
        Some(plain) => plain,
        None => {
            changed = true;
            if seed.is_empty() {
                random_text(length, &alphabet)?
            } else {
                seeded(&seed, length, &alphabet)
            }
        }
    };
    if !encrypt.is_empty() && salt.is_none() {
        salt = Some(random_text(16, &(LETTERS.to_owned() + "0123456789./"))?);
        changed = true;
    }
    if changed && keep {
        let text = match &salt {
            Some(salt) => format!("{made} salt={salt}\n"),
            None => format!("{made}\n"),
        };
        call.context
            .templar
            .loader
            .write_private(&path, text.as_bytes())
            .map_err(|error| call.fail(format!("cannot write {}: {error}", path.display())))?;
    }
    if encrypt.is_empty() {
        Ok(Jinja::from(made))
    } else {
        crypt(&made, &encrypt, salt.as_deref(), None).map(Jinja::from)
    }
}

fn ini(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut found = Vec::new();
    for term in call.texts()? {
        let (key, inline) = words(&term);
        let file = setting(call, &inline, "file", "ansible.ini")?;
        let section = setting(call, &inline, "section", "global")?;
        let properties = setting(call, &inline, "type", "ini")? == "properties";
        let default = setting(call, &inline, "default", "")?;
        let path = call
            .find("files", &file)
            .ok_or_else(|| call.fail(format!("no file '{file}' was found")))?;
        let text = call.read(&path)?;
        let pattern = setting(call, &inline, "re", "False")?;
        let regex = filters::truth(&Jinja::from(pattern)).unwrap_or(false);
        let wanted = |name: &str| -> Result<bool, Error> {
            if regex {
                let pattern = filters::compile(&key, filters::Flags::default())?;
                Ok(pattern.is_match(name).unwrap_or(false))
            } else {
                Ok(name.eq_ignore_ascii_case(&key))
            }
        };
        let mut current = if properties {
            section.clone()
        } else {
            String::new()
        };
        let mut values = Vec::new();
        for line in text.lines() {
            let line = line.trim_end();
            if line.trim_start().starts_with(['#', ';']) || line.trim().is_empty() {
                continue;
            }
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                current = name.to_owned();
            } else if line.starts_with(' ') || line.starts_with('\t') {
                if let Some((_, value)) = values.last_mut() {
                    let value: &mut String = value;
                    value.push('\n');
                    value.push_str(line.trim());
                }
            } else if current == section || current == "DEFAULT" {
                let (name, value) = line
                    .find(['=', ':'])
                    .map_or((line, ""), |at| (&line[..at], &line[at + 1..]));
                values.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let mut hits = Vec::new();
        for (name, value) in values {
            if wanted(&name)? {
                hits.push(Jinja::from(value));
            }
        }
        if regex {
            found.extend(hits);
        } else {
            found.push(hits.pop().unwrap_or_else(|| Jinja::from(default)));
        }
    }
    Ok(found)
}

/// One line of CSV, with quotes.
fn fields(line: &str, delimiter: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else {
            break;
        };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            c if c == delimiter && !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

fn csvfile(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut found = Vec::new();
    for term in call.texts()? {
        let (key, inline) = words(&term);
        let file = setting(call, &inline, "file", "ansible.csv")?;
        let delimiter = match setting(call, &inline, "delimiter", "TAB")?.as_str() {
            "TAB" | "t" | "\\t" => '\t',
            other => other.chars().next().unwrap_or(','),
        };
        let index = |name: &str, default: &str| -> Result<usize, Error> {
            setting(call, &inline, name, default)?
                .parse()
                .map_err(|_| call.fail(format!("{name} must be a number")))
        };
        let (column, key_column) = (index("col", "1")?, index("keycol", "0")?);
        let path = call
            .find("files", &file)
            .ok_or_else(|| call.fail(format!("no file '{file}' was found")))?;
        let text = call.read(&path)?;
        let hit = text
            .lines()
            .map(|line| fields(line, delimiter))
            .find(|fields| fields.get(key_column) == Some(&key))
            .and_then(|fields| fields.get(column).cloned());
        match (hit, call.option("default")) {
            (Some(value), _) => found.push(Jinja::from(value)),
            (None, Some(default)) => found.push(default.clone()),
            (None, None) => {}
        }
    }
    Ok(found)
}

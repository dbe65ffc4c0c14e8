//! Lookups in files with a form: passwords, INI, CSV.

use std::path::PathBuf;

use minijinja::Error;

use super::ini_file::{IniFile, Reading};
use super::{Call, Row, home};
use crate::playbook::freeform::split_pairs;
use crate::template::filters::{Salting, crypt, new_salt, random_text};
use crate::template::{Jinja, charset, csv, filters, python};

pub(super) const ROWS: &[Row] = &[
    (
        "password",
        "length chars encrypt seed ident equalize",
        password,
    ),
    (
        "ini",
        "section file type re default encoding case_sensitive allow_no_value allow_none interpolation",
        ini,
    ),
    (
        "csvfile",
        "file delimiter col keycol default encoding",
        csvfile,
    ),
];

/// Options given inside of a term, and those given beside it.
struct Settings<'a> {
    call: &'a Call<'a>,
    inline: Vec<(String, String)>,
}

impl Settings<'_> {
    fn text(&self, name: &str, default: &str) -> Result<String, Error> {
        match self.inline.iter().rev().find(|(key, _)| key == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.call.text_option(name, default),
        }
    }

    fn some(&self, name: &str) -> Result<Option<String>, Error> {
        match self.inline.iter().rev().find(|(key, _)| key == name) {
            Some((_, value)) => Ok(Some(value.clone())),
            None => self.call.option(name).map(python::text).transpose(),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Error> {
        Ok(match self.some(name)? {
            Some(word) => filters::truth(&Jinja::from(word)).unwrap_or(false),
            None => default,
        })
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Error> {
        match self.some(name)? {
            Some(word) => word.trim().parse().map_err(|_| {
                self.call.fail(format!(
                    "The option '{name}' has an invalid value: '{word}' is no number"
                ))
            }),
            None => Ok(default),
        }
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
            "whitespace" => chars.push_str(" \t\n\r\u{b}\u{c}"),
            "printable" => {
                chars.push_str("0123456789");
                chars.push_str(LETTERS);
                chars.push_str(PUNCTUATION);
                chars.push_str(" \t\n\r\u{b}\u{c}");
            }
            literal => chars.extend(literal.chars().filter(|c| !matches!(c, '"' | '\''))),
        }
    }
    chars
}

/// `a,b,,` as its words; two commas mean the character itself.
fn char_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    if text.contains(",,") {
        words.push(",".to_owned());
    }
    words.extend(
        text.replace(",,", ",")
            .split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned),
    );
    words
}

fn seeded(seed: &str, length: usize, alphabet: &str) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut dice = filters::Dice::of_text(seed);
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
    const KNOWN: [&str; 5] = ["length", "encrypt", "chars", "ident", "seed"];
    let mut name = term.to_owned();
    let mut inline = Vec::new();
    if let Some((first, rest)) = term.split_once(' ') {
        let pairs = split_pairs(rest, None);
        name = first.to_owned();
        if !pairs.rest.is_empty() {
            name = format!("{first} {}", pairs.rest);
            if !term.starts_with(&name) {
                return Err(call.fail(
                    "Unrecognized value after key=value parameters given to password lookup",
                ));
            }
        }
        if let Some((wrong, _)) = pairs
            .pairs
            .iter()
            .find(|(key, _)| !KNOWN.contains(&key.as_str()))
        {
            return Err(call.fail(format!(
                "Unrecognized parameter(s) given to password lookup: {wrong}"
            )));
        }
        inline = pairs.pairs;
    }
    let settings = Settings { call, inline };
    let length = settings.number("length", 20)?;
    if length > 100_000 {
        return Err(call.fail("a password of more than 100000 characters"));
    }
    let inline_chars = settings.inline.iter().find(|(key, _)| key == "chars");
    let names = match (inline_chars, call.option("chars")) {
        (Some((_, names)), _) => char_words(names),
        (None, Some(names)) if python::is_list(names) => python::items(names)?
            .iter()
            .map(python::text)
            .collect::<Result<Vec<_>, _>>()?,
        (None, Some(names)) => char_words(&python::text(names)?),
        (None, None) => ["ascii_letters", "digits", ".,:-_"]
            .map(str::to_owned)
            .to_vec(),
    };
    let alphabet = alphabet(&names);
    let encrypt = settings.some("encrypt")?.filter(|kind| !kind.is_empty());
    let seed = settings.some("seed")?;
    let path = PathBuf::from(home(call.context, &name));
    let path = if path.is_absolute() {
        path
    } else {
        call.base().join(path)
    };
    let keep = path.as_os_str() != "/dev/null";
    let loader = &call.context.templar.loader;
    let stored = if keep && loader.is_file(&path) {
        Some(call.read(&path)?.trim_end_matches('\n').to_owned())
    } else {
        None
    };
    let (mut plain, mut salt, mut ident) = (None, None, None);
    if let Some(stored) = stored {
        match stored.rsplit_once(" salt=") {
            Some((word, rest)) => {
                plain = Some(word.to_owned());
                match rest.rsplit_once(" ident=") {
                    Some((own, name)) => {
                        salt = Some(own.to_owned());
                        ident = Some(name.to_owned());
                    }
                    None => salt = Some(rest.to_owned()),
                }
            }
            None => plain = Some(stored),
        }
    }
    let mut changed = false;
    let made = match plain {
        Some(plain) => plain,
        None => {
            changed = true;
            match &seed {
                Some(seed) => seeded(seed, length, &alphabet),
                None => random_text(length, &alphabet)?,
            }
        }
    };
    if let Some(kind) = &encrypt
        && salt.is_none()
    {
        salt = Some(new_salt(kind)?);
        changed = true;
    }
    let wanted = settings.some("ident")?;
    match (&ident, wanted) {
        (Some(own), Some(wanted)) if *own != wanted => {
            return Err(call.fail(format!(
                "The ident parameter provided ({own}) does not match the stored one ({wanted})."
            )));
        }
        (None, Some(wanted)) => ident = Some(wanted),
        _ => {}
    }
    if matches!(encrypt.as_deref(), Some("bcrypt" | "blowfish")) && ident.is_none() {
        ident = Some("2b".to_owned());
        changed = true;
    }
    if changed && keep {
        let text = match (&salt, &ident) {
            (Some(salt), Some(ident)) => format!("{made} salt={salt} ident={ident}\n"),
            (Some(salt), None) => format!("{made} salt={salt}\n"),
            (None, _) => format!("{made}\n"),
        };
        loader
            .write_private(&path, text.as_bytes())
            .map_err(|error| call.fail(format!("cannot write {}: {error}", path.display())))?;
    }
    match encrypt {
        None => Ok(Jinja::from(made)),
        Some(kind) => crypt(
            &made,
            &kind,
            &Salting {
                salt: salt.as_deref(),
                ident: ident.as_deref(),
                ..Salting::default()
            },
        )
        .map(Jinja::from),
    }
}

/// The words of an old-style term: the key, then options; a value may have
/// spaces up to the next option.
fn ini_words(term: &str, known: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = String::new();
    for word in term.split_whitespace() {
        let starts = word
            .split_once('=')
            .is_some_and(|(name, _)| known.contains(&name) || words.is_empty() && open.is_empty());
        if starts && !open.is_empty() {
            words.push(std::mem::take(&mut open));
        }
        if !open.is_empty() {
            open.push(' ');
        }
        open.push_str(word);
    }
    if !open.is_empty() {
        words.push(open);
    }
    words
}

fn ini(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    const KNOWN: [&str; 9] = [
        "section",
        "file",
        "type",
        "re",
        "default",
        "encoding",
        "case_sensitive",
        "allow_no_value",
        "interpolation",
    ];
    let mut found = Vec::new();
    for term in call.texts()? {
        let mut key = term.clone();
        let mut inline = Vec::new();
        if term.contains('=') || term.trim().contains(' ') {
            let mut first = None;
            for word in ini_words(&term, &KNOWN) {
                match word.split_once('=') {
                    Some((name, value)) => {
                        if !KNOWN.contains(&name) {
                            return Err(call.fail(format!("'{name}' is not a valid option.")));
                        }
                        if value.contains('=') {
                            return Err(call.fail(format!("Could not use '{word}' from '{term}'.")));
                        }
                        inline.push((name.to_owned(), value.to_owned()));
                    }
                    None => {
                        first.get_or_insert(word);
                    }
                }
            }
            key = first.ok_or_else(|| {
                call.fail(format!(
                    "No key to look up was provided as first term within string inline options: {term}"
                ))
            })?;
        }
        let settings = Settings { call, inline };
        let file = settings.text("file", "ansible.ini")?;
        let properties = settings.text("type", "ini")? == "properties";
        let section = if properties {
            "java_properties".to_owned()
        } else {
            settings.text("section", "global")?
        };
        let reading = Reading {
            case_sensitive: settings.flag("case_sensitive", false)?,
            no_value: settings.flag("allow_no_value", settings.flag("allow_none", false)?)?,
            interpolation: settings.flag("interpolation", true)?,
        };
        let path = call.find_file("files", &file)?;
        let mut text = charset::decode(&call.bytes(&path)?, &settings.text("encoding", "utf-8")?)?;
        if properties {
            text.insert_str(0, "[java_properties]\n");
        }
        let ini = IniFile::read(&text, &file, reading)?;
        let Some(entries) = ini.section(&section) else {
            return Err(call.fail(format!("No section '{section}' in '{file}'.")));
        };
        if settings.flag("re", false)? {
            let pattern = filters::compile(&format!("\\A(?:{key})"), filters::Flags::default())?;
            for (name, value) in &entries {
                if pattern.is_match(name).unwrap_or(false) {
                    found.push(match value {
                        Some(value) => Jinja::from(ini.shown(&entries, value)?),
                        None => Jinja::from(()),
                    });
                }
            }
            continue;
        }
        let wanted = if reading.case_sensitive {
            key
        } else {
            key.to_lowercase()
        };
        match entries.get(&wanted) {
            Some(Some(value)) => found.push(Jinja::from(ini.shown(&entries, value)?)),
            Some(None) => {}
            None => match settings.some("default")? {
                Some(default) => found.push(
                    call.option("default")
                        .cloned()
                        .filter(|_| settings.inline.iter().all(|(name, _)| name != "default"))
                        .unwrap_or_else(|| Jinja::from(default)),
                ),
                None => found.push(Jinja::from("")),
            },
        }
    }
    Ok(found)
}

fn csvfile(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    const KNOWN: [&str; 6] = ["file", "delimiter", "col", "keycol", "default", "encoding"];
    let missing = || call.fail("Search key is required but was not found");
    let terms = call.texts()?;
    if terms.is_empty() {
        return Err(missing());
    }
    let mut found = Vec::new();
    for term in terms {
        let pairs = split_pairs(&term, None);
        if pairs.rest.is_empty() {
            return Err(missing());
        }
        if let Some((wrong, _)) = pairs
            .pairs
            .iter()
            .find(|(name, _)| !KNOWN.contains(&name.as_str()))
        {
            return Err(call.fail(format!("'{wrong}' is not a valid option")));
        }
        let key = pairs.rest;
        let settings = Settings {
            call,
            inline: pairs.pairs,
        };
        let delimiter = match settings.text("delimiter", "TAB")?.as_str() {
            "TAB" | "\\t" => '\t',
            other => {
                let mut chars = other.chars();
                match (chars.next(), chars.next()) {
                    (Some(delimiter), None) => delimiter,
                    _ => return Err(call.fail("\"delimiter\" must be a 1-character string")),
                }
            }
        };
        let (column, key_column) = (settings.number("col", 1)?, settings.number("keycol", 0)?);
        let path = call.find_file("files", &settings.text("file", "ansible.csv")?)?;
        let text = charset::decode(&call.bytes(&path)?, &settings.text("encoding", "utf-8")?)?;
        let row = csv::rows(&text, delimiter)
            .into_iter()
            .find(|row| row.get(key_column) == Some(&key));
        match row {
            Some(row) => match row.get(column) {
                Some(value) => found.push(Jinja::from(value.as_str())),
                None => return Err(call.fail("list index out of range")),
            },
            None => {
                if let Some(default) = call.option("default") {
                    if python::is_list(default) {
                        found.extend(python::items(default)?);
                    } else {
                        found.push(default.clone());
                    }
                } else if let Some(default) = settings.some("default")? {
                    found.push(Jinja::from(default));
                }
            }
        }
    }
    Ok(found)
}
